"""Whether one configuration scores above another: the paired difference of their runs, with a confidence interval.

**What is compared.** Two configurations, trained with the same seeds and scored on the same images. The difference is
that of their scores as the table prints them (:func:`segbench.runs.split_scores.derive`), for each seed, then the mean
over the seeds that both have. A network's score is a mean over classes of means over the images that score the class,
which is not the mean over images of :func:`segbench.scores.derive.image_scores` where a class is empty in some image;
pooled counts have no image scores at all. So what one group of images contributes is taken from the score itself, by
leaving that group out (the jackknife), and nothing is left out of one network for what another predicts: a class that
only one of them sees in an image costs that one, in the difference as in the table. Where all images score all
classes and all groups have the same number of images, a contribution is the plain mean over the group's images.

**What varies.** Seeds (first weights and order of the images: a seed's two runs are a pair) and groups (a patient, a
car: its images come together). Both are taken for random draws, crossed, as all seeds are scored on the same groups.

**The interval** is symmetric. Its half width is the root of (t[S-1] a)² + t[G-1]² (b² - e): ``a`` the standard error
of the mean over the S seeds' differences, ``b`` that over the G groups' differences, ``t`` Student's quantiles for
their degrees of freedom, and ``e`` the part of both squares that is neither seed nor group (the rest of the two-way
layout, divided by S G), which so counts once. Limits of two sources are so combined by Howe, J. Am. Stat. Assoc. 69
(1974) 789-794 (later called square-and-add or MOVER). It is never narrower than the paired t interval over seeds or
that over groups alone; where the formula is, the latter holds. Where each seed has its own images (a split of its own),
``b`` is taken over all groups that any seed has, each with the mean of the seeds that have it, and nothing is taken
off: that counts more than there is, never less.

**Cross-validation.** The groups are then its folds. Networks of two folds share training images, so folds vary less
than they would if everything were drawn again: b² is not S²/K of the K folds' differences but (1/K + n/m) S², with n
tested and m other images in a fold, K - 1 degrees of freedom (C. Nadeau and Y. Bengio, Inference for the generalization
error, Mach. Learn. 52 (2003) 239-281, section 5.1, where n/m stands for a correlation that cannot be estimated: no
unbiased estimator of the variance exists, Y. Bengio and Y. Grandvalet, J. Mach. Learn. Res. 5 (2004) 1089-1105).

**The test** that belongs to it (:func:`p_value`): p is the smallest error rate whose interval leaves out 0.

**Measured** on 20,000 simulated comparisons without a true difference, 3 seeds and 20 groups, for each of seven
mixtures of seed, group and residual variance (``tests/reporting/test_simulations.py``, marked slow). The nominal 95 %
interval covers 95.1 % to 98.8 % with normal draws (95.0 % to 99.2 % with 2 seeds, 95.0 % to 98.3 % with 5 seeds and 50
groups) and 95.9 % to 99.0 % with heavy tails (t with 3 degrees of freedom). It covers too much where most is rest: that
seeds do not differ, 3 of them cannot show. Without ``e`` it covers up to 99.6 %, and what it finds in 80 % of
experiments is larger by 6 % (3 seeds, 20 groups) to 18 % (30 of each). A percentile bootstrap over seeds and groups
covers 75 % (seed variance only) to 99.5 %, the sum of variance components with Satterthwaite's degrees of freedom 87 %
to 95 %; therefore neither is used. Counts simulated for groups of 1 to 4 images, in some of which a class is absent,
give 96 % to 99 %, pooled or per image (400 experiments each).

**Not covered.** Three seeds are few, and do not show that seeds vary normally. Where seeds hardly differ, skewed groups
(exponential) lower the coverage to 91.7 %, and a rare failure (one group in twenty) to 64 %: if it does not happen to
be among the 20 groups, no interval knows of it. One seed says nothing about others: the interval is then that over
groups, for these trained networks only. What was chosen on the same images (the best epoch, a learning rate) and other
training images are outside of all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from segbench.reporting.collection.runs import Run
from segbench.reporting.statistics.jackknife import Layout, UnpairedError, by_seed, layout
from segbench.scores.arithmetic import Floats, mean_present
from segbench.scores.convention import Convention

SMALLEST_P = 1e-15
# Below this a difference is the rounding of sums in another order.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """How far one configuration scores above another.

    Attributes:
        mean: Mean over the seeds of the difference in score, in units of the score; above 0: the first is better.
        low: Lower end of the confidence interval, of shares at least -1; NaN where there is none (one group, or all
            hangs on one).
        high: Its upper end, of shares at most 1.
        seeds: The seeds that both have, ascending.
        images: Number of images that enter.
        groups: Number of groups that they come from.
    """

    mean: float
    low: float
    high: float
    seeds: tuple[int, ...]
    images: int
    groups: int

    @property
    def sign(self) -> int:
        """1 where the first is distinguishably better, -1 where worse, else 0; with one seed always 0."""
        if len(self.seeds) < 2:
            return 0
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Shared:
    """What rows that vary alike say together of the seeds' part of a difference between two of them.

    Attributes:
        square: Squared standard error of the mean over S seeds by all rows, float64 (...).
        own: The same by the two rows alone, float64 (...).
        freedom: Degrees of freedom of ``square``, float64 (...).
    """

    square: Floats
    own: Floats
    freedom: Floats


# How many times the two rows' own squared error counts beside the shared one (segbench.reporting.statistics.pooling)
# in a single test, which has no correction that leaves room.
SINGLE = 2.0


@dataclass(frozen=True)
class Errors:
    """Squared standard errors of a mean over seeds and groups, from which interval and test follow.

    Attributes:
        seeds: Of the mean over S seeds, float64 (...); 0 with one seed.
        groups: Of the mean over G groups, float64 (...).
        rest: The part of both that is neither seed nor group, float64 (...); 0 where it is not known.
        freedom: Degrees of freedom of the first two, S - 1 and G - 1, int or int64 (...); with 0 it does not enter.
        shared: In place of the first, where other rows say more of it; None where there are none.
    """

    seeds: Floats
    groups: Floats
    rest: Floats
    freedom: tuple[int | NDArray[np.int64], int | NDArray[np.int64]]
    shared: Shared | None = None

    @property
    def total(self) -> Floats:
        """The squared standard error of the mean, float64 (...)."""
        seeds = self.seeds if self.shared is None else np.maximum(self.shared.square, self.shared.own)
        return seeds + np.maximum(self.groups - self.rest, 0)

    def half_width(self, alpha: Floats | float, guard: float = SINGLE) -> Floats:
        """Return half the width of the interval with the two-sided error rate ``alpha``, float64 (...).

        Args:
            alpha: In (0, 1).
            guard: :data:`SINGLE`, or that of a family of comparisons
                (:data:`segbench.reporting.statistics.families.GUARD`).
        """
        by_seed, by_group = (
            np.where(np.asarray(freedom) > 0, stdtrit(np.maximum(freedom, 1), np.asarray(alpha) / 2) ** 2, 0.0)
            for freedom in self.freedom
        )
        of_groups = by_group * self.groups
        both = self._of_seeds(alpha, by_seed, guard) + by_group * np.maximum(self.groups - self.rest, 0)
        return np.sqrt(np.maximum(both, of_groups))

    def _of_seeds(self, alpha: Floats | float, alone: Floats, guard: float) -> Floats:
        """Return the seeds' part of the squared half width; ``alone``: Student's quantile of S - 1, squared."""
        if self.shared is None:
            return alone * self.seeds
        together = stdtrit(self.shared.freedom, np.asarray(alpha) / 2) ** 2
        # The two rows' own error never counts more than in a test that knows them alone.
        own = np.minimum(guard * together, alone) * self.shared.own
        return np.maximum(together * self.shared.square, own)

    def p_value(self, mean: Floats, guard: float = SINGLE) -> Floats:
        """Return the smallest error rate at which the interval leaves out 0: the test that belongs to the interval.

        Args:
            mean: The means, float64 (...).
            guard: As for :meth:`half_width`.

        Returns:
            float64 (...) in [1e-15, 1], by bisection of its logarithm.
        """
        low, high = np.full(np.shape(mean), np.log(SMALLEST_P)), np.zeros(np.shape(mean))
        for _ in range(50):
            middle = (low + high) / 2
            excluded = np.abs(mean) > self.half_width(np.exp(middle), guard)
            low, high = np.where(excluded, low, middle), np.where(excluded, middle, high)
        return np.where(np.abs(mean) < ROUNDING, 1.0, np.exp(high))


def standard_errors(table: Floats, overlap: float = 0.0) -> Errors:
    """Return the squared standard errors of the mean.

    Args:
        table: Contribution of each seed and group, float64 (...,S,G); NaN where a seed's images have none of the group.
        overlap: Tested images for each training image where the groups are folds of a cross-validation; else 0.
    """
    gaps = bool(np.isnan(table).any())
    by_seed, by_group = (mean_present(table, axis) if gaps else table.mean(axis=axis) for axis in (-1, -2))
    seeds, groups = table.shape[-2:]
    zero = np.zeros(table.shape[:-2])
    squares = [
        means.var(axis=-1, ddof=1) * (1 / count + shared) if count > 1 else zero
        for means, count, shared in ((by_seed, seeds, 0.0), (by_group, groups, overlap))
    ]
    rest = zero
    if not gaps and min(seeds, groups) > 1:
        residual = table - by_seed[..., None] - by_group[..., None, :] + table.mean(axis=(-1, -2))[..., None, None]
        rest = (residual**2).sum(axis=(-1, -2)) / ((seeds - 1) * (groups - 1) * seeds * groups)
    return Errors(squares[0], squares[1], rest, (seeds - 1, groups - 1))


def half_width(table: Floats, confidence: float = 0.95, overlap: float = 0.0) -> Floats:
    """Return half the width of the confidence interval of the mean, by the formula above.

    Args:
        table: As for :func:`standard_errors`, G at least 2; with S = 1 the interval is that over groups alone.
        confidence: Of the two-sided interval, in (0, 1).
        overlap: As for :func:`standard_errors`.

    Returns:
        float64 (...), 0 or more.
    """
    return standard_errors(table, overlap).half_width(1 - confidence)


def p_value(mean: Floats, table: Floats, overlap: float = 0.0) -> Floats:
    """Return the smallest error rate at which the interval leaves out 0: the test that belongs to the interval.

    Args:
        mean: The means, float64 (...).
        table: As for :func:`standard_errors`.
        overlap: Likewise.

    Returns:
        float64 (...) in [1e-15, 1], by bisection of its logarithm.
    """
    return standard_errors(table, overlap).p_value(mean)


def difference_of(
    found: Layout, confidence: float = 0.95, most: float = np.inf, errors: Errors | None = None
) -> Difference:
    """Return the difference of two configurations laid out together, the first minus the second.

    Args:
        found: The two.
        confidence: Of the interval.
        most: What the score can be at most, where no difference is larger: the interval is cut off there.
        errors: Its squared standard errors, where they are worked out already.
    """
    mean = float((found.scores[0] - found.scores[1]).mean())
    known = found.known and len(found.groups) > 1
    if errors is None:
        errors = standard_errors(found.table[0] - found.table[1], found.overlap)
    half = float(errors.half_width(1 - confidence)) if known else float("nan")
    low, high = np.clip([mean - half, mean + half], -most, most).tolist()
    return Difference(mean, low, high, found.seeds, found.images, len(found.groups))


def paired_difference(
    first: Sequence[Run],
    second: Sequence[Run],
    split: str,
    metric: str,
    convention: Convention,
    confidence: float = 0.95,
    shared: Shared | None = None,
) -> Difference:
    """Return how far the first configuration scores above the second, on one split.

    Groups that none of the runs can score (for one class: without that class in truth and prediction) count neither
    as groups nor as images; they do not enter the score either. A seed for which one of the two has no score at all
    is left out. Several runs of one seed count as their mean.

    Args:
        first: Finished runs of one configuration.
        second: Finished runs of the other.
        split: The split to score.
        metric: As for :func:`segbench.runs.split_scores.derive`.
        convention: How counts become scores.
        confidence: Of the interval; 1 - 0.05 / m where m intervals shall hold together with 95 % (Bonferroni).
        shared: What other rows say of the seeds' part; None for the two alone.

    Raises:
        UnpairedError: Without a shared seed that both score, or where the runs of a seed are scored on different
            images, groups or classes.
    """
    if not {run.seed for run in first} & {run.seed for run in second}:
        raise UnpairedError("no seed is finished by both")
    sides = [by_seed(runs, split, metric, convention) for runs in (first, second)]
    if not sides[0].keys() & sides[1].keys():
        raise UnpairedError(f"no run has anything to score by {metric}")
    most = max(part.metric.largest for side in sides for members in side.values() for part in members)
    both = layout(*sides)
    errors = replace(standard_errors(both.table[0] - both.table[1], both.overlap), shared=shared)
    return difference_of(both, confidence, most, errors)
