"""By what a comparison scores its runs: task, split, metric and convention, and which scores it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import Run
from segbench.runs.scores_file import TASKS
from segbench.runs.split_scores import SplitScores, TaskRecord, has_metric, metric_of
from segbench.scores.convention import Convention
from segbench.scores.score import Metric, Share, resolve
from segbench.suggest import nearest


def task_of(runs: Sequence[Run]) -> TaskRecord:
    """Return the task of the finished runs; without any, what was to be done."""
    done = (run.task for run in runs if run.state == "done" and run.task)
    planned = (TASKS.get(run.planned_task) for run in runs)
    return next(done, None) or next((record for record in planned if record), None) or next(iter(TASKS.values()))


def convention_of(
    task: TaskRecord, wanted: Convention | None, directory: Path, parts: Sequence[SplitScores]
) -> Convention:
    """Return how the scores of a task come about.

    Args:
        task: The task.
        wanted: What was asked for.
        directory: Where, for the message.
        parts: What the runs were scored by.

    Raises:
        ConfigError: If what is wanted would play no role.
    """
    try:
        return task.convention(wanted, parts)
    except ConfigError as error:
        raise ConfigError(f"{directory}: {error}") from None


def possible_splits(declared: str | None, asked: str | None = None) -> list[str]:
    """Return the splits that a comparison can be made on, the best first: what is asked for has no substitute."""
    return [asked] if asked else list(dict.fromkeys(name for name in (declared, "test", "val") if name))


def shared_split(done: Sequence[Run], splits: Sequence[str], key: str) -> str:
    """Return the first of these splits that every finished run has; the first one without finished runs.

    Raises:
        ConfigError: If they share none; names the directory, and the key that would have to say something else.
    """
    shared = [name for name in splits if all(name in run.counts for run in done)]
    if not shared:
        there = sorted({name for run in done for name in run.counts})
        asked = " or ".join(splits)
        raise ConfigError(
            f"{done[0].directory.parent}: {key}: not every run is scored on the split {asked}; there are"
            f" {', '.join(there)}{nearest(asked, there)}"
        )
    return shared[0]


def shared_metric(name: str, task: TaskRecord, parts: Sequence[SplitScores]) -> Metric:
    """Return what a metric's name means to the runs that have it.

    Args:
        name: ``<score>`` or ``<score>_<class>``.
        task: Their task.
        parts: What the runs were scored by. Without any nothing is scored either, and only the name is ever shown.

    Raises:
        ConfigError: If no run has it, or their files declare it differently, so that they cannot be compared by it.
    """
    if not parts:
        known = resolve(name, task.scores.values(), lambda _: ())
        return known or Metric(name, Share(name, name.replace("_", " ")))
    having = [metric_of(part, name) for part in parts if has_metric(part, name)] or [metric_of(parts[0], name)]
    if any(metric.score != having[0].score for metric in having):
        raise ConfigError(
            f"the runs' scores files declare {having[0].score.name} differently; compare those that measured it alike"
        )
    # All of them lie below the highest bound.
    return max(having, key=lambda metric: metric.largest)


def shown_classes(parts: Sequence[SplitScores]) -> tuple[str, ...]:
    """Return the classes that get a column."""
    return tuple(dict.fromkeys(name for part in parts for name in part.shown_classes))


def shown_scores(metric: str, task: TaskRecord, parts: Sequence[SplitScores]) -> list[str]:
    """Return the metrics that every row gets, the deciding one first: those that mean the same to all runs."""
    first = parts[0] if parts else None
    shared = [
        name
        for name in (first.shown_scores if first else task.metrics)
        if all(name in part.shown_scores and part.scores[name] == parts[0].scores[name] for part in parts)
    ]
    return list(dict.fromkeys((metric, *shared)))


# What is shown of each class against the rest; reports call Dice F1 and IoU Jaccard index.
ONE_VS_REST = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity", "dice": "F1",
               "iou": "Jaccard"}  # fmt: skip


def class_metrics(metric: Metric, task: TaskRecord, classes: Sequence[str], parts: Sequence[SplitScores]) -> list[str]:
    """Return ``<score>_<class>`` of the shown classes that any run can score.

    The score is the deciding one, be it of one class, where a class can have it; else the task's own choice.
    """
    of_classes = any(part.scored_classes(metric.score) for part in parts)
    score = metric.score.name if of_classes else task.class_score
    names = [f"{score}_{label}" for label in classes]
    return [name for name in names if any(has_metric(part, name) for part in parts)]
