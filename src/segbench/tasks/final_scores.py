"""The scores of a split that follow from its table of counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from segbench.scores import SCORES, Convention, class_scores, mean_score
from segbench.scores.columns import ColumnScore, with_columns
from segbench.scores.derive import OVERALL_SCORES
from segbench.tasks.evaluation import CountsTable

FINAL_SCORES = ("dice", "iou", "sensitivity", "specificity", "precision", "accuracy", "pixel_accuracy")
# Those that each foreground class has of its own too.
PER_CLASS_SCORES = ("dice", "iou")


def final_scores(
    table: CountsTable,
    class_names: Sequence[str],
    background: bool = True,
    declared: Sequence[ColumnScore] = (),
    overall: Collection[str] = tuple(OVERALL_SCORES),
) -> dict[str, float]:
    """Return the mean over classes of every score, those of further columns too, and each class's Dice and IoU.

    Args:
        table: The counts of a split.
        class_names: All classes, background first if there is one.
        background: Whether there is; without, the scores of all classes together are among them.
        declared: The scores that follow from further columns; those whose columns the split lacks are left out.
        overall: The scores of all classes together that there are.
    """
    convention = Convention().of(background)
    usual = [name for name in FINAL_SCORES if name in SCORES or name in overall]
    names = usual if background else list(dict.fromkeys((*usual, *overall)))
    scores = {name: float(mean_score(table.counts, name, convention)) for name in names}
    columns = table.columns
    for score in with_columns(declared, columns):
        terms = np.stack([columns[column] for column in score.columns], axis=-1)
        scores[score.name] = mean_score(terms, score, convention)
    for name in PER_CLASS_SCORES:
        values = class_scores(table.counts, name, convention)
        scores |= {f"{name}_{label}": float(values[i]) for i, label in enumerate(class_names) if i >= convention.first}
    return scores
