"""Comparisons of networks that were never trained: scores by seed and image, drawn at random, as runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.estimate import estimate
from segbench.reporting.comparison.model import COSTS, Comparison, Row
from segbench.reporting.statistics.intervals import ROUNDING
from segbench.runs.split_counts import RECORD, SplitCounts
from segbench.runs.split_scores import derive
from segbench.scores import Convention

PIXELS = 1_000_000
FLIPS = 10_000
# Up to so many groups all patterns of signs are gone through: 2 ** 12 of them.
EXACT_GROUPS = 12
BLOCK = 1000


def layouts(rng, repeats: int, shape: tuple[int, int], seed: float, image: float, rest: float) -> np.ndarray:
    """Draw (repeats,S,G) normal differences with these standard deviations by source and mean 0."""
    seeds, groups = shape
    table = seed * rng.normal(size=(repeats, seeds, 1)) + image * rng.normal(size=(repeats, 1, groups))
    return table + rest * rng.normal(size=(repeats, seeds, groups))


def counts(scores: np.ndarray, names: Sequence[str] | None = None, groups: Sequence[str] | None = None) -> SplitCounts:
    """Counts whose Dice is exactly that of each image (N,), to six digits; NaN for an image without the class.

    Most of an image is background, so that a network that marks everything has a Dice near 0.
    """
    empty = np.isnan(scores)
    tp = np.where(empty, 0, np.round(np.clip(np.nan_to_num(scores), 0, 1) * PIXELS)).astype(np.int64)
    wrong = np.where(empty, 0, PIXELS - tp)
    rest = 100 * PIXELS - wrong
    table = np.stack([np.stack([rest, wrong, wrong, tp], -1), np.stack([tp, wrong, wrong, rest], -1)], 1)
    ids = tuple(names) if names is not None else tuple(f"i{index:03d}" for index in range(len(scores)))
    return SplitCounts(ids, tuple(groups) if groups is not None else ids, ((1000, 2000),), ("background", "car"), table)


def pixels(tp: int, fp: int, fn: int, tn: int, names: Sequence[str] | None = None) -> SplitCounts:
    """Counts of the class and of its background, alike of each of 20 images."""
    part = counts(np.full(20, 0.5), names)
    return replace(part, counts=np.broadcast_to(np.array([[tn, fn, fp, tp], [tp, fp, fn, tn]]), part.counts.shape))


def comparison(rows: dict[str, dict[int, SplitCounts]], split: str = "test", **more) -> Comparison:
    """Return the comparison of rows, each seed to its counts (none: its run failed); ``more``: convention, unfinished, config, metric."""
    convention, metric = more.get("convention", Convention()), more.get("metric", "dice")
    found = []
    for name, seeds in rows.items():
        runs = tuple(
            Run(
                Path(f"{name}-{seed}"),
                "done",
                seed=seed,
                choices={"model": name},
                config=more.get("config", {}),
                counts={split: part},
            )
            for seed, part in seeds.items()
        ) or (Run(Path(f"{name}-lost"), "failed", "lost", choices={"model": name}),)
        row = Row(("model",), (name,), runs)
        scores = {metric: estimate([derive(part, metric, convention) for part in seeds.values()])}
        found.append(replace(row, scores=scores, costs=dict.fromkeys(COSTS, estimate([]))))
    return Comparison(
        Path("nowhere"), "fake", "", ("model",), metric, split, split, convention, ("car",), tuple(found),
        (), (), (), tuple(more.get("unfinished", ())), RECORD,
    )  # fmt: skip


def networks(rng, means: Sequence[float], shape=(3, 20), seed=0.01, image=0.05, rest=0.02, shared=0.1) -> Comparison:
    """Return networks m0, m1, ... with these mean scores, on images that are harder or easier for all of them."""
    seeds, images = shape
    easy = shared * rng.normal(size=images)
    rows = {}
    for index, mean in enumerate(means):
        table = mean + easy + layouts(rng, 1, shape, seed, image, rest)[0]
        rows[f"m{index}"] = {number: counts(scores) for number, scores in enumerate(table)}
    return comparison(rows)


def sign_flips(contributions: np.ndarray) -> np.ndarray:
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
    for start in range(0, patterns, BLOCK):
        size = min(BLOCK, patterns - start)
        if count <= EXACT_GROUPS:
            bits = np.arange(start, start + size)[:, None] >> np.arange(count) & 1
        else:
            bits = rng.integers(0, 2, (size, count), dtype=np.int8)
            bits[: start == 0] = 0
        reached += (np.abs(contributions @ (1.0 - 2 * bits).T) >= found[..., None]).sum(axis=-1)
    return reached / patterns
