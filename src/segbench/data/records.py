"""Records: finding and pairing image and mask files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import distinct, entries, is_decodable, nfc, not_decodable
from segbench.errors import DataError
from segbench.words import MOST_NAMED, listed, plural

_SHOWN = 20


@dataclass(frozen=True)
class Record:
    """One image with its label.

    Attributes:
        id: Unique name, used in every table.
        group: Name of the unit that must not be split between training and test: car, patient, sequence.
        image: The image file; None for generated data.
        mask: The label file; None for generated data.
        files: Further files that it is read from, such as masks of single classes; the cache depends on them too.
    """

    id: str
    group: str
    image: Path | None = None
    mask: Path | None = None
    files: tuple[Path, ...] = ()


def require_root(root: Path | None, hint: str = "") -> Path:
    """Return the folder of a data set.

    Args:
        root: ``data.root``.
        hint: What is expected there, or how to get it, for the message.

    Raises:
        DataError: If there is no such folder.
    """
    assert root is not None
    if not root.is_dir():
        more = f"; {hint}" if hint else ""
        raise DataError(f"data.root={root}: no such folder (set data.root or SEGBENCH_DATA){more}")
    return root


def find_files(folder: Path, suffixes: Iterable[str], expected: str) -> list[Path]:
    """Return the files of a folder that have one of the suffixes, sorted by name.

    Args:
        folder: The folder.
        suffixes: Lower-case suffixes with their dot.
        expected: What is expected there, for the message.

    Raises:
        DataError: If the folder is missing or has no such file.
    """
    wanted = set(suffixes)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected {expected}")
    files = [path for path in entries(folder) if path.suffix.lower() in wanted]
    if not files:
        raise DataError(f"{folder}: no images found; expected {expected}")
    return files


def pair(
    images: list[Path], masks: list[Path], key_of_image: Callable[[Path], str], key_of_mask: Callable[[Path], str]
) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """Pair images with masks by key.

    Args:
        images: Image files.
        masks: Mask files.
        key_of_image: Key of an image file.
        key_of_mask: Key of a mask file; equal to that of its image, in any Unicode form.

    Returns:
        (key, image, mask) in the order of the keys, and a one-line fault for each file without a partner, each
        duplicate name and each entry that is not a file.
    """
    faults = [f"{path}: not a file (a folder or a broken link)" for path in (*images, *masks) if not path.is_file()]
    by_image, by_mask = by_key(images, key_of_image, faults), by_key(masks, key_of_mask, faults)
    faults += [f"{by_image[key]}: image without mask" for key in sorted(by_image.keys() - by_mask.keys())]
    faults += [f"{by_mask[key]}: mask without image" for key in sorted(by_mask.keys() - by_image.keys())]
    both = sorted(by_image.keys() & by_mask.keys())
    return [(key, by_image[key], by_mask[key]) for key in both], faults


def by_key(files: list[Path], key_of: Callable[[Path], str], faults: list[str]) -> dict[str, Path]:
    """Return files by key, in Unicode's composed form.

    Args:
        files: The files.
        key_of: Key of a file.
        faults: Gets a line for each key that several files have, of which the last is returned, and for each file
            whose name is not UTF-8, which is left out.
    """
    found = defaultdict[str, list[Path]](list)
    for path in files:
        if is_decodable(path):
            found[nfc(key_of(path))].append(path)
        else:
            faults.append(not_decodable(path))
    for key, same in found.items():
        if len(same) > 1:
            faults.append(f"{same[0].parent}: {distinct(path.name for path in same)} are both {key}; keep one")
    return {key: same[-1] for key, same in found.items()}


def unreadable(error: OSError, path: object) -> str:
    """Return the one-line fault of a file that the operating system could not read.

    Args:
        error: The operating system's error.
        path: The file, if the error does not name it.
    """
    return f"{error.filename or path}: cannot be read ({error.strerror or error})"


@contextmanager
def os_errors_as_faults(place: str) -> Iterator[None]:
    """Turn an OSError within the block into a DataError.

    Args:
        place: The key that names the data, with its value, for the message: ``data.root=photos``.

    Raises:
        DataError: For an OSError; names its file.
    """
    try:
        yield
    except OSError as error:
        raise_faults([unreadable(error, place.partition("=")[2])], place)


def grouped_by_reason(faults: Sequence[str]) -> list[str]:
    """Return the lines of faults, with one line for the files that have the same: ``12 files (a, b, c, ...): reason``.

    Args:
        faults: ``path: reason`` each. Where the reason has the file's name without suffix, ``*`` stands for it.

    Returns:
        In the order of the faults; up to three of one reason stay as they are.
    """
    found = defaultdict[str, list[str]](list)
    for fault in faults:
        path, colon, reason = fault.partition(": ")
        name = re.escape(Path(path).stem)
        found[re.sub(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])", "*", reason) if colon and name else fault].append(fault)
    lines = []
    for reason, same in found.items():
        if len(same) <= MOST_NAMED:
            lines += same
            continue
        paths = [Path(fault.partition(": ")[0]) for fault in same]
        folder = os.path.commonpath([path.parent for path in paths])
        names = listed([str(path.relative_to(folder)) for path in paths])
        lines.append(f"{folder}: {len(same)} files ({names}): {reason}")
    return lines


def raise_faults(faults: list[str], place: str) -> None:
    """Raise all faults at once, if there are any.

    Args:
        faults: One line each.
        place: The key that names the data, with its value, for the message: ``data.root=photos``.

    Raises:
        DataError: With a line that counts them, then a line for each of the first 20, files of one reason together.
    """
    if not faults:
        return
    which = "it" if len(faults) == 1 else "them"
    lines = [f"{place}: {plural(len(faults), 'file')} cannot be used; fix or remove {which}:"]
    told = grouped_by_reason(faults)
    lines += [f"  {line}" for line in told[:_SHOWN]]
    if len(told) > _SHOWN:
        lines.append(f"  ... and {len(told) - _SHOWN} more")
    raise DataError("\n".join(lines))
