"""Finished runs to one comparison: a row for each combination of the factors' values, every score from the counts."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segbench.errors import ConfigError
from segbench.reporting.collection.declaration import ask, declaration, described_values, stated_differences
from segbench.reporting.collection.excluded import (
    exclude_beyond,
    exclude_copies,
    exclude_earlier,
    exclude_other_classes,
    exclude_other_data,
    exclude_other_splits,
    exclude_other_tasks,
    exclude_runs_without,
    of_sweep,
    without_replaced,
)
from segbench.reporting.collection.factors import (
    UNKNOWN,
    factor_value,
    fits,
    other_differences,
    require_comparable,
    require_one_data_set,
)
from segbench.reporting.collection.folds import join_folds
from segbench.reporting.collection.looks import read_looks
from segbench.reporting.collection.runs import Run
from segbench.reporting.collection.tuned import with_tuning
from segbench.reporting.collection.variants import name_variants
from segbench.reporting.comparison.estimate import Estimate, estimate
from segbench.reporting.comparison.metrics import (
    class_metrics,
    convention_of,
    possible_splits,
    shared_metric,
    shared_split,
    shown_classes,
    shown_scores,
    task_of,
)
from segbench.reporting.comparison.model import COSTS, Comparison, Published, Row
from segbench.reporting.comparison.question import family_of
from segbench.runs.places import places_of, public
from segbench.runs.planned_looks import FILE, Plan, read_plan
from segbench.runs.readers import DamagedError, named
from segbench.runs.split_scores import TaskRecord, derive, has_metric
from segbench.scores.convention import Convention


def compare(
    runs: Sequence[Run],
    convention: Convention | None = None,
    mix: bool = False,
    asked: Mapping[str, str] | None = None,
    latest: Collection[Path] | None = None,
    plan: Plan | None = None,
) -> Comparison:
    """Build the comparison of one experiment's runs.

    Args:
        runs: Runs of one experiment directory.
        convention: How counts become scores; None for the task's own, the only one that a classification has.
        mix: Allow differences besides factors and seed; they become factors too.
        asked: ``metric`` and ``split`` in place of the declared ones; claims and published figures that name no metric
            keep the declared one.
        plan: Of an experiment that is decided look by look; by default what its folder has.
        latest: Directories of the runs of the latest sweep. Earlier ones with other settings are excluded then, not
            refused; without a declared comparison all of them are left out.

    Raises:
        ConfigError: If the runs are not comparable, or metric or convention do not fit their task.
    """
    folder = runs[0].directory.parent
    plan = plan or _planned_looks(folder)
    chosen = _choose(runs, mix, asked or {}, latest, plan)
    counts = [run.counts[chosen.split] for run in chosen.done]
    convention = convention_of(chosen.task, convention, folder, counts)
    rows, strangers = _rows(chosen.runs, chosen.known, chosen.factors)
    rows = _score_all(rows, chosen, convention)
    rows, published = _with_published(rows, chosen, convention)
    family, baseline = family_of(chosen.declared, rows)
    return Comparison(
        directory=folder,
        title=chosen.title,
        question=str(chosen.declared.get("question") or ""),
        factors=tuple(chosen.factors),
        metric=chosen.metric,
        split=chosen.split,
        wanted_split=str(chosen.declared.get("split") or chosen.split),
        convention=convention,
        classes=shown_classes(counts),
        rows=tuple(rows),
        published=tuple(published),
        claims=tuple(chosen.declared.get("claims") or ()),
        differences=stated_differences(chosen.declared, chosen.known),
        described=described_values(chosen.declared, [value for row in rows for value in row.values]),
        unfinished=_unfinished(chosen.everything, strangers),
        task=chosen.task,
        family=family,
        baseline=baseline,
        margin=chosen.declared.get("margin"),
        extrapolate_to=chosen.declared.get("extrapolate_to"),
        looks=read_looks(folder, before=plan.begun if plan else None),
        plan=plan,
    )


@dataclass(frozen=True)
class _Chosen:
    """Which runs of an experiment are compared, and by what.

    Attributes:
        title: The experiment's name.
        declared: Its ``comparison``, with what was asked for in place of it.
        everything: Its runs, the excluded ones too.
        factors: What varies between the rows.
        metric, split, task: What decides, on which images, and what the runs do.
        metric_key: Where the metric was given, for messages.
    """

    title: str
    declared: Mapping[str, Any]
    everything: Sequence[Run]
    factors: Sequence[str]
    metric: str
    split: str
    task: TaskRecord
    metric_key: str

    @property
    def runs(self) -> list[Run]:
        """Those that are compared, whatever became of them."""
        return [run for run in self.everything if run.state != "excluded"]

    @property
    def done(self) -> list[Run]:
        """The finished ones."""
        return [run for run in self.runs if run.state == "done"]

    @property
    def known(self) -> list[Run]:
        """Those whose settings can be told: the finished ones, without any those that left a configuration."""
        return self.done or [run for run in self.runs if run.config]


def _choose(
    runs: Sequence[Run],
    mix: bool,
    asked: Mapping[str, str],
    latest: Collection[Path] | None,
    plan: Plan | None,
) -> _Chosen:
    """Choose what is compared; the arguments are those of :func:`compare`."""
    runs = with_tuning(runs)
    runs = exclude_beyond(runs, plan) if plan else runs
    title, own = declaration([run for run in runs if run.state == "done" or run.config] or runs)
    declared = ask(own, asked)
    if latest is not None:
        runs = exclude_earlier(runs, latest, declared.get("factors") or ()) if own else of_sweep(runs, latest)
    keys = {name: f"--{name}" if name in asked else f"comparison.{name}" for name in ("metric", "split")}
    splits = possible_splits(own.get("split"), asked.get("split"))
    everything, task, metric = _select(runs, declared, splits, same_data=bool(own) and not mix)
    found = _Chosen(title, declared, everything, (), metric, "", task, keys["metric"])
    if not own and not mix:
        require_one_data_set(found.done)
    factors = _factors(found.known, declared, mix) if own else other_differences(found.known, ())
    split = shared_split(found.done, splits, keys["split"])
    return replace(found, everything=without_replaced(everything, factors), factors=factors, split=split)


def _unfinished(everything: Sequence[Run], strangers: Mapping[str, str]) -> tuple[tuple[Run, str], ...]:
    """Return the runs that count in no mean, each with its reason, without places of the machine."""
    left = [(run, strangers.get(run.name) or str(run.reason)) for run in everything if run.state != "done"]
    return tuple((run, public(reason, places_of(run.config))) for run, reason in left)


def _planned_looks(folder: Path) -> Plan | None:
    """Return the plan of an experiment that is decided look by look; None where there is none.

    Raises:
        ConfigError: If it cannot be read: without it nobody knows which error rate is left.
    """
    if not (folder / FILE).exists():
        return None
    try:
        plan: Plan = named(folder / FILE, read_plan)
    except DamagedError as error:
        raise ConfigError(f"{folder}: {error}; restore it, or delete it to report without planned looks") from None
    return plan


def _select(
    runs: Sequence[Run], declared: Mapping[str, Any], splits: Sequence[str], same_data: bool
) -> tuple[list[Run], TaskRecord, str]:
    """Return all runs, those excluded that cannot be compared with the others, and the shared task and metric."""
    factors = declared.get("factors") or ()
    found = exclude_other_tasks(join_folds(exclude_copies(name_variants(runs)), factors))
    if same_data:
        found = exclude_other_data(found, factors)
    found = exclude_other_splits(found, splits)
    task = task_of(found)
    metric = str(declared.get("metric") or task.metrics[0])
    return exclude_runs_without(exclude_other_classes(found, metric, factors), metric), task, metric


def _factors(known: Sequence[Run], declared: Mapping[str, Any], mix: bool) -> list[str]:
    """Return what varies between the rows: the declared factors, with ``mix`` all that differs besides."""
    factors = list(declared.get("factors") or ())
    return require_comparable(known, factors, mix) if known else factors


def _rows(runs: Sequence[Run], known: Sequence[Run], factors: Sequence[str]) -> tuple[list[Row], dict[str, str]]:
    """Gather runs by factor values; an unfinished run of other settings belongs to no row and is told apart."""
    gathered: dict[tuple[Hashable, ...], list[Run]] = {}
    strangers: dict[str, str] = {}
    # The known runs of a row are alike but for the seed: one of each is enough to compare with.
    alike = list({tuple(factor_value(run, factor) for factor in factors): run for run in known}.values())
    for run in runs:
        values = tuple(factor_value(run, factor) for factor in factors)
        others = other_differences([*alike, run], factors) if run.state != "done" and run.config else []
        if others:
            strangers[run.name] = f"{run.reason} (in no row: other {', '.join(others)})"
        elif UNKNOWN not in values:
            gathered.setdefault(values, []).append(run)
    ordered = sorted(gathered.items(), key=lambda item: [_order(value) for value in item[0]])
    return [Row(tuple(factors), values, tuple(members)) for values, members in ordered], strangers


def _order(value: Hashable) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value))


def _score_all(rows: Sequence[Row], chosen: _Chosen, convention: Convention) -> list[Row]:
    """Return the rows with their scores, the deciding one first, those of each class last, and their costs.

    Raises:
        ConfigError: If the runs have no such metric; names the directory and where the metric was given.
    """
    counts = [run.counts[chosen.split] for row in rows for run in row.done]
    shown = shown_scores(chosen.metric, chosen.task, counts)
    try:
        deciding = shared_metric(chosen.metric, chosen.task, counts)
    except ConfigError as error:
        raise ConfigError(f"{rows[0].runs[0].directory.parent}: {chosen.metric_key}: {error}") from None
    of_classes = class_metrics(deciding, chosen.task, shown_classes(counts), counts)
    return [_score(row, shown, of_classes, chosen.split, convention) for row in rows]


def _score(row: Row, shown: Sequence[str], of_classes: Sequence[str], split: str, convention: Convention) -> Row:
    scores = {name: estimate([derive(run.counts[split], name, convention) for run in row.done]) for name in shown}
    for name in of_classes:
        having = [run.counts[split] for run in row.done if has_metric(run.counts[split], name)]
        scores[name] = estimate([derive(counts, name, convention) for counts in having])
    costs = {key: estimate([run.summary.get("cost", {}).get(key) for run in row.done]) for key in COSTS}
    return replace(row, scores=scores, costs=costs)


def _published(
    entry: dict[str, Any], rows: Sequence[Row], metric: str, split: str, convention: Convention
) -> list[Published]:
    """Return a published figure with ours, once for each row that it fits; one without a row where there is none.

    A metric that counts cannot give (a loss) has none of ours.
    """
    where = dict(entry.get("where") or {})
    name = str(entry.get("metric") or metric)
    figure = Published(
        name, where, float(entry["value"]), str(entry.get("source") or ""), None, Estimate(float("nan"), None, 0)
    )
    found = []
    for index in [index for index, row in enumerate(rows) if fits(row.runs[0], where)]:
        ours = figure.ours
        with suppress(ConfigError):
            ours = estimate([derive(run.counts[split], name, convention) for run in rows[index].done])
        found.append(replace(figure, row=index, ours=ours))
    return found or [figure]


def _with_published(rows: Sequence[Row], chosen: _Chosen, convention: Convention) -> tuple[list[Row], list[Published]]:
    """Return the rows, each with its first published figure of the deciding metric, and all published figures."""
    published = [
        found
        for entry in chosen.declared.get("published") or ()
        for found in _published(entry, rows, chosen.metric, chosen.split, convention)
    ]
    first = {entry.row: entry for entry in reversed(published) if entry.metric == chosen.metric}
    return [replace(row, published=first.get(index)) for index, row in enumerate(rows)], published
