"""How the settings of each row were chosen: by how many trials, from which ranges, or not at all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from segbench.reporting.collection.factors import factor_value, show_value
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.comparison.words import NOTHING
from segbench.runs.places import public
from segbench.runs.tuning import Trial, Tuning, are_choices
from segbench.words import listed, plural

# What is said of rows that were not tuned: what people tune first.
_USUAL = ("optimizer.lr", "optimizer.weight_decay")
TUNING = "Tuning before the seeds were trained: trials of each configuration and what the best of them has"


def tuning_lines(comparison: Comparison) -> list[str]:
    """Return how settings were chosen, in sentences; nothing without finished runs."""
    if not comparison.done:
        return []
    tuned = _tuned(comparison)
    if not tuned:
        return [f"Nothing was tuned: all rows use the settings {_origin(comparison)}{_settings(comparison)}."]
    monitors = listed(sorted({row.monitor for _, row in tuned}))
    text = (
        f"Tuned before the seeds were trained: {_budget(tuned)}, with a seed of their own. The best by {monitors} was"
        f" taken; test images had no part in it.{_tried(tuned)}"
    )
    failed = [f"{label}: {trial.name} ({_reason(trial)})" for label, row in tuned for trial in row.failed]
    return [text, *([f"Failed, and counted in the budget: {'; '.join(failed)}."] if failed else [])]


def tuning_caveats(comparison: Comparison) -> list[str]:
    """Return what tuning leaves open: rows with other budgets, ranges or ways to choose, and scores that chose."""
    rows = [row for row in comparison.rows if row.done]
    tuned = _tuned(comparison)
    if not tuned:
        return []
    found = []
    if len({len(row.tuning.trials) if row.tuning else 0 for row in rows}) > 1:
        shares = [f"{row.label} had {_trials(row.tuning)}" for row in rows]
        found.append(f"Unequal tuning: {listed(shares, 8)}. What was tried more often may be better for that alone.")
    if len({row.monitor for _, row in tuned}) > 1:
        found.append("Trials of different rows were judged by different scores (trainer.monitor).")
    if comparison.split.startswith("val"):
        found.append(
            f"Settings were chosen by trials on the {comparison.split} images that are scored: the scores are too good,"
            " and no interval covers that."
        )
    return found


def tuning_cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table of budgets and chosen values; no rows where nothing was tuned."""
    tuned = _tuned(comparison)
    keys = list(dict.fromkeys(key for _, row in tuned for key in row.space))
    monitors = sorted({row.monitor for _, row in tuned})
    ends = ["trials", "failed", *(["pruned"] if any(row.pruned for _, row in tuned) else [])]
    header = [*(comparison.factors or ["configuration"]), *ends, f"best {' or '.join(monitors)}", *keys]
    rows = []
    for row in comparison.rows if tuned else ():
        best = row.tuning.chosen if row.tuning else None
        score = NOTHING if best is None or best.score is None else f"{best.score:.4f}"
        counts = _counts(row.tuning)[: len(ends)]
        values = [_value(row, key) for key in keys]
        rows.append([*([show_value(value) for value in row.values] or ["all runs"]), *counts, score, *values])
    return header, rows


def tuning_fact(comparison: Comparison) -> str:
    """Return the number of trials a row, in a word."""
    budgets = sorted({len(row.tuning.trials) if row.tuning else 0 for row in comparison.rows if row.done})
    return " or ".join(str(budget) for budget in budgets) if any(budgets) else "none"


def _counts(row: Tuning | None) -> list[str]:
    return (
        ["none", NOTHING, NOTHING] if row is None else [str(len(each)) for each in (row.trials, row.failed, row.pruned)]
    )


def _tuned(comparison: Comparison) -> list[tuple[str, Tuning]]:
    return [(row.label, row.tuning) for row in comparison.rows if row.tuning]


def _reason(trial: Trial) -> str:
    """Return why a trial has no score, without the places of who ran it."""
    paths = {key.removeprefix("paths."): value for key, value in trial.settings.items() if key.startswith("paths.")}
    return public(trial.reason, paths)


def _trials(row: Tuning | None) -> str:
    return plural(len(row.trials), "trial") if row else "none"


def _budget(tuned: Sequence[tuple[str, Tuning]]) -> str:
    budgets = sorted({len(row.trials) for _, row in tuned})
    epochs = sorted({show_value(trial.settings["trainer.max_epochs"]) for _, row in tuned for trial in row.trials
                     if "trainer.max_epochs" in trial.settings})  # fmt: skip
    length = f" of {' or '.join(epochs)} epochs" if epochs else ""
    if len(budgets) == 1:
        return f"{plural(budgets[0], 'trial')}{length} for each {'row' if len(tuned) > 1 else 'tuned row'}"
    return f"{budgets[0]} to {budgets[-1]} trials{length} a row"


def _tried(tuned: Sequence[tuple[str, Tuning]]) -> str:
    """Return what the trials had, in sentences, once for all rows where it is the same."""
    found = dict.fromkeys(_tried_by(row) for _, row in tuned)
    if len(found) == 1:
        return next(iter(found))
    return "".join(f" {label}:{_tried_by(row)}" for label, row in tuned)


def _tried_by(row: Tuning) -> str:
    space = ", ".join(f"{key} {_range(limits)}" for key, limits in row.space.items())
    if row.study is None:
        return f" The first trial has the settings as they were, the others are from {space}."
    kept = len(row.trials) - len(row.pruned) - len(row.failed)
    pruned = f"; {kept} of {len(row.trials)} {'was' if kept == 1 else 'were'} trained to the end" if row.pruned else ""
    return f" The trials are those of a search by {row.study.words}: {space}{pruned}."


def _range(limits: Sequence[Any]) -> str:
    if are_choices(limits):
        return " or ".join(limits)
    low, high, *words = limits
    return f"{show_value(low)} to {show_value(high)}" + (f" ({', '.join(map(str, words))})" if words else "")


def _value(row: Row, key: str) -> str:
    values = dict.fromkeys(factor_value(run, key) for run in row.done)
    return " or ".join(show_value(value) for value in values) or NOTHING


def _origin(comparison: Comparison) -> str:
    return "as they were given" if comparison.title == "runs" else f"of {comparison.title}"


def _settings(comparison: Comparison) -> str:
    """Return the usual settings in brackets, but for those that are compared."""
    said = []
    for key in (key for key in _USUAL if key not in comparison.factors):
        values: dict[Hashable, None] = dict.fromkeys(
            run.settings[key] for run in comparison.done if key in run.settings
        )
        said += [f"{key} {' or '.join(map(show_value, values))}"] if values else []
    return f" ({', '.join(said)})" if said else ""
