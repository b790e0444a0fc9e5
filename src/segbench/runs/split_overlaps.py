"""Multi-label segmentations: counts of every image and class, classes that overlap and none a background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from segbench.masks import BITS
from segbench.runs.split_counts import SplitCounts, choose_convention, read_as
from segbench.runs.split_scores import About, TaskRecord
from segbench.scores.derive import MICRO, OVERALL_SCORES, SCORES


def read_overlaps(table: pd.DataFrame, about: About) -> Mapping[str, SplitOverlaps]:
    """Take the rows of a multi-label segmentation's scores file apart by split.

    Raises:
        ValueError: For what :func:`segbench.runs.split_counts.read_as` refuses.
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


@dataclass(frozen=True)
class SplitOverlaps(SplitCounts):
    """The counts of one split, each class against the rest of its image: none is taken for another."""

    record: ClassVar[TaskRecord] = RECORD
