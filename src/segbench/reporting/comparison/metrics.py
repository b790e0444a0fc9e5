"""By what a comparison scores its runs: task, split, metric and convention, and which scores it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.utils import get_class

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import Run
from segbench.runs.split_counts import SplitCounts, SplitScores, scored_class
from segbench.scores.columns import COLUMN_SCORES
from segbench.scores.derive import OVERALL_SCORES, SCORES, Convention
from segbench.scores.labels import ACCURACY, CLASS_SCORES, LABEL_CONVENTION

if TYPE_CHECKING:
    pass

CLASSIFICATION = "classification"
BESIDE = {"segmentation": ("dice", "iou", "pixel_accuracy"), CLASSIFICATION: (ACCURACY, "f1")}
# Not of one class.
WHOLE_SCORES = (*BESIDE[CLASSIFICATION], *BESIDE["segmentation"], *OVERALL_SCORES, *COLUMN_SCORES)


def task_of(runs: Sequence[Run]) -> str:
    """Return what the finished runs do, ``segmentation`` or ``classification``; without any, what was to be done."""
    done = (run.task for run in runs if run.state == "done" and run.task)
    return next(done, None) or next(filter(None, map(_task_of_data, runs)), "segmentation")


def _task_of_data(run: Run) -> str:
    data = run.config.get("data")
    try:
        found: Any = get_class(data["_target_"]) if isinstance(data, dict) else None
    except Exception:  # a class of somebody else's, which is not here
        return ""
    return str(getattr(found, "task", ""))


def metric_of(task: str, declared: dict[str, Any]) -> str:
    """Return the deciding metric: the declared one, or the usual one of the task."""
    return str(declared.get("metric") or BESIDE[task][0])


def convention_of(
    task: str, wanted: Convention | None, directory: Path, scores: Sequence[SplitScores] = ()
) -> Convention:
    """Return how the scores of a task come about.

    Args:
        task: ``segmentation`` or ``classification``.
        wanted: What was asked for.
        directory: Where, for the message.
        scores: What the runs were scored by: they tell whether class 0 is a background.

    Raises:
        ConfigError: If what is wanted would play no role.
    """
    if task != CLASSIFICATION:
        return (wanted or Convention()).of(_has_background(scores))
    if wanted not in (None, Convention(), LABEL_CONVENTION):
        raise ConfigError(
            f"{directory}: --reduction, --background and --empty are for segmentations and these are classifications;"
            " leave them out"
        )
    return LABEL_CONVENTION


def possible_splits(wanted: str | None) -> list[str]:
    """Return the splits that a comparison can be made on, the wanted one first."""
    return list(dict.fromkeys(name for name in (wanted, "test", "val") if name))


def shared_split(done: Sequence[Run], wanted: str | None) -> str:
    """Return the wanted split if every finished run has it, else ``test`` or ``val``, whichever they share.

    Raises:
        ConfigError: If they share none.
    """
    splits = possible_splits(wanted)
    shared = [name for name in splits if all(name in run.counts for run in done)]
    if not shared:
        raise ConfigError(f"{done[0].directory.parent}: no run is scored on the split {' or '.join(splits)}")
    return shared[0]


def _has_background(scores: Sequence[SplitScores]) -> bool:
    """Say whether class 0 of any of them is a background; without any it is."""
    return not scores or any(isinstance(part, SplitCounts) and part.background for part in scores)


def shown_classes(task: str, scores: Sequence[SplitScores]) -> tuple[str, ...]:
    """Return the classes that get a column, of a segmentation without background."""
    first = 0 if task == CLASSIFICATION or not _has_background(scores) else 1
    return tuple(dict.fromkeys(name for part in scores for name in part.class_names[first:]))


def shown_scores(task: str, metric: str, scores: Sequence[SplitScores]) -> list[str]:
    """Return the metrics that every row gets, the deciding one first: those of objects where all runs have them."""
    objects = [
        name
        for name in COLUMN_SCORES
        if scores and all(isinstance(part, SplitCounts) and part.has(name) for part in scores)
    ]
    benchmark = () if task == CLASSIFICATION or _has_background(scores) else ("miou",)
    return list(dict.fromkeys((metric, *BESIDE[task], *benchmark, *objects)))


# What is shown of each class against the rest; reports call Dice F1 and IoU Jaccard index.
ONE_VS_REST = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity", "dice": "F1",
               "iou": "Jaccard"}  # fmt: skip


def class_score(task: str, metric: str) -> str:
    """Return the score that is shown of each class: the deciding one, be it of one class, where a class can have it."""
    known = tuple(CLASS_SCORES) if task == CLASSIFICATION else (*SCORES, *COLUMN_SCORES)
    found = [name for name in known if metric == name or metric.startswith(f"{name}_")]
    return found[0] if found else "f1" if task == CLASSIFICATION else "dice"


def class_metrics(of_class: str, classes: Sequence[str], scores: Sequence[SplitScores]) -> list[str]:
    """Return ``<score>_<class>`` of the shown classes that any run can score: not all are made of objects."""
    names = [f"{of_class}_{label}" for label in classes]
    return [name for name in names if any(can_score(part, name) for part in scores)]


def can_score(part: SplitScores, metric: str) -> bool:
    """Say whether a run's split has the classes of a metric."""
    try:
        scored_class(part, metric)
    except ConfigError:
        return False
    return True
