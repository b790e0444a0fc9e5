"""Images whose masks are outlines in JSON files: which belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.data.file_names import nfc
from segbench.data.folder.pairing import pair_entries
from segbench.data.folder.polygons import Annotations, Shape, class_names, read_coco, read_geojson
from segbench.data.folder.samples import Sample, Samples, part_of, told
from segbench.data.folder.sources import POLYGONS, Entry, find_entries
from segbench.errors import DataError
from segbench.words import listed, plural


def outline_files(root: Path, masks: object) -> list[Path]:
    """Return the JSON files that ``data.masks`` names; none if it names images."""
    if not isinstance(masks, str):
        return []
    place = root / masks
    if place.is_file() and place.name.lower().endswith(POLYGONS):
        return [place]
    if not place.is_dir():
        return []
    files = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    found = [path for path in files if path.name.lower().endswith(POLYGONS)]
    return found if 2 * len(found) > len(files) else []


def find_outlined(
    root: Path, images: str, masks: str, files: Sequence[Path], pair: object, unpaired: str, numbered: bool
) -> tuple[Samples, Annotations]:
    """Find images and their outlines.

    Args:
        root: ``data.root``.
        images: ``data.images``.
        masks: ``data.masks``.
        files: From :func:`outline_files`.
        pair: ``data.pair``.
        unpaired: ``skip`` leaves out files without partner.
        numbered: Whether objects are numbered.

    Raises:
        DataError: If a file is damaged, or nothing belongs together.
    """
    entries = find_entries(root, images, "images")
    coco = {path: found for path in files if (found := read_coco(path)) is not None}
    if coco:
        if len(coco) < len(files):
            raise DataError(
                f"data.masks={masks}: COCO files and others ({listed([p.name for p in files])}); keep one kind"
            )
        categories = list(dict.fromkeys(name for _, found in coco.values() for name in found))
        listing = {name: (path, shapes) for path, (found, _) in coco.items() for name, shapes in found.items()}
        samples, shapes = _listed_images(entries, listing)
        line = f"{plural(len(samples.found), 'image')} with outlines in {listed([path.name for path in files])}"
        return _with_line(samples, line, unpaired), Annotations(tuple(categories), shapes, numbered)
    pairs = pair_entries(entries, find_entries(root, masks, "masks", POLYGONS), pair)
    samples = Samples([Sample(name, image.path, (mask.path,), part=part_of(name)) for name, image, mask in pairs.found])
    shapes = {image.path: read_geojson(mask.path) for _, image, mask in pairs.found}
    samples.said.append(f"{plural(len(samples.found), 'image')}, each with a file of outlines")
    names = class_names(shape for some in shapes.values() for shape in some)
    return told(samples, [pairs], unpaired), Annotations(tuple(names), shapes, numbered)


def _listed_images(
    entries: Sequence[Entry], listing: dict[str, tuple[Path, list[Shape]]]
) -> tuple[Samples, dict[Path, list[Shape]]]:
    """Match images with the names that files list, with or without their folders."""
    samples, shapes = Samples(), dict[Path, list[Shape]]()
    by_name: dict[str, Entry] = {}
    for entry in entries:
        by_name.setdefault(nfc(entry.path.name), entry)
        by_name["/".join((*entry.folders, nfc(entry.path.name)))] = entry
    for name, (path, found) in sorted(listing.items()):
        match = by_name.get(nfc(name)) or by_name.get(nfc(Path(name).name))
        if match is None:
            samples.faults.append(f"{path}: lists {name}, which is not there")
            continue
        key = "/".join((*match.folders, match.name))
        shapes[match.path] = found
        samples.found.append(Sample(key, match.path, (path,), part=part_of(key)))
    samples.found.sort(key=lambda sample: sample.id)
    if left := len(entries) - len(shapes):
        samples.said.append(f"{plural(left, 'image')} that no file lists left out")
    return samples, shapes


def _with_line(samples: Samples, line: str, unpaired: str) -> Samples:
    samples.said.insert(0, line)
    return told(samples, [], unpaired)
