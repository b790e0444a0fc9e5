"""Which mask belongs to which image: by what their names share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segbench.data.file_names import name_without_suffix
from segbench.data.folder.rules import Alike, Key, Pairing, Rule
from segbench.data.folder.sources import Entry
from segbench.errors import ConfigError, DataError
from segbench.words import listed, plural

# Images from which rules are proposed, and rules that are tried on all images.
_SAMPLES, _RULES = 12, 40
# What an image and its mask share by chance does not repeat: less than this share of the images is no rule.
_LEAST = 0.5


@dataclass
class Pairs:
    """Images with their masks.

    Attributes:
        rule: What their names share.
        found: Id, image and mask, sorted by id.
        unlabelled: Images of folders in which no image has a mask.
        faults: A line for each other image without mask, and each mask without image.
        others: Files beside the masks that do not match the rule.
    """

    rule: Pairing
    found: list[tuple[str, Entry, Entry]] = field(default_factory=list)
    unlabelled: list[Entry] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    others: int = 0


def pair_entries(images: Sequence[Entry], masks: Sequence[Entry], pattern: object = None) -> Pairs:
    """Pair the files of two places, or of one if both are equal.

    Args:
        images: Image files.
        masks: Mask files; the same list if images and masks lie beside each other.
        pattern: ``data.pair``: the mask's name with ``*`` for what it shares with the image's (``*_gt``), or a list of
            the image's and the mask's; None to find it.

    Where no beginning and end of the names does, or fewer, their words and numbers may: ``photo_7`` and ``Mask-007``.

    Raises:
        DataError: If no rule pairs them, or several do.
        ConfigError: If the pattern is none.
    """
    together = [entry.path for entry in images] == [entry.path for entry in masks]
    images, masks = _without_constant_folders(images, masks)
    rules = _rules(images, masks, together, pattern)
    scored = [(_cover(rule, images, masks), rule) for rule in rules]
    most = max((cover for cover, _ in scored), default=0)
    least = 1.0 if pattern is not None else _LEAST * len(images) / (1 + together)
    alike = Alike.of(images, masks, together)
    if pattern is None and (cover := _cover(alike, images, masks)) > most and cover >= least:
        return _paired(alike, images, masks, together)
    if most == 0 or most < least:
        raise DataError(_no_rule(images, masks, together))
    best = [rule for cover, rule in scored if cover == most]
    return _paired(_choose(best, images, masks), images, masks, together)


def _choose(rules: Sequence[Rule], images: Sequence[Entry], masks: Sequence[Entry]) -> Rule:
    """Return the rule that names its masks most clearly.

    Raises:
        DataError: If two do and give an image different masks; shows the pairs.
    """
    for rule in rules:
        if rule.image == rule.mask:
            return rule
    clearest = max(rule.leaning for rule in rules)
    left = [rule for rule in rules if rule.leaning == clearest]
    chosen: dict[frozenset[tuple[str, str]], Rule] = {}
    for rule in left:
        pairs = _keyed_pairs(rule, images, masks)
        chosen.setdefault(frozenset((str(image.path), str(mask.path)) for image, mask in pairs.values()), rule)
    if len(chosen) > 1:
        examples = []
        for rule in chosen.values():
            image, mask = next(iter(_keyed_pairs(rule, images, masks).values()))
            examples.append(f"{image.shown} with {mask.shown} (data.pair={'*'.join(rule.mask)})")
        raise DataError(f"data.pair: which mask belongs to an image? {listed(examples)}; choose one")
    return min(left, key=lambda rule: sum(map(len, (*rule.image, *rule.mask))))


# -- rules -----------------------------------------------------------------------------------------


def _rules(images: Sequence[Entry], masks: Sequence[Entry], together: bool, pattern: object) -> list[Rule]:
    """Return the rules to try, those that fit more of the sampled images first."""
    given = _given(pattern)
    if given is not None and given.image != ("", "*"):
        return [given]
    counted = Counter[Rule]()
    step = max(1, len(images) // _SAMPLES)
    for image in images[::step]:
        near = [mask for mask in masks if mask.folders == image.folders] or masks
        counted.update({rule for mask in near if mask.path != image.path for rule in _shared(image.name, mask.name)})
    rules = [rule for rule, _ in counted.most_common() if not together or rule.image != rule.mask]
    if given is not None:
        return [rule for rule in rules if rule.mask == given.mask]
    return [rule for rule in rules if not together or rule.leaning > 0][:_RULES]


def _given(pattern: object) -> Rule | None:
    """Return the rule of ``data.pair``; its image's part is ``*`` if only the mask's is given."""
    if pattern is None:
        return None
    parts = [pattern] if isinstance(pattern, str) else list(pattern) if isinstance(pattern, Iterable) else []
    affixes = [tuple(name_without_suffix(Path(str(part))).split("*")) for part in parts]
    if not 1 <= len(affixes) <= 2 or any(len(affix) != 2 for affix in affixes):
        raise ConfigError(
            f"data.pair={pattern}: write the mask's name with one * for what it shares with the image's, for example"
            " data.pair=*_mask, or both: data.pair=[img_*,lab_*]"
        )
    mask = (affixes[-1][0], affixes[-1][1])
    return Rule(("", "*") if len(affixes) == 1 else (affixes[0][0], affixes[0][1]), mask)


def _shared(image: str, mask: str) -> Iterable[Rule]:
    """Yield the rules by which two names may belong together: they share their beginning, their end, or one is in the
    other.
    """
    if image == mask:
        yield Rule()
        return
    length = _boundary(image, mask, _common(image, mask))
    if length:
        yield Rule(("", image[length:]), ("", mask[length:]))
    length = _boundary(image[::-1], mask[::-1], _common(image[::-1], mask[::-1]))
    if length:
        yield Rule((image[:-length], ""), (mask[:-length], ""))
    if image in mask:
        before, _, after = mask.partition(image)
        yield Rule(("", ""), (before, after))
    elif mask in image:
        before, _, after = image.partition(mask)
        yield Rule((before, after), ("", ""))


def _common(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _boundary(one: str, other: str, length: int) -> int:
    """Return the largest shared length that cuts neither name within a number or a word."""
    while length and not (_cuts_well(one, length) and _cuts_well(other, length)):
        length -= 1
    # A separator belongs to what follows it.
    while length and length < max(len(one), len(other)) and _kind(one[length - 1]) == "separator":
        length -= 1
    return length


def _cuts_well(name: str, at: int) -> bool:
    return at == len(name) or _kind(name[at - 1]) != _kind(name[at]) or _kind(name[at]) == "separator"


def _kind(character: str) -> str:
    return "digit" if character.isdigit() else "letter" if character.isalpha() else "separator"


# -- pairs -----------------------------------------------------------------------------------------


def _without_constant_folders(images: Sequence[Entry], masks: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Leave out folders that are the same for all images, as ``image`` in train/image and val/image, and for all
    masks.
    """
    levels = [_constant_levels(entries) for entries in (images, masks)]
    depth = min(min(len(entry.folders) for entry in entries) for entries in (images, masks))
    both = {level for level in levels[0] & levels[1] if level < depth}
    # A folder that all images lie in, but no mask.
    extra = [{level for level in found if level >= depth} for found in levels]
    if not any(len(entry.folders) > depth for entry in masks):
        both_images = both | extra[0]
        return [_dropped(entry, both_images) for entry in images], [_dropped(entry, both) for entry in masks]
    return [_dropped(entry, both) for entry in images], [_dropped(entry, both) for entry in masks]


def _constant_levels(entries: Sequence[Entry]) -> set[int]:
    depth = min(len(entry.folders) for entry in entries)
    return {level for level in range(depth) if len({entry.folders[level] for entry in entries}) == 1}


def _dropped(entry: Entry, levels: set[int]) -> Entry:
    kept = tuple(name for level, name in enumerate(entry.folders) if level not in levels)
    return Entry(entry.path, kept, entry.name)


def _cover(rule: Pairing, images: Sequence[Entry], masks: Sequence[Entry]) -> int:
    return len(_keyed_pairs(rule, images, masks))


def _keyed_pairs(rule: Pairing, images: Sequence[Entry], masks: Sequence[Entry]) -> dict[Key, tuple[Entry, Entry]]:
    by_image, by_mask = rule.keyed(images, masks)
    return {key: (by_image[key][0], by_mask[key][0]) for key in by_image if key in by_mask}


def _paired(rule: Pairing, images: Sequence[Entry], masks: Sequence[Entry], together: bool) -> Pairs:
    """Pair all files by a rule."""
    by_image, by_mask = rule.keyed(images, masks)
    both = sorted((key for key in by_image if key in by_mask), key=lambda key: "/".join((*key[0], key[1])))
    pairs = Pairs(rule)
    used, labelled = set(), set[tuple[str, ...]]()
    for key in both:
        if len(by_image[key] + by_mask[key]) > 2:
            pairs.faults.append(rule.several(key, by_image[key], by_mask[key]))
        image, mask = by_image[key][0], by_mask[key][0]
        pairs.found.append((rule.name(key, image), image, mask))
        used |= {entry.path for entry in (*by_image[key], *by_mask[key])}
        labelled.add(key[0])
    folders = [] if together else sorted({str(entry.path.parent) for entry in masks})
    places = f" in {listed(folders, 3)}" if folders else ""
    for entry in images:
        if entry.path in used or (together and rule.is_mask(entry)):
            continue
        if entry.folders not in labelled:
            pairs.unlabelled.append(entry)
        else:
            pairs.faults.append(f"{entry.path}: image without mask (expected {rule.expected(entry)}{places})")
    for key, files in by_mask.items():
        if key not in by_image:
            pairs.faults += [f"{entry.path}: mask without image" for entry in files]
    pairs.others = 0 if together else len(masks) - sum(map(len, by_mask.values()))
    return pairs


def _no_rule(images: Sequence[Entry], masks: Sequence[Entry], together: bool) -> str:
    if together:
        names = listed([entry.path.name for entry in images], 4)
        return (
            f"data.pair: {plural(len(images), 'file')} in one folder, of which none is known to be a mask ({names});"
            " set data.masks to the folder of the masks, or data.pair to their names (data.pair=*_mask)"
        )
    return (
        f"data.pair: the names of images ({images[0].shown}, ...) and masks ({masks[0].shown}, ...) do not match; name"
        " what they share by data.pair=*_mask (* is the image's name), or list them in a CSV file (data.table)"
    )
