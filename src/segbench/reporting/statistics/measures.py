"""What the training of a run shows beside its scores, one number a run, that claims can be about.

Such a number has no images to vary over, so its interval is the paired one over seeds alone: the mean of the S seeds'
differences, plus and minus Student's quantile for S - 1 degrees of freedom times their standard error. A run that joins
the folds of a cross-validation has the mean of its folds. Epochs are whole, so the differences of few seeds are often
all the same without being certain: their variance is taken to be at least that of rounding both sides, 1/6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.special import stdtrit

from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.statistics.intervals import Difference
from segbench.reporting.statistics.jackknife import UnpairedError
from segbench.runs.split_scores import derive, has_metric
from segbench.scores.arithmetic import Floats
from segbench.scores.training import EPOCHS_TO_95, TRAIN_GAP

# Of the final score: what counts as having got there.
NEARLY = 0.95
# What a measure is counted in; 0 where it is no count.
STEPS: Mapping[str, float] = MappingProxyType({TRAIN_GAP: 0.0, EPOCHS_TO_95: 1.0})


def _train_gap(run: Run, comparison: Comparison) -> float:
    metric, split = comparison.metric, comparison.split
    if "train" not in run.counts or not has_metric(run.counts["train"], metric):
        raise UnpairedError(f"{run.name} has no scores of its training images (data.score_train=true measures them)")
    train, other = (derive(run.counts[name], metric, comparison.convention) for name in ("train", split))
    return comparison.direction * (train - other)


def _epochs_to_95(run: Run, comparison: Comparison) -> float:
    if comparison.direction < 0:
        raise UnpairedError(f"95 % of a final {comparison.metric} says nothing, as lower is better")
    curve = _validated(run, comparison.metric)
    final = curve[min(run.best_epoch or len(curve), len(curve)) - 1]
    if final <= 0:
        # Every epoch would be there, so that what has learned nothing were the fastest.
        raise UnpairedError(f"95 % of {final:g}, the validation score of {run.name} in its scored epoch, says nothing")
    return float(np.argmax(curve >= NEARLY * final)) + 1.0


def _validated(run: Run, metric: str) -> Floats:
    """Return the validation score of each epoch."""
    key = f"val/{metric}"
    if run.curves is not None and key in run.curves:
        values = run.curves[key].to_numpy(dtype=np.float64)
        if values.size and np.isfinite(values).all():
            return values
    raise UnpairedError(f"{run.name} has no {key} of each epoch in metrics.csv")


_VALUES: Mapping[str, Callable[[Run, Comparison], float]] = MappingProxyType(
    {TRAIN_GAP: _train_gap, EPOCHS_TO_95: _epochs_to_95}
)


def measured_difference(
    name: str, first: Iterable[Run], second: Iterable[Run], comparison: Comparison, confidence: float
) -> Difference:
    """Return by how much a measure is larger for one configuration than for another, over the seeds that both have.

    Args:
        name: Of :data:`~segbench.scores.training.SHOWN_BY_TRAINING`.
        first: The finished runs of a configuration.
        second: Those of another.
        comparison: What both belong to.
        confidence: Of the interval, in (0, 1).

    Raises:
        UnpairedError: If they share no seed, or a run lacks what the measure needs.
    """
    sides = [_by_seed(name, runs, comparison) for runs in (first, second)]
    seeds = tuple(sorted(sides[0].keys() & sides[1].keys()))
    if not seeds:
        raise UnpairedError("no seed is finished by both")
    differences = np.array([sides[0][seed] - sides[1][seed] for seed in seeds])
    mean, half = float(differences.mean()), half_width(differences, confidence, STEPS[name])
    return Difference(mean, mean - half, mean + half, seeds, 0, 0)


def half_width(differences: Floats, confidence: float, step: float) -> float:
    """Return half the width of the interval of the mean of the seeds' differences, float64 (S,); NaN of one seed.

    Args:
        differences: Of each seed.
        confidence: In (0, 1).
        step: What both sides are counted in; 0 where they are no counts.
    """
    number = len(differences)
    if number < 2:
        return float("nan")
    # A count is a value rounded to its step, by -step/2 to step/2 evenly: a variance of step²/12.
    variance = max(float(differences.var(ddof=1)), 2 * step**2 / 12)
    return float(stdtrit(number - 1, (1 + confidence) / 2) * np.sqrt(variance / number))


def _by_seed(name: str, runs: Iterable[Run], comparison: Comparison) -> dict[int, float]:
    """Return the mean over folds, and over the runs of a seed, of a measure."""
    found: dict[int, list[float]] = {}
    for run in runs:
        if run.seed is not None:
            values = [_VALUES[name](each, comparison) for each in run.each]
            if not np.isfinite(values).all():
                raise UnpairedError(f"{run.name} has no {comparison.metric} on one of both sides")
            found.setdefault(run.seed, []).append(float(np.mean(values)))
    return {seed: float(np.mean(values)) for seed, values in found.items()}
