"""What to type: the command that would read the folders that are here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import walk
from segbench.data.folder.discovery import Options
from segbench.data.folder.rules import IMAGE_WORDS, MASK_WORDS
from segbench.data.folder.sources import PICTURES
from segbench.errors import ConfigError
from segbench.installation import typed
from segbench.words import listed

# Where runs leave pictures; and the folders of a checkout of segbench, which is known by its packages.
_OUTPUTS = "outputs"
_OWN = ("benchmarks", "campaign", "conf", "docs", "results", "src", "tests")
_MOST_FILES, _DEPTH = 20_000, 4
# Lossy: no mask is stored so.
_PHOTOGRAPHS = (".jpg", ".jpeg")


@dataclass
class ImageFolder:
    """A folder with images in it.

    Attributes:
        name: Its path from where was looked.
        images: How many.
        masks: How many of their names have a word for masks.
        photographs: How many are lossy, so that they can be no masks.
    """

    name: str
    images: int = 0
    masks: int = 0
    photographs: int = 0

    def is_of_masks(self) -> int:
        """Return how likely masks are in it: 1 by its names, -1 by those of images, 0 for neither."""
        own = self.name.rpartition("/")[2].lower()
        if own in MASK_WORDS or 2 * self.masks > self.images:
            return 1
        return -1 if own in IMAGE_WORDS or self.photographs else 0


def check_named(options: Options) -> None:
    """Refuse options that name no data, and say the command that would work with the folders that are here.

    Raises:
        ConfigError: If neither ``root`` nor ``images`` nor ``table`` is set.
    """
    if options.images is None and options.table is None and str(options.root) == ".":
        raise ConfigError(f"data=folder: which images and masks; {suggestion(Path())}")


def suggestion(root: Path) -> str:
    """Return the command for the folders with images below a folder, or an example if there are none."""
    command, folders = f"{typed('run')} data=folder", image_folders(root)
    if not folders:
        return f"for example: {command} data.images=photos data.masks=drawings (no images at or below {root.resolve()})"
    command += "" if str(root) == "." else f" data.root={root}"
    seen = listed([f"{folder.name} ({folder.images})" for folder in folders[:6]], 6)
    if len(folders) == 1:
        return f"try: {command} data.images={folders[0].name} (the folder with images here: {seen})"
    images, masks = _guess(folders)
    return f"try: {command} data.images={images.name} data.masks={masks.name} (folders with images here: {seen})"


def image_folders(root: Path) -> list[ImageFolder]:
    """Return the folders with images at or below a folder, those with most images first."""
    found: dict[str, ImageFolder] = {}
    own = _OWN if (root / "src/segbench").is_dir() else ()
    for number, path in enumerate(walk(root)):
        folders = path.relative_to(root).parts[:-1]
        if number > _MOST_FILES:
            break
        left_out = len(folders) > _DEPTH or _OUTPUTS in folders or (folders and folders[0] in own)
        if left_out or not path.name.lower().endswith(PICTURES):
            continue
        name = "/".join(folders) or "."
        folder = found.setdefault(name, ImageFolder(name))
        folder.images += 1
        folder.masks += any(word in MASK_WORDS for word in re.findall(r"[a-z]+", path.stem.lower()))
        folder.photographs += path.name.lower().endswith(_PHOTOGRAPHS)
    return sorted(found.values(), key=lambda folder: (-folder.images, folder.name))


def _guess(folders: list[ImageFolder]) -> tuple[ImageFolder, ImageFolder]:
    """Return the folders that are most likely images and masks: by their names and files, then by equal numbers."""
    masks = max(folders, key=lambda folder: (folder.is_of_masks(), folder.images))
    rest = [folder for folder in folders if folder is not masks]
    images = max(rest, key=lambda folder: (-folder.is_of_masks(), folder.images == masks.images, folder.images))
    return images, masks
