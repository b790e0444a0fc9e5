"""All pairs of an experiment's rows: difference, test, correction for their number, and how large the difference is.

The p-value is that of the interval (:func:`segbench.reporting.statistics.p_value`), which takes seeds and groups of
images for random. The usual tests over images, Wilcoxon's or the sign flips below, take the trained networks as given:
they answer whether these networks differ on other images, and where seeds differ they call equal configurations
different far too often. So their p-value stands apart, by its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segbench.reporting.contributions import Layout, Side, UnpairedError, layout
from segbench.reporting.statistics import ROUNDING, Difference, difference_of, p_value

Floats = NDArray[np.float64]
LEVEL = 0.05
FLIPS = 10_000
# Up to so many groups all patterns of signs are gone through: 2 ** 12 of them.
EXACT_GROUPS = 12
_BLOCK = 1000


@dataclass(frozen=True)
class Pair:
    """Two configurations compared, ``first`` minus ``second``.

    Attributes:
        first: Index of a row.
        second: Index of another, with first < second.
        difference: The paired difference with its (uncorrected) 95 % interval.
        p: Two-sided p-value of the test; NaN where there is none (one shared seed, one group).
        p_holm: The same after Holm's correction over all pairs of the comparison.
        probability: Probability that the first scores above the second on a new image with a new seed, in [0, 1];
            NaN where contributions are unknown.
        effect: Standardised effect size of the paired differences (Cohen's d_z); NaN where they do not vary.
        p_images: Two-sided p-value over groups of images alone, for these trained networks and no others (sign flips);
            NaN where there is one group.
    """

    first: int
    second: int
    difference: Difference
    p: float
    p_holm: float
    probability: float
    effect: float
    p_images: float = float("nan")

    @property
    def apart(self) -> bool:
        """Whether the two are told apart, all pairs of the comparison considered."""
        return self.p_holm < LEVEL


def compare_pairs(
    rows: Sequence[int], sides: Sequence[Side]
) -> tuple[tuple[Pair, ...], dict[tuple[int, int], str], list[Floats]]:
    """Compare every two rows.

    Args:
        rows: Indices of the rows, ascending.
        sides: The runs of each of them by seed.

    Returns:
        The pairs that can be compared; for the others, the reason, as the end of a sentence; and the contributions to
        the difference, float64 (S,G), of each pair of which all is known.
    """
    found, layouts, refused = [], [], {}
    for (first, left), (second, right) in combinations(zip(rows, sides, strict=True), 2):
        try:
            layouts.append(layout(left, right))
            found.append((first, second))
        except UnpairedError as error:
            refused[first, second] = str(error)
    pairs = [_pair(*names, both) for names, both in zip(found, layouts, strict=True)]
    corrected, by_images = holm(np.array([pair.p for pair in pairs])), _by_images(layouts)
    pairs = [
        replace(pair, p_holm=float(p), p_images=alone)
        for pair, p, alone in zip(pairs, corrected, by_images, strict=True)
    ]
    return tuple(pairs), refused, [both.table[0] - both.table[1] for both in layouts if both.known and both.crossed]


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number, so that 5 % of families have any false alarm at 0.05.

    The smallest of m is multiplied by m, the next by m - 1 and so on, and none falls below the one before (S. Holm,
    Scand. J. Stat. 6 (1979) 65-70).

    Args:
        p: float64 (M,); NaN is no member of the family and stays.

    Returns:
        float64 (M,), at most 1.
    """
    result = p.copy()
    order = np.argsort(p)[: np.isfinite(p).sum()]
    factors = len(order) - np.arange(len(order))
    result[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return result


def sign_flips(contributions: Floats) -> Floats:
    """Return the two-sided p-value of a sign-flip permutation test of the mean of independent differences.

    If neither is better, each difference could as well have had the other sign. The share of all 2^G patterns of signs
    whose mean is as far from 0 as the one found; above 12 groups that of 10,000 random patterns and the one found
    (B. Phipson and G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39), the same in every report.

    Args:
        contributions: Of each group, float64 (...,G).

    Returns:
        float64 (...).
    """
    count = contributions.shape[-1]
    patterns = 2**count if count <= EXACT_GROUPS else FLIPS + 1
    reached, rng = np.zeros(contributions.shape[:-1]), np.random.default_rng(0)
    found = np.abs(contributions.sum(axis=-1)) - count * ROUNDING
    for start in range(0, patterns, _BLOCK):
        size = min(_BLOCK, patterns - start)
        if count <= EXACT_GROUPS:
            bits = np.arange(start, start + size)[:, None] >> np.arange(count) & 1
        else:
            bits = rng.integers(0, 2, (size, count), dtype=np.int8)
            bits[: start == 0] = 0
        reached += (np.abs(contributions @ (1.0 - 2 * bits).T) >= found[..., None]).sum(axis=-1)
    return reached / patterns


def probability_above(table: Floats) -> float:
    """Return the share of (seed, group) differences (S,G) above 0; a tie counts half."""
    values, tie = table[np.isfinite(table)], _rounding(table)
    return float(((values > tie) + 0.5 * (np.abs(values) <= tie)).mean())


def effect_size(table: Floats) -> float:
    """Return Cohen's d_z: mean of the differences (S,G) divided by their standard deviation; NaN where that is 0."""
    values = table[np.isfinite(table)]
    deviation = values.std(ddof=1) if values.size > 1 else 0.0
    return float(values.mean() / deviation) if deviation > _rounding(table) else float("nan")


def _rounding(table: Floats) -> float:
    """Return the rounding of a contribution: that of the score, multiplied by the number of groups as it was."""
    return ROUNDING * table.shape[-1]


def _pair(first: int, second: int, both: Layout) -> Pair:
    difference, table, nan = difference_of(both), both.table[0] - both.table[1], float("nan")
    if not both.known:
        return Pair(first, second, difference, nan, nan, nan, nan)
    several = table.shape[1] > 1
    tested = several and table.shape[0] > 1
    return Pair(
        first,
        second,
        difference,
        p=float(p_value(np.array(difference.mean), table)) if tested else nan,
        p_holm=nan,
        probability=probability_above(table),
        effect=effect_size(table),
    )


def _by_images(layouts: Sequence[Layout]) -> list[float]:
    """Return the p-value of each pair over its groups; equally many groups go through the patterns together."""
    result = [float("nan")] * len(layouts)
    gathered: dict[int, list[int]] = {}
    for index, both in enumerate(layouts):
        if both.known and len(both.groups) > 1:
            gathered.setdefault(len(both.groups), []).append(index)
    for members in gathered.values():
        means = np.stack([np.nanmean(layouts[index].table[0] - layouts[index].table[1], axis=0) for index in members])
        for index, p in zip(members, sign_flips(means), strict=True):
            result[index] = float(p)
    return result
