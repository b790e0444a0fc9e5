"""Experiments that were never trained, as contributions by row, seed and group, and the tests of their pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segbench.reporting.statistics.intervals import standard_errors
from segbench.reporting.statistics.pooling import LEAST_ROWS, Pool, outlying, together
from segbench.reporting.statistics.tested import Test


def rows_of(means, seeds=3, groups=20, seed=0.007, image=0.018, rest=0.028, start=0):
    """Contributions (K,S,G) of rows with these means."""
    rng, count = np.random.default_rng(start), len(means)
    table = np.array(means)[:, None, None] + seed * rng.normal(size=(count, seeds, 1))
    return table + image * rng.normal(size=(count, 1, groups)) + rest * rng.normal(size=(count, seeds, groups))


def pool_of(table):
    """What the rows of contributions (K,S,G) share."""
    scores = table.mean(axis=-1)
    if min(scores.shape) < LEAST_ROWS or (inside := ~outlying(scores)).sum() < LEAST_ROWS:
        return Pool()
    square, own, freedom = together(scores, inside)
    alone = {row: float(own[row]) for row in np.flatnonzero(inside).tolist()}
    return Pool(tuple(range(scores.shape[1])), float(square), alone, float(freedom))


def pairwise(table, pool=None):
    """The tests of all pairs, and the rows by their means."""
    pool, found = pool or Pool(), []
    for first in range(len(table)):
        for second in range(first + 1, len(table)):
            errors = standard_errors(table[first] - table[second])
            errors = replace(errors, shared=pool.between(first, second))
            found.append(Test(first, second, float((table[first] - table[second]).mean()), errors))
    return found, np.argsort(-table.mean(axis=(1, 2))).tolist()
