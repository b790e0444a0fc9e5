"""File names: Unicode forms, files that systems leave behind, and the names of predicted masks."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from segbench.runs.files import shortened

# Written by file managers and archivers; names that begin with a dot (AppleDouble, .DS_Store) count too.
_CLUTTER = ("thumbs.db", "desktop.ini", "icon\r", "__macosx")
IMAGES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp")
VOLUMES = (".nii.gz", ".nii", ".hdr")
# Formats of images that are not read, which a user may expect to be.
UNREAD = (
    ".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".dcm", ".dicom", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
    ".psd", ".exr", ".svg", ".pdf", ".svs", ".ndpi", ".czi", ".nd2", ".lif", ".lsm", ".mha", ".mhd", ".nrrd", ".mgz",
)  # fmt: skip


def nfc(name: str) -> str:
    """Return a name in Unicode's composed form; macOS and copies from it use the decomposed one."""
    return unicodedata.normalize("NFC", name)


def is_clutter(path: Path) -> bool:
    """Return whether a file or folder is hidden, or was left behind by a file manager or archiver."""
    return path.name.startswith(".") or path.name.lower() in _CLUTTER


def entries(folder: Path) -> list[Path]:
    """Return the entries of a folder without clutter, sorted by name."""
    return sorted(path for path in folder.iterdir() if not is_clutter(path))


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files at or below a folder, without clutter, in a fixed order; links are followed, not in circles."""
    seen = set[str]()
    for current, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_clutter(Path(name)))
        yield from (Path(current, name) for name in sorted(files) if not is_clutter(Path(name)))


def distinct(names: Iterable[str]) -> str:
    """Return names for a message, escaped if they would look alike (one in each Unicode form)."""
    found = sorted(names)
    alike = len({nfc(name) for name in found}) < len(found)
    return " and ".join(ascii(name) if alike else name for name in found)


def is_decodable(path: Path) -> bool:
    """Return whether a name is valid Unicode; names of other encodings fail wherever they are written."""
    return not any("\ud800" <= character <= "\udfff" for character in path.name)


def not_decodable(path: Path) -> str:
    """Return the fault of a file or folder whose name is not UTF-8."""
    return f"{path.parent}: {path.name!a} is not a UTF-8 name; rename it"


def find_named(folder: Path, stem: str, suffixes: Sequence[str]) -> list[Path]:
    """Return the files of a folder with this name and one of these suffixes, in any Unicode form and suffix case.

    Args:
        folder: The folder.
        stem: The name without its suffix.
        suffixes: Lower-case suffixes with their dot.
    """
    wanted = {nfc(stem) + suffix for suffix in suffixes}
    return [path for path in entries(folder) if _with_lower_suffix(path, suffixes) in wanted and path.is_file()]


def _with_lower_suffix(path: Path, suffixes: Sequence[str]) -> str:
    name = nfc(path.name)
    suffix = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] + suffix


def name_without_suffix(path: Path) -> str:
    """Return a file's name without its format suffix; ``.nii.gz`` is one suffix."""
    for suffix in (*VOLUMES, *IMAGES):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def mask_names(files: Sequence[Path], endings: Sequence[str] = ("",)) -> tuple[dict[Path, str], list[str]]:
    """Choose the name of every file's predicted mask, without the mask's own suffix.

    It is the file's name without suffix, or with it if several files share that; names too long for a file system once
    a mask's suffix is added are shortened.

    Args:
        files: The files.
        endings: What may follow the name, before the mask's suffix.

    Returns:
        The names, and a one-line fault for each group of files whose masks would overwrite each other.
    """
    stems = defaultdict[str, int](int)
    for path in files:
        stems[_key(name_without_suffix(path))] += 1
    reserve = len(".nii.gz") + max(len(ending.encode()) for ending in endings)
    names, masks = dict[Path, str](), defaultdict[str, list[Path]](list)
    for path in files:
        stem = name_without_suffix(path)
        suffix = ".nii.gz" if path.name.lower().endswith(VOLUMES) else ".png"
        names[path] = shortened(stem if stems[_key(stem)] == 1 else path.name, reserve)
        masks[_key(names[path] + suffix)].append(path)
    faults = []
    for mask, sources in masks.items():
        if len(sources) > 1:
            faults.append(
                f"{sources[0].parent}: {distinct(path.name for path in sources)} share the mask name {mask}; rename one"
            )
            for path in sources:
                del names[path]
    return names, faults


def _key(name: str) -> str:
    """Return what two names share if some file systems treat them as one."""
    return nfc(name).casefold()
