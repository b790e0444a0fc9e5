"""Scores of single images: what distributions are drawn from and pictures are chosen by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segbench.reporting.comparison.model import Comparison, Row
from segbench.runs.split_scores import SplitScores, has_metric, metric_of
from segbench.scores.arithmetic import Floats
from segbench.scores.convention import Convention


@dataclass(frozen=True)
class ImageScores:
    """The scores of N images.

    Attributes:
        ids: Their ids.
        values: float64 (N,): mean over the runs that score the image; NaN where none does.
    """

    ids: tuple[str, ...]
    values: Floats


def image_values(counts: SplitScores, metric: str, convention: Convention) -> Floats:
    """Return the score of every image (N,) by the metric that decides a comparison; NaN where it has none.

    Args:
        counts: The scores of one split of one run.
        metric: As for :func:`segbench.runs.split_scores.derive`; an unknown one gives NaN everywhere.
        convention: What background and empty classes are worth.
    """
    if not has_metric(counts, metric):
        return np.full(len(counts.ids), np.nan)
    return counts.image_scores(metric_of(counts, metric), convention)


def row_values(comparison: Comparison, row: Row) -> ImageScores:
    """Return the scores of a row's images on the deciding split, the mean over its finished runs."""
    parts = [run.counts[comparison.split] for run in row.done]
    found: dict[str, list[float]] = {}
    for part in parts:
        values = image_values(part, comparison.metric, comparison.convention)
        for name, value in zip(part.ids, values.tolist(), strict=True):
            found.setdefault(name, []).append(value)
    table = np.full((len(found), max(map(len, found.values()), default=1)), np.nan)
    for line, values_of_image in zip(table, found.values(), strict=True):
        line[: len(values_of_image)] = values_of_image
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        return ImageScores(tuple(found), np.where(known, table, 0).sum(axis=1) / known.sum(axis=1))
