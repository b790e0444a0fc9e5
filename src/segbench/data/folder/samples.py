"""From the options to image files with their masks, groups and parts of the split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segbench.data.folder.pairing import Pairs, pair_entries
from segbench.data.folder.rules import IMAGE_WORDS, MASK_WORDS
from segbench.data.folder.sources import Entry, find_entries, folders_in
from segbench.errors import DataError
from segbench.words import listed, plural

PARTS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
}
PART_OF = {word: part for part, words in PARTS.items() for word in words}
_BEGINNING = re.compile(r"(train|val|test)(?:ing|idation)?[A-Z]?[_\-. ]?\d", re.ASCII)


@dataclass(frozen=True)
class Sample:
    """An image file with its masks.

    Attributes:
        id: Unique name: the folders and what the names of image and mask share.
        image: The image file.
        masks: The mask file, or one for each of several overlapping classes.
        group: What must not be split; None if nothing says so.
        part: ``train``, ``val`` or ``test``; None if nothing says so.
    """

    id: str
    image: Path
    masks: tuple[Path, ...]
    group: str | None = None
    part: str | None = None


@dataclass
class Samples:
    """What was found.

    Attributes:
        found: The samples, in the order of their ids.
        said: What was inferred, a line each.
        faults: A line for each file that cannot be used.
    """

    found: list[Sample] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def find_samples(
    root: Path, images: str | None, masks: str | Mapping[str, str] | None, pair: object, unpaired: str
) -> Samples:
    """Find and pair the files of folders.

    Args:
        root: ``data.root``.
        images: ``data.images``; None for the usual names of a folder of images in ``root``, else ``root`` itself.
        masks: ``data.masks``; None likewise. By class for overlapping ones.
        pair: ``data.pair``.
        unpaired: ``skip`` leaves out files without partner.

    Raises:
        DataError: If nothing is found or cannot be paired.
    """
    images = images_place(root, images)
    if isinstance(masks, Mapping):
        return _overlapping(root, images, masks, pair, unpaired)
    masks = masks or (_usual(root, MASK_WORDS, "masks") if images != "." else None) or images
    found, others = find_entries(root, images, "images"), find_entries(root, masks, "masks")
    mask_files = {entry.path for entry in others}
    if mask_files != {entry.path for entry in found}:
        # A folder of masks may lie in that of the images.
        found = [entry for entry in found if entry.path not in mask_files]
    if not found:
        raise DataError(f"data.images={images}: no images there besides the masks of data.masks={masks}")
    pairs = pair_entries(found, others, pair)
    samples = [Sample(name, image.path, (mask.path,), part=part_of(name)) for name, image, mask in pairs.found]
    first = pairs.found[0]
    line = f"{plural(len(samples), 'image')} with masks, paired by {pairs.rule.describe()}"
    example = f" ({first[1].shown}, {first[2].shown})"
    return told(Samples(samples, [line + example]), [pairs], unpaired)


def images_place(root: Path, images: str | None) -> str:
    """Return ``data.images``, or the folder of the usual name, or ``root`` itself."""
    return images or _usual(root, IMAGE_WORDS, "images") or "."


def _overlapping(root: Path, images: str, masks: Mapping[str, str], pair: object, unpaired: str) -> Samples:
    """Pair images with the masks of each class."""
    found = find_entries(root, images, "images")
    everywhere = {name: find_entries(root, place, f"masks.{name}") for name, place in masks.items()}
    mask_files = {entry.path for entries in everywhere.values() for entry in entries}
    found = [entry for entry in found if entry.path not in mask_files]
    each = {name: pair_entries(found, entries, pair) for name, entries in everywhere.items()}
    by_image = {
        name: {image.path: (key, mask.path) for key, image, mask in pairs.found} for name, pairs in each.items()
    }
    samples, faults = [], []
    for image in sorted({image for pairs in by_image.values() for image in pairs}):
        lacking = [name for name, pairs in by_image.items() if image not in pairs]
        if lacking:
            faults.append(f"{image}: no mask of {listed(lacking)}; a mask of zeros says that there is none")
            continue
        key = next(iter(by_image.values()))[image][0]
        samples.append(Sample(key, image, tuple(pairs[image][1] for pairs in by_image.values()), part=part_of(key)))
    samples.sort(key=lambda sample: sample.id)
    line = f"{plural(len(samples), 'image')}, each with a mask of {listed(list(masks))}"
    return told(Samples(samples, [line], faults), list(each.values()), unpaired)


def told(samples: Samples, pairs: Sequence[Pairs], unpaired: str) -> Samples:
    """Add what has no partner to samples, as faults or as lines, and return them.

    Args:
        samples: The samples.
        pairs: Of which they were made.
        unpaired: ``data.unpaired``.
    """
    faults = list(dict.fromkeys(fault for found in pairs for fault in found.faults))
    if unpaired == "skip" and faults:
        samples.said.append(f"{plural(len(faults), 'file')} without partner left out (data.unpaired=skip)")
        faults = []
    elif faults:
        # To each, so that those of one reason stay together.
        hint = "; data.unpaired=skip leaves out files without partner"
        faults = [fault + hint if " without " in fault else fault for fault in faults]
    samples.faults += faults
    if unlabelled := list(dict.fromkeys(entry for found in pairs for entry in found.unlabelled)):
        samples.said.append(f"{plural(len(unlabelled), 'image')} without masks left out ({_places(unlabelled)})")
    if others := sum(found.others for found in pairs):
        samples.said.append(f"{plural(others, 'file')} beside the masks left out, by their names")
    return samples


def _places(entries: Sequence[Entry]) -> str:
    return listed(sorted({"/".join(entry.folders) or entry.path.parent.name for entry in entries}))


def part_of(name: str) -> str | None:
    """Return the part that the first folder of an id names; None for others."""
    first, slash, _ = name.partition("/")
    return PART_OF.get(first.lower()) if slash else None


def with_parts_of_names(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples with the part that their names begin with (``train_1``, ``testA_1``), if all do."""
    found = [_BEGINNING.match(sample.id.rpartition("/")[2]) for sample in samples]
    if not all(found) or len({match[1] for match in found if match}) < 2:
        return list(samples)
    return [replace(sample, part=match[1]) for sample, match in zip(samples, found, strict=True) if match]


def _usual(root: Path, words: Sequence[str], option: str) -> str | None:
    """Return the one folder in ``root``, or of its train, val and test folders, that has a usual name.

    Raises:
        DataError: If there are several.
    """
    inside = [name for name in folders_in(root) if name.lower() in PART_OF]
    places = [root, *(root / name for name in inside)]
    found = sorted({name for place in places for name in folders_in(place) if name.lower() in words})
    if len({name.lower() for name in found}) > 1:
        raise DataError(f"data.{option}: {root.resolve()} has {listed(found)}; choose one by data.{option}={found[0]}")
    return found[0] if found else None
