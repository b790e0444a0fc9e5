"""Multi-label segmentations: counts of every image and class, for classes that overlap, without a background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from segbench.masks import BITS
from segbench.runs.rows import Rows
from segbench.runs.split_counts import SplitCounts, choose_convention, read_as
from segbench.runs.split_scores import About, TaskRecord
from segbench.scores.derive import MICRO, OVERALL_SCORES, SCORES


def read_overlaps(table: Rows, about: About) -> Mapping[str, SplitOverlaps]:
    """Split the rows of a multi-label segmentation's scores file.

    Raises:
        ValueError: As :func:`segbench.runs.split_counts.read_as`.
    """
    return read_as(SplitOverlaps, table, about)


RECORD = TaskRecord(
    name="multilabel",
    read=read_overlaps,
    convention=choose_convention,
    scores={**SCORES, **{name: score for name, score in OVERALL_SCORES.items() if name.startswith(MICRO)}},
    metrics=("dice", "iou"),
    class_score="dice",
    masks=BITS,
    exclusive=False,
    bars={"dice": "Dice", "iou": "IoU"},
)


@dataclass(frozen=True, eq=False)
class SplitOverlaps(SplitCounts):
    """The counts of one split, of each class against the rest of its image; there is no confusion of classes."""

    record: ClassVar[TaskRecord] = RECORD
