"""A CSV file of one's own: which images, their masks, parts and groups (``data.table``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segbench.data.file_names import name_without_suffix, nfc
from segbench.data.folder.samples import PART_OF, Sample, Samples
from segbench.data.folder.sources import folders_in
from segbench.data.tables import read_rows
from segbench.errors import DataError
from segbench.words import listed, plural

Rows = Sequence[tuple[int, list[str]]]


def listed_samples(path: Path, root: Path) -> Samples | None:
    """Return the samples that a table lists; None if it has no columns ``image`` and ``mask``.

    Args:
        path: The table: ``image`` and ``mask``, files in the table's folder or in ``root``, and perhaps ``id``,
            ``split`` and ``group``.
        root: ``data.root``.

    Raises:
        DataError: If it is no table.
    """
    header, rows = read_rows(path)
    columns = {name.lower(): index for index, name in enumerate(header)}
    if "image" not in columns:
        return None
    if "mask" not in columns:
        raise DataError(f"{path}: a column image but no column mask; it has {listed(header)}")
    samples = Samples()
    for number, row in rows:
        cells = {name: row[index] for name, index in columns.items()}
        files = [_file(path, root, cells[name]) for name in ("image", "mask")]
        if missing := [cells[name] for name, file in zip(("image", "mask"), files, strict=True) if file is None]:
            samples.faults.append(f"{path}: line {number}: no file {_sought(path, root, missing[0])}")
            continue
        image, mask = (file for file in files if file is not None)
        name = cells.get("id") or name_without_suffix(Path(cells["image"]))
        part, fault = _part(cells.get("split", ""))
        samples.faults += [f"{path}: line {number}: {fault}"] if fault else []
        samples.found.append(Sample(name, image, (mask,), cells.get("group") or None, part))
    if not samples.found and not samples.faults:
        raise DataError(f"{path}: no rows")
    seen = set[str]()
    for sample in samples.found:
        if sample.id in seen:
            samples.faults.append(f"{path}: {sample.id} occurs twice; give each row its own id in a column id")
        seen.add(sample.id)
    samples.found.sort(key=lambda sample: sample.id)
    samples.said.append(f"{plural(len(samples.found), 'image')} listed in {path.name}")
    return samples


def looked_up(samples: Samples, path: Path, group: str | None) -> Samples:
    """Return samples with the parts and groups that a table gives them.

    Args:
        samples: The samples of the folders.
        path: The table: a column of ids, image names or mask names, and ``split``, ``group`` or both.
        group: The column of groups, if it is not called so.

    Raises:
        DataError: If no column names the images.
    """
    header, rows = read_rows(path)
    by_name = {name.lower(): index for index, name in enumerate(header)}
    groups = header.index(group) if group in header else by_name.get("group")
    parts = by_name.get("split")
    if groups is None and parts is None:
        raise DataError(f"{path}: no column group or split; name the one of groups: data.group={header[-1]!r}")
    key, found = _best_column(samples.found, header, rows)
    if not found:
        raise DataError(f"{path}: no column names the images ({samples.found[0].id}, ...); add a column id")
    told, faults = [], list(samples.faults)
    for sample in samples.found:
        row = next((found[name] for name in _names(sample) if name in found), None)
        if row is None:
            faults.append(f"{sample.image}: {path.name} has no row for it (column {header[key]})")
            continue
        part, fault = _part("" if parts is None else row[parts])
        faults += [f"{path}: {sample.id}: {fault}"] if fault else []
        value = None if groups is None else row[groups]
        if groups is not None and not value:
            faults.append(f"{path}: {sample.id} has no {header[groups]}")
        told.append(replace(sample, group=value or sample.group, part=part or sample.part))
    what = [header[index] for index in (groups, parts) if index is not None]
    line = f"{listed(what)} of {path.name}, by its column {header[key]}"
    unused = len(found) - len(told)
    return Samples(told, [*samples.said, line + (f" ({unused} rows without image)" if unused > 0 else "")], faults)


def _best_column(samples: Sequence[Sample], header: Sequence[str], rows: Rows) -> tuple[int, dict[str, list[str]]]:
    """Return the column with most of the samples' names, and the rows by it; no rows if none has any."""
    best: tuple[int, int, dict[str, list[str]]] = (0, 0, {})
    for column in range(len(header)):
        found = {row[column]: row for _, row in rows} | {nfc(Path(row[column]).stem): row for _, row in rows}
        count = sum(any(name in found for name in _names(sample)) for sample in samples)
        if count > best[0]:
            best = (count, column, {row[column]: row for _, row in rows} | found)
    return best[1], best[2]


def _names(sample: Sample) -> list[str]:
    """Return what a table may call a sample."""
    files = (sample.image, *sample.masks)
    return [sample.id, sample.id.rpartition("/")[2], *(name for file in files for name in (file.name, file.stem))]


def _file(table: Path, root: Path, cell: str) -> Path | None:
    """Return the file that a cell names, in the folder of the table or in ``root``."""
    return next((place for base in (table.parent, root) if cell and (place := base / cell).is_file()), None)


def _sought(table: Path, root: Path, cell: str) -> str:
    """Return a cell that names no file, where it was looked for, and in which folders there such a file lies."""
    if not cell or Path(cell).is_absolute():
        return cell or "(empty cell)"
    places = list(dict.fromkeys(base.resolve() for base in (table.parent, root)))
    text = f"{cell} in {' or '.join(map(str, places))}"
    names = [f"{name}/{cell}" for place in places for name in folders_in(place) if (place / name / cell).is_file()]
    return f"{text}; there is {listed(names)}: name the folder too" if names else text


def _part(cell: str) -> tuple[str | None, str | None]:
    """Return the part that a cell names, or what is wrong with it."""
    if not cell:
        return None, None
    part = PART_OF.get(cell.lower())
    return part, None if part else f"split {cell}: choose train, val or test"
