"""Where the image and mask files are that ``data.images`` and ``data.masks`` name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import IMAGES, UNREAD, VOLUMES, entries, is_clutter, name_without_suffix, nfc, walk
from segbench.errors import DataError
from segbench.suggest import closest

PICTURES = (*IMAGES, *VOLUMES)
POLYGONS = (".geojson", ".json")
_WILD = "*?["


class NotThere(DataError):
    """Nothing of what was asked for is there: the message can go on with what is."""


@dataclass(frozen=True)
class Entry:
    """A file and where it lies.

    Attributes:
        path: The file.
        folders: Names of the folders between where files were looked for and the file, in Unicode's composed form.
        name: Its name without suffix, in that form.
    """

    path: Path
    folders: tuple[str, ...]
    name: str

    @property
    def shown(self) -> str:
        """The file's name, with the folder it lies in, for messages."""
        return "/".join((*self.folders[-1:], self.path.name))


def find_entries(root: Path, place: str, option: str, suffixes: Sequence[str] = PICTURES) -> list[Entry]:
    """Return the files that an option names, sorted by path.

    Args:
        root: ``data.root``.
        place: A folder, in ``root`` or absolute; or the name of folders further below (``image`` for
            ``train/image`` and ``val/image``); or a pattern of files or folders with ``*``.
        option: ``images`` or ``masks``, for messages.
        suffixes: Lower-case suffixes of the wanted files.

    Raises:
        DataError: If there is no such folder, but one of nearly that name.
        NotThere: If there is none, or no such file in it.
    """
    folder = root / Path(place).expanduser()
    if folder.is_dir():
        found = list(_below(folder, folder, suffixes))
    else:
        matches = _matches(root, place)
        if not matches:
            if near := _near(root, place):
                raise DataError(f"data.{option}={place}: no such folder; did you mean {near}?")
            raise NotThere(f"data.{option}={place}: no such folder in {root.resolve()}")
        found = [entry for match in matches for entry in _below(match, root, suffixes)]
    if not found:
        raise NotThere(f"data.{option}={place}: no images there{_other_kinds(folder)}")
    return sorted(dict.fromkeys(found), key=lambda entry: (entry.folders, entry.path.name))


def folders_in(root: Path) -> list[str]:
    """Return the names of the folders in a folder, without clutter."""
    return [path.name for path in entries(root) if path.is_dir()] if root.is_dir() else []


def _near(root: Path, place: str) -> str | None:
    """Return ``place`` with the folder that is there in place of the first that is not; None if no name is near."""
    path = missing = root / Path(place).expanduser()
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    parts, below = list(Path(place).parts), len(path.relative_to(missing).parts)
    close = closest(missing.name, folders_in(missing.parent))
    if close is None or below >= len(parts):
        return None
    parts[-1 - below] = close
    near = Path(*parts)
    return str(near) if (root / near.expanduser()).is_dir() else None


def _matches(root: Path, place: str) -> list[Path]:
    """Return what a pattern or a name further below matches."""
    if Path(place).is_absolute() or not root.is_dir():
        return []
    wild = any(sign in place for sign in _WILD)
    found = root.glob(place) if wild and "/" in place else root.rglob(place)
    return sorted(path for path in found if (wild or path.is_dir()) and not _hidden(path, root))


def _hidden(path: Path, root: Path) -> bool:
    return any(is_clutter(Path(part)) for part in path.relative_to(root).parts)


def _below(place: Path, root: Path, suffixes: Sequence[str]) -> Iterator[Entry]:
    """Yield the wanted files at or below a place; a folder that is reached twice through links is taken once."""
    files = [place] if place.is_file() else walk(place)
    for path in files:
        if path.name.lower().endswith(tuple(suffixes)):
            folders = tuple(nfc(part) for part in path.relative_to(root).parts[:-1])
            yield Entry(path, folders, nfc(name_without_suffix(path)))


def _other_kinds(folder: Path) -> str:
    """Return the end of a message about a folder without images: what is in it instead."""
    kinds = "PNG, JPEG, GIF, BMP, TIFF, WebP and NIfTI are read"
    others = sorted({path.suffix.lower() for path in walk(folder)} - {""}) if folder.is_dir() else []
    if unread := [suffix for suffix in others if suffix in UNREAD]:
        return f", only {', '.join(unread)} files, which are not read: convert them to PNG or TIFF"
    return f", only {', '.join(others[:4])} files; {kinds}" if others else f"; {kinds}"
