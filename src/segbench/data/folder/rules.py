"""What the names of an image and of its mask have in common: beginnings and ends, or words and numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from segbench.data.folder.sources import Entry
from segbench.words import listed

MASK_WORDS = (
    "mask", "masks", "label", "labels", "lab", "seg", "segmentation", "gt", "anno", "annotation", "annotations",
    "truth", "groundtruth", "target", "manual", "labelids", "lbl",
)  # fmt: skip
IMAGE_WORDS = ("image", "images", "img", "imgs", "im", "photo", "photos", "raw", "input", "inputs", "source", "src")
# Folders, and what image and mask share.
Key = tuple[tuple[str, ...], str]
Keyed = dict[Key, list[Entry]]
Affix = tuple[str, str]
_PARTS = re.compile(r"\d+|[^\W\d_]+")


class Pairing(Protocol):
    """How images find their masks."""

    def describe(self) -> str:
        """Return it for a message."""

    def keyed(self, images: Sequence[Entry], masks: Sequence[Entry]) -> tuple[Keyed, Keyed]:
        """Return images and masks by what they share."""

    def name(self, key: Key, image: Entry) -> str:
        """Return the id of an image and its mask."""

    def is_mask(self, entry: Entry) -> bool:
        """Say whether a file among the images is a mask by its name."""

    def expected(self, image: Entry) -> str:
        """Return what the mask of an image would be called."""

    def several(self, key: Key, images: Sequence[Entry], masks: Sequence[Entry]) -> str:
        """Return why images and masks that share a key cannot be told apart, and what to do."""


@dataclass(frozen=True)
class Rule:
    """What the names of an image and of its mask have before and after what they share.

    Attributes:
        image: Beginning and end of images' names.
        mask: Beginning and end of masks' names.
    """

    image: Affix = ("", "")
    mask: Affix = ("", "")

    def describe(self) -> str:
        """Return the rule for a message: ``the same names``, ``* and *_mask``."""
        return "the same names" if self.image == self.mask else f"{'*'.join(self.image)} and {'*'.join(self.mask)}"

    @property
    def leaning(self) -> int:
        """How clearly the names say which is the mask: 2 or less; negative if they say the reverse."""
        says = [_has_word(affix, words) for affix in (self.mask, self.image) for words in (MASK_WORDS, IMAGE_WORDS)]
        return says[0] - says[1] - says[2] + says[3]

    def keyed(self, images: Sequence[Entry], masks: Sequence[Entry]) -> tuple[Keyed, Keyed]:
        """Return images and masks by what they share."""
        return _by_key(images, self.image), _by_key(masks, self.mask)

    def name(self, key: Key, image: Entry) -> str:
        """Return the id of an image and its mask: what they share."""
        return "/".join((*key[0], key[1]))

    def is_mask(self, entry: Entry) -> bool:
        """Say whether a file among the images is a mask by its name."""
        return _stripped(entry.name, self.mask) is not None

    def expected(self, image: Entry) -> str:
        """Return what the mask of an image would be called."""
        shared = _stripped(image.name, self.image)
        return f"a mask {'*'.join(self.mask)}" if shared is None else f"{shared.join(self.mask)}"

    def several(self, key: Key, images: Sequence[Entry], masks: Sequence[Entry]) -> str:
        """Return which files have one name, and what to do."""
        files = images if len(images) > 1 else masks
        return f"{files[0].path.parent}: {listed([entry.path.name for entry in files])} are both {key[1]}; keep one"


@dataclass(frozen=True)
class Alike:
    """Names of the same words and numbers, however they are parted, padded with zeros or written large.

    Words that say image or mask, and those that all images or all masks have in their names, are left out. But among
    several numbers the words that all of both have say what each of them counts: ``day1_cell2`` is not ``cell1-day2``.

    Attributes:
        images: The words that are left out of images' names.
        masks: Those that are left out of masks' names.
        together: Whether both lie in one place, where only names that say so are masks.
    """

    images: frozenset[str]
    masks: frozenset[str]
    together: bool = False

    @classmethod
    def of(cls, images: Sequence[Entry], masks: Sequence[Entry], together: bool) -> Alike:
        """Return the rule for these files."""
        if together:
            masks = [entry for entry in images if _says_mask(entry)]
            images = [entry for entry in images if not _says_mask(entry)]
        of_images, of_masks = _common(images), _common(masks)
        several = any(sum(map(str.isdigit, _parts(entry.name))) > 1 for entry in images)
        telling = of_images & of_masks if several else frozenset[str]()
        return cls(of_images - telling, of_masks - telling, together)

    def describe(self) -> str:
        """Return it for a message."""
        return "the words and numbers in their names"

    def keyed(self, images: Sequence[Entry], masks: Sequence[Entry]) -> tuple[Keyed, Keyed]:
        """Return images and masks by the words and numbers that are left; without any they share nothing."""
        if self.together:
            images, masks = ([one for one in images if _says_mask(one) == mask] for mask in (False, True))
        return _by_words(images, self.images), _by_words(masks, self.masks)

    def name(self, key: Key, image: Entry) -> str:
        """Return the id of an image and its mask: the image's name."""
        return "/".join((*image.folders, image.name))

    def is_mask(self, entry: Entry) -> bool:
        """Say whether a file among the images is a mask by its name."""
        return _says_mask(entry)

    def expected(self, image: Entry) -> str:
        """Return what the mask of an image would be called."""
        return f"a mask with the words and numbers of {image.name}"

    def several(self, key: Key, images: Sequence[Entry], masks: Sequence[Entry]) -> str:
        """Return which images and masks may belong together, and what to do."""
        pairs = [f"{image.shown} with {mask.shown}" for image in images for mask in masks]
        where = images[0].path.parent
        return f"{where}: which belong together? {listed(pairs, 4)}; rename them, or list them in data.table"


_SAYING = frozenset((*MASK_WORDS, *IMAGE_WORDS))


def _parts(name: str) -> list[str]:
    """Return the words of a name in lower case and its numbers without zeros before them."""
    return [part.lstrip("0") or "0" if part.isdigit() else part.lower() for part in _PARTS.findall(name)]


def _common(entries: Sequence[Entry]) -> frozenset[str]:
    """Return the words that all of several names have."""
    if len(entries) < 2:
        return frozenset()
    return frozenset(filter(str.isalpha, set[str].intersection(*(set(_parts(entry.name)) for entry in entries))))


def _by_words(entries: Sequence[Entry], common: frozenset[str]) -> Keyed:
    found = defaultdict[Key, list[Entry]](list)
    for entry in entries:
        if left := [part for part in _parts(entry.name) if part not in common and part not in _SAYING]:
            found[entry.folders, "-".join(left)].append(entry)
    return found


def _says_mask(entry: Entry) -> bool:
    return any(part in MASK_WORDS for part in _parts(entry.name))


def _has_word(affix: Affix, words: Sequence[str]) -> bool:
    return any(word.lower() in words for part in affix for word in re.findall(r"[A-Za-z]+", part))


def _stripped(name: str, affix: Affix) -> str | None:
    """Return what is left of a name, or None if it lacks the affix; what is left must begin and end like a name."""
    before, after = affix
    if len(name) <= len(before) + len(after) or not (name.startswith(before) and name.endswith(after)):
        return None
    return name[len(before) : len(name) - len(after)]


def _by_key(entries: Sequence[Entry], affix: Affix) -> dict[Key, list[Entry]]:
    found = defaultdict[Key, list[Entry]](list)
    for entry in entries:
        if (shared := _stripped(entry.name, affix)) is not None:
            found[entry.folders, shared].append(entry)
    return found
