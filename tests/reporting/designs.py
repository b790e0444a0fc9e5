"""Experiments that were never trained, as contributions by row, seed and group, and the tests of their pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from segbench.reporting.statistics.families import GUARD, LEVEL, dunnett, level, one_sided_dunnett, tukey
from segbench.reporting.statistics.intervals import SINGLE, Errors, Shared, standard_errors
from segbench.reporting.statistics.pooling import LEAST_ROWS, LEAST_SEEDS, Pool, outlying, together
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


@dataclass(frozen=True)
class Design:
    """Rows without a true difference.

    Attributes:
        rows: Their number K.
        seeds: Of each.
        groups: Of images.
        deviations: Standard deviations of a row's scores by seed, image and rest.
        ratio: How many times more some rows vary between seeds.
        more: How many rows those are, the first.
        shape: How scores vary, a key of :data:`SHAPES`.
        uneven: Whether groups have 1 to 12 images.
        lost: Whether the last row lacks its last seed.
    """

    rows: int
    seeds: int
    groups: int
    deviations: tuple[float, float, float] = (0.01, 0.0, 0.0)
    ratio: float = 1.0
    more: int = 0
    shape: str = "normal"
    uneven: bool = False
    lost: bool = False

    def __str__(self):
        who = f", {self.more} x {self.ratio:g}" if self.more else ""
        extra = ", uneven groups" * self.uneven + ", a lost run" * self.lost
        spread = " ".join(f"{value:g}" for value in self.deviations)
        return f"{self.rows} rows {self.seeds} seeds {self.groups} groups ({spread}){who} {self.shape}{extra}"


def _normal(rng, size):
    return rng.normal(size=size)


def _skewed(rng, size):
    return rng.exponential(size=size) - 1


def _heavy(rng, size):
    return rng.standard_t(3, size=size) / np.sqrt(3)


def _zero_inflated(rng, size):
    """One in ten is a failure."""
    failed = rng.random(size) < 0.1
    return 0.3 * rng.normal(size=size) - (3.2 * failed - 0.32)


# How seeds, and how images and rest, vary: mean 0, about 1 times the deviation.
SHAPES = {
    "normal": (_normal, _normal),
    "skewed seeds": (_skewed, _normal),
    "skewed images": (_normal, _skewed),
    "heavy tails": (_heavy, _heavy),
    "zero-inflated": (_normal, _zero_inflated),
    "collapsing": (_zero_inflated, _normal),
}


def draw(design, count, rng):
    """Contributions (N,K,S,G) of N experiments, and their rows' scores by seed (N,K,S)."""
    by_seed, by_image = SHAPES[design.shape]
    seed, image, rest = design.deviations
    size, factor = (count, design.rows, design.seeds, design.groups), np.ones((design.rows, 1, 1))
    factor[: design.more] = design.ratio
    table = seed * factor * by_seed(rng, (*size[:3], 1)) + image * by_image(rng, (*size[:2], 1, size[3]))
    # A seed's and an image's own part, which all rows share.
    table = table + seed * rng.normal(size=(count, 1, design.seeds, 1)) + 0.1 * rng.normal(size=(count, 1, 1, size[3]))
    images = rng.integers(1, 13, design.groups) if design.uneven else np.ones(design.groups, int)
    # The rest is that of single images: a group's is a mean of so many.
    table = table + rest * by_image(rng, size) / np.sqrt(images)
    total = images.sum()
    scores = (table * images).sum(axis=-1) / total
    pseudo = scores[..., None] + (design.groups - 1) * images * (table - scores[..., None]) / (total - images)
    return pseudo, scores


@dataclass(frozen=True)
class Trials:
    """N experiments of a design, decided at once by the formulas of ``decide``; arrays by experiment, row and row.

    Attributes:
        design: The design.
        errors: With what rows share, and without.
        shares: Which two rows share their variance, bool (N,K,K).
        gains: How much better the row is than the column, (N,K,K).
    """

    design: Design
    errors: tuple[Errors, Errors]
    shares: np.ndarray
    gains: np.ndarray

    def halves(self, alphas, guard):
        """Half widths at error rates that broadcast to (N,K,K)."""
        alone, pooled = self.errors
        return np.where(self.shares, pooled.half_width(alphas, guard), alone.half_width(alphas, guard))

    @cached_property
    def single(self):
        return self.halves(LEVEL, SINGLE)

    @cached_property
    def correlations(self):
        """As ``Tests.correlations``, (N,K)."""
        total = np.where(self.shares, self.errors[1].total, np.nan)
        rows, result = self.design.rows, []
        for row in range(rows):
            others = np.arange(rows) != row
            own, between = total[:, row, others], total[:, others][:, :, others]
            with np.errstate(invalid="ignore", divide="ignore"):
                found = (own[:, :, None] + own[:, None] - between) / (2 * np.sqrt(own[:, :, None] * own[:, None]))
            off = found[:, ~np.eye(rows - 1, dtype=bool)]
            result.append(np.clip(np.nan_to_num(off), 0, 1).mean(axis=1))
        return np.minimum(np.stack(result, axis=1), 0.5)

    def alphas(self, family):
        """Two-sided error rates of the comparisons of each row with all others, (N,K)."""
        grid, count = np.linspace(0, 0.5, 11), self.design.rows - 1
        if family == "best":
            found = [min(2 * level(lambda p, r=r: one_sided_dunnett(p, count, r)), LEVEL) for r in grid]
        else:
            found = [level(lambda p, r=r: dunnett(p, count, r)) for r in grid]
        return np.interp(self.correlations, grid, found)

    @property
    def pair(self):
        """Which pairs a single test at 5 % tells apart, bool (N,K,K)."""
        return np.abs(self.gains) > self.single

    @property
    def ruled_out(self):
        """Which rows are ruled out, bool (N,K)."""
        halves = np.maximum(self.halves(self.alphas("best")[:, :, None], GUARD["best"]), self.single)
        return (-self.gains > halves).any(axis=2)

    def told(self, family):
        """Which rows are told apart with each row as the baseline, or of all pairs, bool (N,K,K)."""
        alphas = self._of_pairs() if family == "pairs" else self.alphas(family)[:, :, None]
        return np.abs(self.gains) > np.maximum(self.halves(alphas, GUARD[family]), self.single)

    @property
    def from_baseline(self):
        """Whether any row is told from each row as the baseline, bool (N,K)."""
        return self.told("baseline").any(axis=2)

    @property
    def any_pair(self):
        """Whether any pair is told apart where all are asked for, bool (N,)."""
        return self.told("pairs").any(axis=(1, 2))

    def _of_pairs(self):
        """Error rates of all pairs, (N,K,K)."""
        rows = self.design.rows
        part = self.shares.sum(axis=(1, 2)) / (rows * (rows - 1))
        members = self.shares.any(axis=2).sum(axis=1)
        alphas = np.full(self.shares.shape, LEVEL / (rows * (rows - 1) / 2))
        for count in np.unique(members[members > 1]).tolist():
            where = members == count
            share = float(part[where][0])
            alpha = level(lambda p, k=count, s=share: tukey(p, k) / s)
            alphas[where] = np.where(self.shares[where], alpha, alphas[where])
        return alphas


def trials(design, count, rng, means=0.0):
    """Decide N experiments; ``means``: added to the rows' scores, (K,)."""
    table, scores = draw(design, count, rng)
    table, scores = table + np.reshape(means, (-1, 1, 1)), scores + np.reshape(means, (-1, 1))
    seeds = table.mean(axis=-1)
    full = np.ones((count, design.rows), bool)
    if design.lost:
        full[:, -1] = False
    inside = full.copy()
    inside[:, : design.rows - design.lost] &= ~outlying(seeds[:, : design.rows - design.lost])
    enough = (inside.sum(axis=1) >= LEAST_ROWS) & (design.seeds >= LEAST_SEEDS)
    inside &= enough[:, None]
    square, own, freedom = together(seeds, np.where(enough[:, None], inside, full))
    shares = inside[:, :, None] & inside[:, None] & ~np.eye(design.rows, dtype=bool)
    seeds_of = np.full((design.rows, design.rows), design.seeds)
    squares = list(_squares(table))
    difference = scores.mean(axis=-1)[:, :, None] - scores.mean(axis=-1)[:, None]
    if design.lost:
        seeds_of[-1] = seeds_of[:, -1] = design.seeds - 1
        less = scores[..., :-1].mean(axis=-1)
        for found, fewer in zip(
            (*squares, difference),
            (*_squares(table[:, :, :-1]), less[:, :, None] - less[:, None]),
            strict=True,
        ):
            found[:, -1], found[:, :, -1] = fewer[:, -1], fewer[:, :, -1]
    alone = Errors(*squares, (seeds_of - 1, design.groups - 1))
    wide = [np.broadcast_to(value[:, None, None], shares.shape) for value in (square, freedom)]
    pooled = replace(alone, shared=Shared(wide[0], own[:, :, None] + own[:, None], wide[1]))
    return Trials(design, (alone, pooled), shares, difference)


def _squares(table):
    """The squared standard errors of all differences, as ``standard_errors`` has them, (N,K,K) each."""
    seeds, groups = table.shape[2:]
    by_seed, by_group = table.mean(axis=3), table.mean(axis=2)
    means = by_seed.mean(axis=2)[..., None]
    rest = (table - by_seed[..., None] - by_group[:, :, None] + means[..., None]).reshape(*table.shape[:2], -1)
    for values, scale in (
        (by_seed - means, (seeds - 1) * seeds),
        (by_group - means, (groups - 1) * groups),
        (rest, (seeds - 1) * (groups - 1) * seeds * groups),
    ):
        gram = values @ values.transpose(0, 2, 1)
        own = np.diagonal(gram, axis1=1, axis2=2)
        yield np.maximum(own[:, :, None] + own[:, None] - 2 * gram, 0) / scale
