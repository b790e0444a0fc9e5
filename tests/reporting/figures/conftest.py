"""Comparisons with their evidence, made by hand: what the figures are drawn from."""

from __future__ import annotations

from itertools import combinations
from math import nan

import numpy as np
import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence, Pair
from segbench.reporting.statistics.intervals import Difference
from segbench.reporting.statistics.means import Mean


def evidence_of(comparison: Comparison, half: float = 0.01, **more) -> Evidence:
    """Evidence with intervals of one width; ranks are certain, in the order of the means."""
    means = [row.scores[comparison.metric].mean for row in comparison.rows]
    pairs = []
    for first, second in combinations(range(len(means)), 2):
        gap = means[first] - means[second]
        if np.isfinite(gap):
            difference = Difference(gap, gap - half, gap + half, (0, 1), 4, 2)
            p = 0.01 if abs(gap) > half else 0.4
            pairs.append(Pair(first, second, difference, p, min(1.0, 3 * p), 0.5 + np.sign(gap) * 0.4, gap / half))
    ranks = np.full((len(means), len(means)), nan)
    for rank, index in enumerate(np.argsort([-mean for mean in means])):
        if np.isfinite(means[index]):
            ranks[index] = np.arange(len(means)) == rank
    values = {
        "means": tuple(Mean(mean, mean - half, mean + half) for mean in means),
        "pairs": tuple(pairs),
        "letters": tuple("a" for _ in means),
        "ranks": ranks,
        "best": ranks[:, 0] if means else np.zeros(0),
        "variance": {"seed": 0.2, "image": 0.7, "rest": 0.1},
        "detectable": 0.02,
        "answer": "It depends.",
    }
    return Evidence(**(values | more))


@pytest.fixture
def evidence():
    return evidence_of


@pytest.fixture
def compared(architectures):
    """Write runs, a model name to the true positives of each seed, and compare them."""

    def build(models: dict[str, tuple[int, ...]], **more) -> Comparison:
        for number, (model, tps) in enumerate(models.items()):
            for seed, tp in enumerate(tps):
                architectures(model, seed, tp, name=f"run{number}-{seed}", **more.get(model, {}))
        return compare(collect([architectures.root]))

    return build
