"""What to type: the command that would read the folders that are here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from segbench.data.file_names import is_clutter
from segbench.data.folder.discovery import Options
from segbench.data.folder.pairing import IMAGE_WORDS, MASK_WORDS
from segbench.data.folder.sources import PICTURES, walk
from segbench.errors import ConfigError
from segbench.words import listed

_COMMAND = "python src/run.py data=folder"
_EXAMPLE = f"{_COMMAND} data.images=photos data.masks=drawings"
_MOST_FILES, _DEPTH = 20_000, 4


def check_named(options: Options) -> None:
    """Refuse options that name no data, and say the command that would work with the folders that are here.

    Raises:
        ConfigError: If neither ``root`` nor ``images`` nor ``table`` is set.
    """
    if options.images is not None or options.table is not None or str(options.root) != ".":
        return
    raise ConfigError(f"data=folder: which images and masks? {suggestion(Path())}")


def suggestion(root: Path) -> str:
    """Return the command for the folders with images below a folder, or an example if there are none."""
    counts = image_folders(root)
    if not counts:
        return f"For example: {_EXAMPLE} (no images at or below {root.resolve()})"
    images, masks = _guess(counts)
    seen = listed([f"{name} ({number})" for name, number in counts.most_common(6)], 6)
    if masks is None:
        return f"Folders with images here: {seen}. For example: {_COMMAND} data.images={images} data.masks=<folder>"
    return f"Try: {_COMMAND} data.images={images} data.masks={masks} (folders with images here: {seen})"


def image_folders(root: Path) -> Counter[str]:
    """Return the number of images directly in each folder at or below a folder, by its path from there."""
    found = Counter[str]()
    for number, path in enumerate(walk(root)):
        folders = path.relative_to(root).parts[:-1]
        if number > _MOST_FILES:
            break
        if len(folders) <= _DEPTH and path.name.lower().endswith(PICTURES) and not is_clutter(path):
            found["/".join(folders) or "."] += 1
    return found


def _guess(counts: Counter[str]) -> tuple[str, str | None]:
    """Return the folders that are most likely images and masks: by name, else two with equally many files."""
    names = list(counts)
    masks = [name for name in names if name.rpartition("/")[2].lower() in MASK_WORDS]
    images = [name for name in names if name.rpartition("/")[2].lower() in IMAGE_WORDS]
    if masks and images:
        return images[0], masks[0]
    rest = [name for name in names if name not in masks]
    if masks and rest:
        return max(rest, key=lambda name: (counts[name] == counts[masks[0]], counts[name])), masks[0]
    equal = [(one, other) for one in names for other in names if one < other and counts[one] == counts[other] > 1]
    return equal[0] if equal else (counts.most_common(1)[0][0], None)
