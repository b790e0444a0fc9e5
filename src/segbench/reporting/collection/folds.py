"""Cross-validation: the runs of the folds of one configuration and seed become one run, which tested each image once.

What all folds have is joined; of a seed that lacks a fold nothing counts, as its score would be of other images than
those of the other seeds and rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segbench.reporting.collection.factors import factor_value, matters
from segbench.reporting.collection.runs import Run
from segbench.reporting.collection.same_data import data_mark, split_mark
from segbench.runs.split_scores import SplitScores
from segbench.words import listed

FOLD, FOLDS = "data.fold", "data.folds"


def join_folds(runs: Sequence[Run], factors: Sequence[str]) -> list[Run]:
    """Join the runs that differ in the tested fold only.

    The folds that count are those that any of the runs was to test: one alone is a split like any other, and stays.

    Args:
        runs: Runs of one experiment directory.
        factors: The comparison's factors; with ``data.fold`` among them nothing is joined.

    Returns:
        All runs in their order: joined ones in the place of their first fold; where a fold is missing one run that is
        not done and says so; where folds do not belong together each of them, excluded with the reason.
    """
    candidates = [run for run in runs if run.state != "excluded" and type(factor_value(run, FOLD)) is int]
    numbers = {int(str(factor_value(run, FOLD))) for run in candidates}
    if FOLD in factors or len(numbers) < 2:
        return list(runs)
    gathered: dict[Hashable, list[Run]] = {}
    for run in candidates:
        if type(run.settings.get(FOLDS)) is int:
            gathered.setdefault(_key(run), []).append(run)
    results = {id(members[0]): _join(members, _wanted(members[0], candidates)) for members in gathered.values()}
    inside = {id(run) for members in gathered.values() for run in members}
    return [
        joined for run in runs if id(run) in results or id(run) not in inside for joined in results.get(id(run), [run])
    ]


def fold_number(run: Run) -> int:
    """Return the fold that a run of a cross-validation tests."""
    return int(str(factor_value(run, FOLD)))


def units_of(run: Run, split: str) -> tuple[str, ...]:
    """Return what would be drawn again with each image (N,) of a split: its group, or of a cross-validation its fold.

    Folds of another ``data.split_seed`` are others.
    """
    counts = run.counts[split]
    if not run.folds:
        return counts.groups
    seed = run.settings.get("data.split_seed")
    fold_of = {name: f"{seed}/{fold_number(fold)}" for fold in run.folds for name in fold.counts[split].ids}
    return tuple(fold_of[name] for name in counts.ids)


def overlap_of(run: Run) -> float:
    """Return the number of tested images for each one that is not tested in a fold, 1 / (K - 1); 0 without folds."""
    return 1 / (int(str(run.settings[FOLDS])) - 1) if run.folds else 0.0


def _key(run: Run) -> Hashable:
    """Return what the folds of one configuration and seed share."""
    own = ((key, value) for key, value in run.comparable.items() if key != FOLD and matters(key))
    return run.directory.parent, run.seed, frozenset(own)


def _wanted(run: Run, candidates: Sequence[Run]) -> list[int]:
    """Return the folds that any run of as many folds was to test; of one without a configuration that is not known."""
    alike = [other for other in candidates if other.settings.get(FOLDS, run.settings[FOLDS]) == run.settings[FOLDS]]
    return sorted({fold_number(other) for other in alike})


def _join(runs: Sequence[Run], wanted: Sequence[int]) -> list[Run]:
    """Return the run that joins these, or they themselves, excluded, where they do not belong together."""
    chosen: dict[int, Run] = {}
    for run in runs:
        number = fold_number(run)
        chosen[number] = max((chosen.get(number, run), run), key=lambda found: found.state == "done")
    members = tuple(chosen[number] for number in sorted(chosen))
    reason = "fold {} of the same configuration and seed is {}, which counts"
    twice = [
        replace(run, state="excluded", reason=reason.format(fold_number(run), chosen[fold_number(run)].name))
        for run in runs
        if chosen[fold_number(run)] is not run
    ]
    if any(member.state != "done" for member in members) or len(members) < len(wanted):
        return [_incomplete(members, wanted), *twice]
    try:
        return [_joined(members), *twice]
    except ValueError as error:
        refused = f"cannot be joined with the other folds of its seed: {error}"
        return [*(replace(member, state="excluded", reason=refused) for member in members), *twice]


def _joined(members: tuple[Run, ...]) -> Run:
    """Return the run of all folds; raises ``ValueError`` where they do not belong together."""
    first = members[0]
    if len({data_mark(member.summary) for member in members}) > 1:
        raise ValueError("they read different files by equal settings")
    splits = [name for name in first.counts if name.startswith("test") and all(name in m.counts for m in members)]
    counts = {name: _joined_scores(name, members) for name in splits}
    if not counts:
        raise ValueError("they have no test split in common")
    times = [str(member.status[key]) for key in ("started", "finished") for member in members if key in member.status]
    status = first.status | ({"started": min(times), "finished": max(times)} if times else {})
    return replace(_of_all(members), state="done", reason=None, counts=counts, summary=_summary(members), status=status)


def _joined_scores(split: str, members: Sequence[Run]) -> SplitScores:
    parts = [member.counts[split] for member in members]
    if members[0].settings.get("data.split_by") != "image":
        tested: dict[str, int] = {}
        for member, part in zip(members, parts, strict=True):
            number = fold_number(member)
            for group in set(part.groups):
                if tested.setdefault(group, number) != number:
                    raise ValueError(f"{group} is tested in fold {tested[group]} and fold {number}")
    return parts[0].joined(parts[1:])


def _incomplete(members: tuple[Run, ...], wanted: Sequence[int]) -> Run:
    """Return a run that counts nowhere, and says which folds are missing."""
    have = {fold_number(member): member for member in members}
    missing = [number for number in wanted if number not in have or have[number].state != "done"]
    first = next((member for member in members if member.state != "done"), None)
    folds = f"{'fold' if len(missing) == 1 else 'folds'} {listed([str(number) for number in missing])}"
    why = "never trained" if first is None else f"{first.state}: {first.reason}"
    reason = f"{folds} of {members[0].settings[FOLDS]} missing ({why}), so this seed counts nowhere"
    return replace(_of_all(members), state="unscored" if first is None else first.state, reason=reason)


def _of_all(members: tuple[Run, ...]) -> Run:
    """Return the first fold's run with what holds for all folds."""
    first = members[0]
    data = {key: value for key, value in first.config["data"].items() if key != FOLD.partition(".")[2]}
    return replace(
        first,
        config=first.config | {"data": data},
        overrides=tuple(text for text in first.overrides if text.partition("=")[0].lstrip("+") != FOLD),
        counts={},
        summary={},
        curves=_curves([member.curves for member in members if member.curves is not None]),
        folds=members,
    )


def _curves(curves: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Return the mean curves over the epochs that all folds reached."""
    if not curves:
        return None
    reached = min(curve["epoch"].max() for curve in curves)
    together = pd.concat(curves)
    return together[together["epoch"] <= reached].groupby("epoch", as_index=False).mean()


def _summary(members: Sequence[Run]) -> dict[str, Any]:
    """Return the first fold's summary with the mean costs of one training; no epoch is the best of all folds."""
    costs = [member.summary.get("cost") or {} for member in members]
    kept = {key: value for key, value in members[0].summary.items() if key not in ("best", "scores")}
    splits = [split_mark(member.summary) for member in members]
    data = kept.get("data", {}) | {"split": " ".join(splits) if all(splits) else ""}
    return kept | {"cost": {key: _mean(key, costs) for key in costs[0]}, "data": data}


def _mean(key: str, costs: Sequence[Mapping[str, Any]]) -> Any:
    """Return the mean of a cost; the first fold's where it is no number, as a device, or the same for all."""
    values: list[Any] = [cost.get(key) for cost in costs]
    if len(set(values)) == 1 or any(type(value) not in (int, float) for value in values):
        return values[0]
    return float(np.mean(values))
