"""How often classes occur: per part of the split, per group, and where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.survey.images import ImageFacts, by_split


@dataclass(frozen=True)
class Share:
    """How often classes occur in some images.

    Attributes:
        name: The part of the split, or the group.
        images: Their number.
        groups: Number of groups among them.
        pixels: Pixels (or labels) of each class, int64 (C,).
        present: Images that have each class, int64 (C,).
        ignored: Share of pixels that count nowhere.
        empty: Records of the images without any foreground.
        split: Part of the split.
        total: Pixels (or labels) that count.
    """

    name: str
    images: int
    groups: int
    pixels: NDArray[np.int64]
    present: NDArray[np.int64]
    ignored: float
    empty: tuple[int, ...]
    split: str
    total: int

    def fraction(self, label: int) -> float:
        """Share of a class among the pixels that count."""
        return float(self.pixels[label] / max(1, self.total))


def count_classes(facts: Sequence[ImageFacts], key: MaskKey, masks: bool) -> list[Share]:
    """Return the share of each part of the split.

    Args:
        facts: What is known of each image.
        key: How to read the values.
        masks: Whether they are of pixels; otherwise labels.
    """
    return [_share(split, items, key, masks) for split, items in by_split(facts).items()]


def count_by_group(facts: Sequence[ImageFacts], key: MaskKey, masks: bool) -> list[Share]:
    """Return the share of each group of several images, in each part of the split that it is in."""
    groups: dict[tuple[str, str], list[ImageFacts]] = {}
    for item in facts:
        groups.setdefault((item.group, item.split), []).append(item)
    if len(groups) == len(facts):
        return []
    return [_share(group, items, key, masks) for (group, _), items in sorted(groups.items())]


def _share(name: str, items: Sequence[ImageFacts], key: MaskKey, masks: bool) -> Share:
    each = np.stack([key.count(item.values) for item in items])
    total = np.sum([item.values for item in items], axis=0)
    ignored = int(total[IGNORE_INDEX]) if masks else 0
    foreground = each[:, list(key.shown)].sum(axis=1)
    empty = tuple(item.index for item, count in zip(items, foreground, strict=True) if masks and not count)
    return Share(
        name,
        len(items),
        len({item.group for item in items}),
        each.sum(axis=0),
        (each > 0).sum(axis=0),
        ignored / max(1, int(total.sum())),
        empty if key.partial else (),
        items[0].split,
        int(total.sum()) - ignored,
    )


def shared_groups(facts: Sequence[ImageFacts]) -> dict[str, list[str]]:
    """Return the groups that are in several parts of the split, with these parts."""
    parts: dict[str, list[str]] = {}
    for item in facts:
        found = parts.setdefault(item.group, [])
        if item.split not in found:
            found.append(item.split)
    return {group: found for group, found in parts.items() if len(found) > 1}
