"""What several data sets show of each pair of networks: the gain in each, the mean gain, the ranks, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite, nan

import numpy as np

from segbench.reporting.across.table import Across
from segbench.reporting.statistics.data_sets import MeanGain, mean_gain, signed_rank, squared_error
from segbench.reporting.statistics.families import LEVEL, holm
from segbench.reporting.statistics.friedman import Friedman, friedman, ranks
from segbench.reporting.statistics.intervals import difference_of, standard_errors
from segbench.reporting.statistics.jackknife import Side, UnpairedError, by_seed, layout
from segbench.scores.arithmetic import Floats

BETTER, ALIKE, UNDECIDED = "better", "alike", "undecided"


@dataclass(frozen=True)
class Gain:
    """By how much one network is better than another on one data set, in units of the score.

    Attributes:
        place: Index of the data set.
        mean: The gain, above 0 where the first is better.
        low: Lower end of the 95 % interval over seeds and groups of images; NaN where there is none.
        high: Its upper end.
        square: The squared standard error; NaN where it is not known.
    """

    place: int
    mean: float
    low: float
    high: float
    square: float


@dataclass(frozen=True)
class Pair:
    """Two networks over data sets, turned so that the mean gain is 0 or more.

    Attributes:
        first: Index of the network that is better on average.
        second: Index of the other.
        gains: Those of the data sets that have both.
        total: The mean gain; its interval holds together with those of all pairs (Bonferroni).
        p: Its p-value, corrected likewise; NaN where there is none.
        signed_rank: p-value of the signed-rank test after Holm's correction.
        verdict: One of better, alike and undecided.
    """

    first: int
    second: int
    gains: tuple[Gain, ...]
    total: MeanGain
    p: float
    signed_rank: float
    verdict: str

    @property
    def won(self) -> int:
        """In how many data sets the first is ahead."""
        return sum(gain.mean > 0 for gain in self.gains)


@dataclass(frozen=True)
class Ranking:
    """Ranks of the networks that every data set has.

    Attributes:
        networks: Their K indices.
        ranks: float64 (D,K), 1 the best.
        test: Friedman's.
    """

    networks: tuple[int, ...]
    ranks: Floats
    test: Friedman

    @property
    def average(self) -> dict[int, float]:
        """Average rank by network."""
        return dict(zip(self.networks, self.ranks.mean(axis=0).tolist(), strict=True))


@dataclass(frozen=True)
class Findings:
    """What the data sets show together.

    Attributes:
        pairs: All pairs that two data sets or more can compare.
        ranking: None where fewer than two networks are in every data set.
        margin: Within it gains are alike, in units of the score; NaN for none.
        order: Networks from the best, by average rank and then mean; those that are not ranked last.
        refused: Data sets that have two networks and cannot pair them: first, second, and where and why.
        baseline: Index of the network with which alone the others are compared; None for all pairs.
    """

    pairs: tuple[Pair, ...]
    ranking: Ranking | None
    margin: float
    order: tuple[int, ...]
    refused: tuple[tuple[int, int, str], ...] = ()
    baseline: int | None = None

    @property
    def deviation(self) -> float:
        """The usual standard deviation of a pair's gains over data sets (root mean square); NaN where unknown."""
        return _root_mean([pair.total.deviation for pair in self.pairs])

    @property
    def between(self) -> float:
        """The usual tau (root mean square), the part of it that seeds and images do not explain; NaN where unknown."""
        return _root_mean([pair.total.between for pair in self.pairs])


def findings(found: Across, margin: float = nan, baseline: int | None = None) -> Findings:
    """Compare all networks over all data sets, or each with one of them.

    Args:
        found: Networks by data sets.
        margin: Gains within it are of no importance, in units of the score; NaN for none.
        baseline: Index of the network that the others are compared with: the pairs without it are not tested, so that
            fewer tests share the error rate. None compares all pairs.
    """
    all_gains, refused = _all_gains(found, baseline)
    # One data set is what its own report compares.
    gathered = [(first, second, gains) for first, second, gains in all_gains if len(gains) > 1]
    level = LEVEL / max(1, len(gathered))
    pairs = []
    for first, second, gains in gathered:
        means = np.array([gain.mean for gain in gains])
        total = mean_gain(means, np.array([gain.square for gain in gains]), level)
        p = min(1.0, total.p * len(gathered)) if isfinite(total.p) else nan
        pairs.append(Pair(first, second, gains, total, p, signed_rank(means), _verdict(total, margin)))
    corrected = holm(np.array([pair.signed_rank for pair in pairs]))
    pairs = [replace(pair, signed_rank=float(p)) for pair, p in zip(pairs, corrected, strict=True)]
    ranking = _ranking(found)
    average = ranking.average if ranking else {}
    means = found.direction * np.nanmean(found.means, axis=1)
    order = sorted(range(len(means)), key=lambda index: (average.get(index, len(means) + 1), -means[index]))
    return Findings(tuple(pairs), ranking, margin, tuple(order), tuple(refused), baseline)


def _all_gains(
    found: Across, baseline: int | None
) -> tuple[list[tuple[int, int, tuple[Gain, ...]]], list[tuple[int, int, str]]]:
    """Return every pair of networks, better one first, with its gains; and of which data sets have none, and why."""
    sides = [
        [
            by_seed(row.done, comparison.split, comparison.metric, comparison.convention) if row else None
            for row, comparison in zip(network.rows, found.sets, strict=True)
        ]
        for network in found.networks
    ]
    result, refused = [], []
    for first, second in combinations(range(len(sides)), 2):
        if baseline not in (None, first, second):
            continue
        gains = []
        for place, (left, right) in enumerate(zip(sides[first], sides[second], strict=True)):
            if left is None or right is None:
                continue
            try:
                gains.append(_gain(place, left, right, found))
            except UnpairedError as error:
                refused.append((first, second, f"{found.names[place]}: {error}"))
        if gains and np.mean([gain.mean for gain in gains]) < 0:
            first, second, gains = second, first, [_turned(gain) for gain in gains]
        result.append((first, second, tuple(gains)))
    return result, refused


def _gain(place: int, left: Side, right: Side, found: Across) -> Gain:
    both = layout(left, right)
    difference = difference_of(both, most=found.sets[place].score.largest)
    square = nan
    if both.known and len(both.groups) > 1:
        square = squared_error(standard_errors(both.table[0] - both.table[1], both.overlap))
    gain = Gain(place, difference.mean, difference.low, difference.high, square)
    return gain if found.direction > 0 else _turned(gain)


def _turned(gain: Gain) -> Gain:
    return replace(gain, mean=-gain.mean, low=-gain.high, high=-gain.low)


def _verdict(total: MeanGain, margin: float) -> str:
    if total.low > 0:
        return BETTER
    return ALIKE if -margin <= total.low and total.high <= margin else UNDECIDED


def _ranking(found: Across) -> Ranking | None:
    complete = [index for index, network in enumerate(found.networks) if network.complete]
    if len(complete) < 2:
        return None
    table = ranks(found.means[complete].T, found.direction)
    return Ranking(tuple(complete), table, friedman(table))


def _root_mean(values: Sequence[float]) -> float:
    known = np.array([value for value in values if isfinite(value)])
    return float(np.sqrt((known**2).mean())) if len(known) else nan
