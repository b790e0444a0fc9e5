"""McNemar's test of two trained classifiers on the same images, beside the test that knows of seeds.

Of the images that exactly one of the two classifies correctly, each has about half if both are equally good (Q.
McNemar, Psychometrika 12 (1947) 153). The number of the first is then binomial, whatever the two agree on. The exact
test is conservative; the mid-p value, which counts the outcome found half, keeps its level about right also with
few such images (M. W. Fagerland, S. Lydersen and P. Laake, BMC Med. Res. Methodol. 13 (2013) 91).

It takes the two networks as given: the p-value is for other images, not for another training. Each seed has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from segbench.reporting.collection.runs import Run
from segbench.runs.split_scores import SplitScores


@dataclass(frozen=True)
class McNemar:
    """One seed's run of one configuration against that of another.

    Attributes:
        seed: The seed.
        images: Number of images.
        first_alone: How many of them only the first classifies correctly.
        second_alone: How many the second alone.
        identical: Whether both classify every image alike, correctly or not.
    """

    seed: int
    images: int
    first_alone: int
    second_alone: int
    identical: bool

    @property
    def exact(self) -> float:
        """Two-sided p-value of the exact conditional test; 1 where no image tells the two apart."""
        count = self.first_alone + self.second_alone
        return float(binomtest(self.first_alone, count, 0.5).pvalue) if count else 1.0

    @property
    def mid(self) -> float:
        """Two-sided mid-p value: twice the one-sided p-value with half the probability of the outcome found."""
        count, fewer = self.first_alone + self.second_alone, min(self.first_alone, self.second_alone)
        if not count:
            return 1.0
        return float(min(2 * binom.cdf(fewer - 1, count, 0.5) + binom.pmf(fewer, count, 0.5), 1.0))


def mcnemar(first: Sequence[Run], second: Sequence[Run], split: str) -> tuple[McNemar, ...]:
    """Test two configurations seed by seed.

    Args:
        first: Finished runs of one configuration.
        second: Finished runs of the other.
        split: The split that both are scored on.

    Returns:
        One test for each shared seed, ascending, of the first run of that seed; none for a seed whose runs are scored
        on different images, and none at all where an image can be more or less right.
    """
    sides = [_by_seed(runs, split) for runs in (first, second)]
    found = []
    for seed in sorted(sides[0].keys() & sides[1].keys()):
        a, b = sides[0][seed], sides[1][seed]
        if a.right is not None and b.right is not None and a.same_images(b):
            alone = [int(np.count_nonzero(one & ~other)) for one, other in ((a.right, b.right), (b.right, a.right))]
            found.append(McNemar(seed, len(a.ids), alone[0], alone[1], a.same(b)))
    return tuple(found)


def identical_images(tests: Sequence[McNemar]) -> int:
    """Return on how many images two configurations predict the same in every shared seed; 0 where they differ."""
    return tests[0].images if tests and all(test.identical for test in tests) else 0


def _by_seed(runs: Sequence[Run], split: str) -> dict[int, SplitScores]:
    found: dict[int, SplitScores] = {}
    for run in runs:
        if run.seed is not None and split in run.counts:
            found.setdefault(run.seed, run.counts[split])
    return found
