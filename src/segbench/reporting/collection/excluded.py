"""Finished runs that a comparison does not count, each with its reason, so that one stray run does not stop a report.

Everything that a user has to decide on, such as a setting that differs besides the factors, is refused elsewhere
(:func:`segbench.reporting.collection.factors.require_comparable`); here is only what cannot be meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from segbench.reporting.collection.factors import factor_value, other_differences
from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import Run
from segbench.reporting.collection.same_data import data_mark, split_mark
from segbench.reporting.collection.variants import apart_from_seed
from segbench.runs.planned_looks import Plan
from segbench.runs.split_scores import has_metric
from segbench.runs.tuning import UNTUNED


def exclude_copies(runs: Sequence[Run]) -> list[Run]:
    """Count a configuration with one seed once: a copied or moved run would else be another seed.

    Of the finished runs of one identity the one that lies here (is no link) and finished last counts.

    Returns:
        All runs in their order; the others of an identity with the state ``excluded``.
    """
    chosen: dict[str, Run] = {}
    for run in runs:
        if run.state == "done" and run.id:
            chosen[run.id] = max((chosen.get(run.id, run), run), key=_rank)
    return [
        run if run.state != "done" or chosen.get(run.id, run) is run else _excluded(run, _copy_of(run, chosen[run.id]))
        for run in runs
    ]


def of_sweep(runs: Sequence[Run], latest: Collection[Path]) -> list[Run]:
    """Return the runs of a sweep, by the places of their directories."""
    return [run for run in runs if place(run.directory) in latest]


def exclude_earlier(runs: Sequence[Run], latest: Collection[Path], factors: Sequence[str]) -> list[Run]:
    """Exclude finished runs of earlier sweeps that differ from the latest one's in more than factors and seed.

    Returns:
        All runs in their order; as they are where the latest sweep finished none.
    """
    done = [run for run in of_sweep(runs, latest) if run.state == "done"]
    alike = list({tuple(factor_value(run, factor) for factor in factors): run for run in done}.values())
    found: dict[Hashable, list[str]] = {}

    def others(run: Run) -> list[str]:
        key = (apart_from_seed(run), data_mark(run.summary), split_mark(run.summary))
        if key not in found:
            found[key] = other_differences([*alike, run], factors)
        return found[key]

    return [
        _excluded(run, f"of an earlier sweep with other {', '.join(others(run))}")
        if done and run.state == "done" and place(run.directory) not in latest and others(run)
        else run
        for run in runs
    ]


def exclude_beyond(runs: Sequence[Run], plan: Plan) -> list[Run]:
    """Exclude finished runs with seeds beyond the latest look that was taken: they belong to a later one, or to none.

    Returns:
        All runs in their order; as they are before the first look.
    """
    number, several = len(plan.taken), f"{len(plan.looks)}"
    known = plan.known_at(number)
    reason = f"not part of look {number} of {several}, of the seeds {known[0]} to {known[-1]} (decide=true)"
    beyond = [bool(number) and run.state == "done" and run.seed not in known for run in runs]
    return [_excluded(run, reason) if other else run for run, other in zip(runs, beyond, strict=True)]


def exclude_other_data(runs: Sequence[Run], factors: Iterable[str]) -> list[Run]:
    """Exclude runs of another data set, where most are of one and the data set is not what is compared.

    Returns:
        All runs in their order.
    """
    if any(factor == "data" or factor.startswith("data.") for factor in factors):
        return list(runs)
    sets = Counter(_data(run) for run in runs if run.state == "done")
    (most, count), *others = [*sets.most_common(), ("", 0)][:2]
    if not most or any(rival == count for _, rival in others):
        return list(runs)
    reason = f"of the data set {{}}, where {count} runs are of {most}"
    return [
        _excluded(run, reason.format(_data(run))) if run.state == "done" and _data(run) != most else run for run in runs
    ]


def exclude_other_tasks(runs: Sequence[Run]) -> list[Run]:
    """Exclude runs of another task than most: they share no score.

    Returns:
        All runs in their order.
    """
    tasks = Counter(_task(run) for run in runs if run.state == "done")
    most = max(sorted(tasks), key=lambda task: tasks[task], default="")
    reason = f"a {{}}, where {tasks[most]} finished runs are of another kind ({most}): they share no score"
    return [
        _excluded(run, reason.format(_task(run))) if run.state == "done" and _task(run) != most else run for run in runs
    ]


def exclude_other_splits(runs: Sequence[Run], wanted: Iterable[str]) -> list[Run]:
    """Exclude runs that were not scored on the split that most of the others share.

    Args:
        runs: The runs.
        wanted: Splits that would do, the best first.

    Returns:
        All runs in their order; as they are where one split is shared by all, or no run has any of them.
    """
    done = [run for run in runs if run.state == "done"]
    having = {split: sum(split in run.counts for run in done) for split in wanted}
    most = max(having, key=lambda split: having[split], default="")
    if not having or having[most] in (0, len(done)):
        return list(runs)
    reason = f"not scored on the {most} split ({having[most]} runs are)"
    return [_excluded(run, reason) if run.state == "done" and most not in run.counts else run for run in runs]


def exclude_other_classes(runs: Sequence[Run], metric: str, factors: Iterable[str]) -> list[Run]:
    """Exclude runs whose classes are not those of the others, so that no score means the same for both.

    Those that the metric cannot score where it scores others, as it is of a class that they lack; and, unless data sets
    are compared, those of other class names than most runs have.

    Returns:
        All runs in their order; as they are where as many runs have other names.
    """
    done = [run for run in runs if run.state == "done"]
    sets = Counter(_classes(run) for run in done)
    scored = {names for names in sets if _has_metric(next(run for run in done if _classes(run) == names), metric)}
    kept = scored or set(sets)
    if not any(factor == "data" or factor.startswith("data.") for factor in factors):
        (most, count), *others = [*Counter({names: sets[names] for names in kept}).most_common(), ((), 0)][:2]
        kept = {most} if not any(rival == count for _, rival in others) else kept
    reason = "has the classes {}, where {} runs have {}"
    usual = max(kept, key=lambda names: sets[names], default=())
    return [
        _excluded(run, reason.format(", ".join(_classes(run)), sets[usual], ", ".join(usual)))
        if run.state == "done" and _classes(run) not in kept
        else run
        for run in runs
    ]


def exclude_runs_without(runs: Sequence[Run], metric: str) -> list[Run]:
    """Exclude runs without the deciding score where others have it: further scores are added to a run when asked for.

    Returns:
        All runs in their order; as they are where none has the score.
    """
    done = [run for run in runs if run.state == "done"]
    having = [run for run in done if _has_metric(run, metric)]
    reason = f"has no score {metric!r}, which {len(having)} runs have; start it again with their scores=..., to add it"
    return [
        _excluded(run, reason) if having and run.state == "done" and not _has_metric(run, metric) else run
        for run in runs
    ]


def without_replaced(runs: Sequence[Run], factors: Sequence[str]) -> list[Run]:
    """Leave out missing runs that were made again with other settings: of the same values of the factors and seed.

    Those that waited for their tuning are left out where what it chose is planned.

    Returns:
        The others in their order.
    """

    def place_of(run: Run) -> tuple[Hashable, ...]:
        return (run.seed, *(factor_value(run, factor) for factor in factors))

    there = {place_of(run) for run in runs if run.state != "missing"}
    tuned = {place_of(run) for run in runs if not run.name.endswith(UNTUNED)}
    return [
        run
        for run in runs
        if run.state != "missing" or place_of(run) not in (tuned if run.name.endswith(UNTUNED) else there)
    ]


def _classes(run: Run) -> tuple[str, ...]:
    """Return the class names of a finished run, which are those of all its splits."""
    return next(iter(run.counts.values())).class_names


def _task(run: Run) -> str:
    """Return the name of a finished run's task."""
    return run.task.name if run.task else ""


def _has_metric(run: Run, metric: str) -> bool:
    return has_metric(next(iter(run.counts.values())), metric)


def _excluded(run: Run, reason: str) -> Run:
    return replace(run, state="excluded", reason=reason)


def _rank(run: Run) -> tuple[bool, str]:
    return not run.directory.is_symlink(), str(run.status.get("finished") or "")


def _copy_of(run: Run, chosen: Run) -> str:
    """Say which run counts, and whether it matters which."""
    same = run.counts.keys() == chosen.counts.keys() and all(
        part.same(chosen.counts[split]) for split, part in run.counts.items()
    )
    matters = "with equal counts" if same else "with other counts: one of them was trained or scored differently"
    return f"the same configuration and seed as {chosen.name}, {matters}; {chosen.name} counts"


def _data(run: Run) -> str:
    """Return the name of a run's data set."""
    return str(run.summary.get("data", {}).get("name") or run.choices.get("data") or "")
