"""What finished runs show: the figures between the table and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segbench.reporting.statistics import Difference


@dataclass(frozen=True)
class Mean:
    """A configuration's mean score with its interval over seeds and groups; NaN ends where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Two configurations compared, ``first`` minus ``second``.

    Attributes:
        first: Index of a row.
        second: Index of another, with first < second.
        difference: The paired difference with its (uncorrected) 95 % interval.
        p: Two-sided p-value of the test; NaN where there is none.
        p_holm: The same after Holm's correction over all pairs of the comparison.
        probability: Probability that the first scores above the second on a new image with a new seed, in [0, 1].
        effect: Standardised effect size of the paired differences (Cohen's d_z).
    """

    first: int
    second: int
    difference: Difference
    p: float
    p_holm: float
    probability: float
    effect: float


@dataclass(frozen=True)
class Evidence:
    """All figures of a comparison, rows in the order of :attr:`segbench.reporting.table.Comparison.rows`.

    Attributes:
        means: One per row.
        pairs: Every pair of rows that can be compared.
        letters: One text per row: rows that share a letter cannot be told apart.
        ranks: float64 (R,R): probability of row i to have rank j (0 = best) over resampled seeds and groups; rows of
            NaN where it cannot be said.
        best: float64 (R,): probability of being best, the first column of ``ranks``.
        variance: Share of the score's variance by source, keys ``seed``, ``image``, ``rest``, adding up to 1; empty
            where it cannot be said.
        detectable: Smallest true difference that this design finds with 80 % power at 5 %; NaN where it cannot be said.
        answer: The answer to the comparison's question in one sentence.
        limits: Sentences about what cannot be concluded (one seed, few groups, ...).
    """

    means: tuple[Mean, ...]
    pairs: tuple[Pair, ...]
    letters: tuple[str, ...]
    ranks: NDArray[np.float64]
    best: NDArray[np.float64]
    variance: dict[str, float]
    detectable: float
    answer: str
    limits: tuple[str, ...] = field(default=())
