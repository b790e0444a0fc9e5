"""What each group of images contributes to a run's score: the jackknife (Tukey 1958), for all groups at once.

A score is a function of sums over images: of scores and their number (``per_image``), or of counts (``pooled``). So the
score without a group is that function of the total less the group's own sums, and no image is read twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.reporting.collection.folds import overlap_of, units_of
from segbench.reporting.collection.runs import Run
from segbench.runs.split_scores import SplitScores, metric_of
from segbench.scores.arithmetic import Floats, mean_present
from segbench.scores.convention import Convention
from segbench.scores.score import Metric


class UnpairedError(ValueError):
    """Runs have nothing to be compared by; the message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Parts:
    """One run's score on one split, and what its groups have to do with it.

    Attributes:
        counts: What it comes from.
        metric: What the score is.
        score: The score, as the table prints it; NaN where there is nothing to score.
        loss: float64 (G,): the score less that without the group; NaN for a group without which there is none.
        own: float64 (G,): the score of the group alone; NaN for one that has none, which does not enter the score.
        images: int64 (G,): number of images.
        names: The G groups, sorted; of a cross-validation its folds.
        units: The group, or the fold, of each image.
        overlap: As in :class:`Layout`.
    """

    counts: SplitScores
    metric: Metric
    score: float
    loss: Floats
    own: Floats
    images: NDArray[np.int64]
    names: NDArray[np.str_]
    units: tuple[str, ...]
    overlap: float

    def pseudo_values(self, keep: NDArray[np.bool_]) -> Floats:
        """Return the pseudo-values of the K groups kept, float64 (K,): with T the score, T + (K - 1) (T - T_g).

        Their mean is T, exactly where T is a mean over groups, and else but for the curvature of T, which falls with K.

        Args:
            keep: bool (G,); at least the groups that are scored.
        """
        return self.score + (np.count_nonzero(keep) - 1) * self.loss[keep]


# Contributions that differ by less, relative to the largest, differ by rounding.
SAME = 1e-9
# Seed to the runs of one configuration with that seed, each with a score.
Side = Mapping[int, Sequence[Parts]]


@dataclass(frozen=True)
class Layout:
    """Contributions of one or more configurations by seed and group.

    Attributes:
        seeds: The S seeds, ascending.
        groups: The G groups that any of the runs can score, sorted.
        scores: float64 (K,S): score of each of the K configurations.
        table: float64 (K,S,G): contributions; NaN where a seed's images have none of the group.
        images: Number of images that enter.
        own: float64 (K,G): score of each group alone, the mean over the seeds that have one; NaN where none has.
        known: Whether every contribution is known; not where all hangs on one group.
        crossed: Whether all seeds are scored on the same images.
        overlap: Tested images for each training image, where the groups are folds that share training images; else 0.
    """

    seeds: tuple[int, ...]
    groups: tuple[str, ...]
    scores: Floats
    table: Floats
    own: Floats
    images: int
    known: bool
    crossed: bool
    overlap: float = 0.0

    @property
    def constant(self) -> bool:
        """Whether all contributions are equal but for rounding, so that nothing shows how the score varies."""
        least, most = np.nanmin(self.table), np.nanmax(self.table)
        return bool(most - least <= SAME * max(1.0, abs(most)))


def parts(
    counts: SplitScores,
    metric: str,
    convention: Convention,
    units: tuple[str, ...] | None = None,
    overlap: float = 0.0,
) -> Parts:
    """Return a run's score and what each group has to do with it.

    Args:
        counts: The scores of one split of one run.
        metric: As for :func:`segbench.runs.split_scores.derive`.
        convention: How counts become scores.
        units: The fold of each image, to take for its group; None for the groups that the images have.
        overlap: As in :class:`Layout`.
    """
    units = counts.groups if units is None else units
    names, group = np.unique(units, return_inverse=True)
    meant = metric_of(counts, metric)
    additive = counts.additive(meant, convention)
    terms, score = additive.terms, additive.of
    sums = np.zeros((len(names), *terms.shape[1:]), terms.dtype)
    if len(names) == len(terms):
        # Every image is its own group, as of ten thousand digits: adding one by one would take most of the time.
        sums[group] = terms
    else:
        np.add.at(sums, group, terms)
    total = terms.sum(axis=0)
    whole, without = float(score(total)), score(total - sums)
    images = np.bincount(group, minlength=len(names))
    return Parts(counts, meant, whole, whole - without, score(sums), images, names, units, overlap)


def by_seed(runs: Iterable[Run], split: str, metric: str, convention: Convention) -> dict[int, list[Parts]]:
    """Return the parts of a configuration's runs by seed; runs without a seed or anything to score are left out."""
    found: dict[int, list[Parts]] = {}
    for run in runs:
        part = parts(run.counts[split], metric, convention, units_of(run, split), overlap_of(run))
        if run.seed is not None and np.isfinite(part.score):
            found.setdefault(run.seed, []).append(part)
    return found


def layout(*sides: Side) -> Layout:
    """Lay configurations out by the seeds that all of them have.

    Groups that none of the runs can score count neither as groups nor as images. Several runs of one seed count as
    their mean. Seeds may be scored on different images (each its own split), the runs of one seed may not.

    Raises:
        UnpairedError: Without a shared seed, or where the runs of a seed are scored on different images or groups, or
            any two on different classes.
    """
    seeds = sorted(set.intersection(*(set(side) for side in sides)))
    if not seeds:
        raise UnpairedError("no seed is finished by both")
    used = {seed: [part for side in sides for part in side[seed]] for seed in seeds}
    kinds = {seed: {(part.counts.ids, part.counts.groups) for part in used[seed]} for seed in seeds}
    if any(len(found) > 1 for found in kinds.values()):
        raise UnpairedError("the runs are scored on different images")
    if any(part.overlap for members in used.values() for part in members):
        kinds = {seed: {(part.counts.ids, part.units) for part in used[seed]} for seed in seeds}
        if any(len(found) > 1 for found in kinds.values()):
            raise UnpairedError("the runs are cross-validated in different folds")
    if len({part.counts.class_names for members in used.values() for part in members}) > 1:
        raise UnpairedError("the runs are scored on different classes")
    crossed = len(set.union(*kinds.values())) == 1
    names, keep = _scored_groups(used, crossed)
    scores = np.array([[np.mean([part.score for part in side[seed]]) for seed in seeds] for side in sides])
    table, known = np.full((len(sides), len(seeds), len(names)), np.nan), True
    own = table.copy()
    for row, seed in enumerate(seeds):
        columns = slice(None) if crossed else np.searchsorted(names, used[seed][0].names[keep[seed]])
        for index, side in enumerate(sides):
            values = [part.pseudo_values(keep[seed]) for part in side[seed]]
            table[index, row, columns] = values[0] if len(values) == 1 else np.mean(values, axis=0)
            own[index, row, columns] = np.mean([part.own[keep[seed]] for part in side[seed]], axis=0)
        known = known and bool(np.isfinite(table[:, row, columns]).all())
    groups = tuple(names.tolist())
    overlap = used[seeds[0]][0].overlap
    each = mean_present(own, axis=1)
    return Layout(tuple(seeds), groups, scores, table, each, _images(used, keep, crossed), known, crossed, overlap)


def _scored_groups(
    used: Mapping[int, Sequence[Parts]], crossed: bool
) -> tuple[NDArray[np.str_], dict[int, NDArray[np.bool_]]]:
    """Return the groups that any run can score, sorted, and where they stand among each seed's groups.

    A group counts with all its images wherever any seed can score it.
    """
    scored = {seed: np.any([np.isfinite(part.own) for part in members], axis=0) for seed, members in used.items()}
    names = {seed: members[0].names for seed, members in used.items()}
    if crossed:
        # One comparison of names for all seeds is too many when there are a thousand pairs.
        keep: NDArray[np.bool_] = np.any(list(scored.values()), axis=0)
        return next(iter(names.values()))[keep], dict.fromkeys(used, keep)
    found = np.unique(np.concatenate([names[seed][scored[seed]] for seed in used]))
    return found, {seed: np.isin(names[seed], found) for seed in used}


def _images(used: Mapping[int, Sequence[Parts]], keep: Mapping[int, NDArray[np.bool_]], crossed: bool) -> int:
    """Return how many different images enter."""
    if crossed:
        seed = next(iter(used))
        return int(used[seed][0].images[keep[seed]].sum())
    found: set[str] = set()
    for seed, members in used.items():
        kept = set(members[0].names[keep[seed]].tolist())
        counts = members[0].counts
        found |= {name for name, unit in zip(counts.ids, members[0].units, strict=True) if unit in kept}
    return len(found)
