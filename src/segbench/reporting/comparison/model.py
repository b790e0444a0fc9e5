"""A comparison: a row for each combination of the factors' values, with estimates of scores and costs."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from segbench.configuration.schema import Family
from segbench.errors import ConfigError
from segbench.reporting.collection.factors import show_value
from segbench.reporting.collection.looks import Look
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.estimate import Estimate
from segbench.reporting.comparison.metrics import shared_metric
from segbench.runs.planned_looks import Plan
from segbench.runs.split_scores import SplitScores, TaskRecord
from segbench.runs.tuning import Tuning
from segbench.scores.convention import Convention
from segbench.scores.score import Metric

# What a data set calls a group of images, in one word: a car, a patient.
_WORD = re.compile(r"[a-z]{1,30}")
COSTS = (
    "parameters",
    "flops_per_image",
    "train_images_per_second",
    "predict_images_per_second",
    "peak_memory_bytes",
    "wall_seconds",
)


@dataclass(frozen=True)
class Published:
    """A published figure, a row that it fits (None where none does) and ours (n = 0 where we have none)."""

    metric: str
    where: dict[str, Any]
    value: float
    source: str
    row: int | None
    ours: Estimate

    @property
    def difference(self) -> float:
        """Ours minus the published figure; NaN where we have none."""
        return self.ours.mean - self.value


@dataclass(frozen=True)
class Row:
    """One combination of factor values.

    Attributes:
        factors: What varies between the rows.
        values: One value per factor.
        runs: Every run that was started with these values, whatever became of it.
        scores: Metric name to estimate; per class as ``<metric>_<class>``.
        costs: Key of :data:`COSTS` to estimate over the runs.
        published: The published figure for the deciding metric, if any.
    """

    factors: tuple[str, ...]
    values: tuple[Hashable, ...]
    runs: tuple[Run, ...]
    scores: dict[str, Estimate] = field(default_factory=dict)
    costs: dict[str, Estimate] = field(default_factory=dict)
    published: Published | None = None

    @property
    def done(self) -> list[Run]:
        """The finished runs, by seed."""
        return sorted((run for run in self.runs if run.state == "done"), key=lambda run: (run.seed or 0, run.name))

    @property
    def tuning(self) -> Tuning | None:
        """The trials that chose the settings of its finished runs; None where none did, or not for all."""
        found = [run.tuning for run in self.done]
        return found[0] if len({tuning.row if tuning else "" for tuning in found}) == 1 else None

    @property
    def devices(self) -> list[str]:
        """Device and precision of the finished runs, each once."""
        costs = [run.summary.get("cost", {}) for joined in self.done for run in joined.each]
        return sorted({f"{cost.get('device') or 'unknown'}, {cost.get('precision') or '32'}" for cost in costs})

    @property
    def seeds(self) -> int:
        """How many seeds are finished."""
        return len({run.seed for run in self.done})

    @property
    def planned(self) -> int:
        """How many seeds are finished or were to be."""
        return len({run.seed for run in self.runs})

    @property
    def label(self) -> str:
        """The row in words, for legends and sentences: choices by their name, ``key=value`` for the rest."""
        parts = [
            show_value(value) if factor in self.runs[0].choices else f"{factor.rpartition('.')[2]}={show_value(value)}"
            for factor, value in zip(self.factors, self.values, strict=True)
        ]
        return ", ".join(parts) or "all runs"


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that the tables, figures and notes of one experiment are drawn from; equal to nothing but itself.

    Attributes:
        directory: The experiment's directory.
        title: The experiment's name.
        question: What it asks; empty for runs without a comparison.
        factors: What varies, in the order of the columns.
        metric: Name of the deciding metric.
        split: The deciding split.
        wanted_split: The split that the comparison asks for, which the data may lack.
        convention: How counts became scores.
        classes: Names of the classes with a column of their own.
        rows: One per combination, sorted by value.
        published: All published figures, once for each row that they fit, also of other metrics and of missing rows.
        claims: The claims that the experiment declares; :mod:`segbench.reporting.conclusions` judges them.
        differences: Stated differences from the published protocol.
        family: Which comparisons the question needs: ``best``, ``baseline`` or ``pairs``.
        baseline: Index of the row that the others are compared with, where ``family`` is ``baseline``; else None.
        described: What rows are, in the experiment's words, by a value of theirs; in the order that it has them.
        margin: Within what difference rows are alike, as the experiment states it; None where it does not.
        extrapolate_to: A value of a factor that is a number, at which the score is forecast; None without one.
        unfinished: Runs that count in no mean, each with its reason.
        task: What the runs do.
        looks: What earlier reports of the experiment knew.
        plan: How it is decided look by look; None where it is not.
        out: Where the report goes; None for the experiment's directory.
    """

    directory: Path
    title: str
    question: str
    factors: tuple[str, ...]
    metric: str
    split: str
    wanted_split: str
    convention: Convention
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    published: tuple[Published, ...]
    claims: tuple[Any, ...]
    differences: tuple[str, ...]
    unfinished: tuple[tuple[Run, str], ...]
    task: TaskRecord
    family: Family = "best"
    baseline: int | None = None
    described: Mapping[str, str] = field(default_factory=dict)
    margin: float | None = None
    extrapolate_to: float | None = None
    looks: tuple[Look, ...] = ()
    plan: Plan | None = None
    out: Path | None = None
    _metrics: dict[str, Metric] = field(default_factory=dict, init=False, repr=False)

    @property
    def folder(self) -> Path:
        """Where its report lies."""
        return self.out or self.directory

    @cached_property
    def dropped(self) -> dict[int, int]:
        """Rows that get no more seeds, and after which look of the plan."""
        if self.plan is None:
            return {}
        rows, looks = {run.directory: run.row for run in self.plan.runs}, self.plan.dropped
        found = {}
        for index, row in enumerate(self.rows):
            planned = {rows.get(run.directory.name) for joined in row.runs for run in joined.each} - {None}
            numbers = [looks.get(member) for member in planned if member is not None]
            if numbers and all(numbers):
                found[index] = max(number for number in numbers if number)
        return found

    def finished(self, index: int) -> str:
        """Return how many runs of a row are finished, and where it was dropped, in words."""
        row, look = self.rows[index], self.dropped.get(index)
        return f"{len(row.done)} of {len(row.runs)}" + (f", dropped at look {look}" if look else "")

    @property
    def score(self) -> Metric:
        """The deciding metric: what it is called, which direction is better, what it can be at most."""
        return self.metric_named(self.metric)

    def metric_named(self, name: str) -> Metric:
        """Return what the name of a metric means to the finished runs.

        Raises:
            ConfigError: If none has it, or they do not agree.
        """
        if name not in self._metrics:
            self._metrics[name] = shared_metric(name, self.task, self.parts)
        return self._metrics[name]

    def title_of(self, name: str) -> str:
        """Return what figures call a metric, also one that no run has scored, as the loss."""
        try:
            return self.metric_named(name).title
        except ConfigError:
            return name.replace("_", " ")

    @property
    def direction(self) -> int:
        """1 where of two values of the deciding metric the higher one is better, -1 where the lower one is."""
        return self.score.direction

    @property
    def done(self) -> list[Run]:
        """All finished runs."""
        return [run for row in self.rows for run in row.done]

    @property
    def missing(self) -> list[Run]:
        """The runs that were planned and are not there."""
        return [run for run, _ in self.unfinished if run.state == "missing"]

    @property
    def trained(self) -> list[Run]:
        """The finished runs as they were trained: of a cross-validation, those of each fold."""
        return [run for joined in self.done for run in joined.each]

    @property
    def folds(self) -> int:
        """How many folds of a cross-validation a finished run joins; 0 for none."""
        return max((len(run.folds) for run in self.done), default=0)

    @property
    def parts(self) -> list[SplitScores]:
        """What each finished run made of the deciding split."""
        return [run.counts[self.split] for run in self.done]

    @cached_property
    def graded(self) -> bool:
        """Whether an image can be more or less right; not where it is either right or wrong as a whole."""
        return all(part.right is None for part in self.parts)

    @property
    def images(self) -> str:
        """What is scored, in words: ``images`` or ``volumes``."""
        return "volumes" if self.split.endswith("_volumes") else "images"

    @property
    def unit(self) -> str:
        """What would be drawn again besides the seed: as :attr:`grouping`, or the ``folds`` of a cross-validation."""
        return "folds" if self.folds else self.grouping

    @cached_property
    def group_name(self) -> str:
        """What groups of images are called: ``cars``, ``patients`` where all runs' data says so, else ``groups``."""
        named = {str(run.summary.get("data", {}).get("group") or "") for run in self.trained}
        name = named.pop() if len(named) == 1 else ""
        return f"{name}s" if _WORD.fullmatch(name) else "groups"

    @property
    def grouping(self) -> str:
        """What comes together: ``images``, each by itself, or ``cars``, or ``groups of images`` without a name."""
        if all(len(set(part.groups)) == len(part.ids) for part in self.parts):
            return self.images
        return self.group_name if self.group_name != "groups" else f"groups of {self.images}"

    @property
    def single_unit(self) -> str:
        """One of :attr:`unit`."""
        return self.unit.replace("groups", "group") if "groups" in self.unit else self.unit.removesuffix("s")


def number_of(counts: Iterable[int], things: str) -> str:
    """Return ``3 cars``, ``1 car``, or ``16 to 19 images`` where the counts differ."""
    found = sorted(set(counts))
    number = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
    return f"{number} {things.removesuffix('s') if number == '1' else things}"
