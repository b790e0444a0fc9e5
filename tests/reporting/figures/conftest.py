"""Comparisons with their evidence, made by hand: what the figures are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from made import made, pair

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.means import Mean


def evidence_of(comparison: Comparison, half: float = 0.01, **more) -> Evidence:
    """Evidence with intervals of one width, each row against the best; ranks are certain, in the order of the means."""
    means = [row.scores[comparison.metric].mean for row in comparison.rows]
    order = sorted((index for index in range(len(means)) if np.isfinite(means[index])), key=lambda index: -means[index])
    compared = []
    for second in order[1:]:
        gap = means[order[0]] - means[second]
        compared.append(Compared(order[0], second, gap, gap - half, gap + half, 0.01 if gap > half else 0.4, 0.95))
    more = {"pairs": tuple(pair(found, 0.9) for found in compared)} | more
    return made([Mean(mean, mean - half, mean + half) for mean in means], compared, **more)


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
