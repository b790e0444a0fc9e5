"""Scores of single images: what distributions are drawn from and pictures are chosen by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.reporting.comparison.model import Comparison, Row
from segbench.runs.split_counts import SplitScores, scored_class
from segbench.runs.split_labels import SplitLabels
from segbench.scores.derive import Convention, image_scores, score_values

Floats = NDArray[np.float64]


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
        counts: The counts of one split of one run.
        metric: As for :func:`segbench.runs.split_counts.derive`; an unknown one gives NaN everywhere. Of labels every
            metric is whether the image is named right.
        convention: What background and empty classes are worth.
    """
    if isinstance(counts, SplitLabels):
        return counts.right.astype(np.float64)
    try:
        name, index = scored_class(counts, metric)
        values = counts.values(name)
    except ConfigError:
        return np.full(len(counts.ids), np.nan)
    convention = convention.of(counts.background)
    return image_scores(values, name, convention) if index is None else score_values(values[:, index], name, convention)


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
