"""Networks by data sets: the rows of several experiments, joined where their factors have equal values."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite

import numpy as np

from segbench.errors import ConfigError
from segbench.reporting.collection.factors import FINGERPRINT, other_differences
from segbench.reporting.collection.same_data import data_marks
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.oddities import collapse_words
from segbench.reporting.statistics.degenerate import collapses
from segbench.runs.settings import is_under
from segbench.scores.arithmetic import Floats
from segbench.scores.score import Metric
from segbench.words import listed

# What differs between data sets by their nature.
_OF_THE_DATA = ("data", FINGERPRINT)


@dataclass(frozen=True)
class Network:
    """What was trained on several data sets: a combination of the factors' values.

    Attributes:
        values: One per factor.
        label: In words.
        rows: Its row in each data set; None where it has none, or none with a score.
    """

    values: tuple[Hashable, ...]
    label: str
    rows: tuple[Row | None, ...]

    @property
    def complete(self) -> bool:
        """Whether every data set has it."""
        return all(self.rows)


@dataclass(frozen=True)
class Across:
    """Networks by data sets.

    Attributes:
        sets: The experiments, one a data set.
        names: What each is called, all different.
        factors: What varies between the networks.
        score: The deciding metric, the same everywhere.
        networks: In the order of the first data set.
        missing: Which network is missing where, and why, one sentence each.
        caveats: What keeps the data sets from being samples of one kind, one sentence each.
    """

    sets: tuple[Comparison, ...]
    names: tuple[str, ...]
    factors: tuple[str, ...]
    score: Metric
    networks: tuple[Network, ...]
    missing: tuple[str, ...]
    caveats: tuple[str, ...]

    @property
    def direction(self) -> int:
        """1 where a higher score is better, -1 where a lower one is."""
        return self.score.direction

    @property
    def means(self) -> Floats:
        """Mean score over seeds of each network in each data set, float64 (K,D); NaN where it is missing."""
        nan = float("nan")
        return np.array(
            [[row.scores[self.score.name].mean if row else nan for row in network.rows] for network in self.networks]
        )


def across(comparisons: Sequence[Comparison]) -> Across:
    """Join the rows of several experiments.

    Args:
        comparisons: One for each data set.

    Raises:
        ConfigError: If there are fewer than two, they vary by other factors, have other metrics or the same data, or
            share no two networks.
    """
    if len(comparisons) < 2:
        raise ConfigError("--across: give the experiments of two data sets or more, outputs/a outputs/b ...")
    names = _names(comparisons)
    first = comparisons[0]
    for name, other in zip(names[1:], comparisons[1:], strict=True):
        _require_alike(names[0], first, name, other)
    _require_own_data(names, comparisons)
    networks, missing = _join(names, comparisons)
    shared = [sum(1 for left, right in zip(one.rows, two.rows, strict=True) if left and right)
              for one, two in combinations(networks, 2)]  # fmt: skip
    if max(shared, default=0) < 2:
        raise ConfigError(
            f"--across: any two of {listed(names)} share fewer than two rows by"
            f" {', '.join(first.factors) or 'anything'}; give experiments that compare the same networks"
        )
    caveats = [*_collapsed(names, comparisons), *_other_settings(names, networks), *_same_choice(names, comparisons)]
    caveats += _other_splits(names, comparisons)
    return Across(
        tuple(comparisons), names, first.factors, first.score, tuple(networks), tuple(missing), tuple(caveats)
    )


def _names(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Return the experiments' names; those that share one are counted."""
    titles = [comparison.title for comparison in comparisons]
    seen: dict[str, int] = {}
    names = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        names.append(f"{title} ({seen[title]})" if titles.count(title) > 1 else title)
    return tuple(names)


def _require_alike(name: str, first: Comparison, other_name: str, other: Comparison) -> None:
    both = ((name, first), (other_name, other))
    for what, of in (("vary by", _factors), ("are decided by", _metric)):
        words = [of(comparison) for _, comparison in both]
        if words[0] != words[1]:
            raise ConfigError(
                f"--across: {name} and {other_name} {what} different things, {words[0]} and {words[1]};"
                f" {'give --metric for one that both have' if of is _metric else 'give experiments with equal factors'}"
            )


def _factors(comparison: Comparison) -> str:
    return ", ".join(sorted(comparison.factors)) or "nothing"


def _metric(comparison: Comparison) -> str:
    score = comparison.score
    unit = f" in {score.unit}" if score.unit else ""
    return f"{score.name}{unit} ({'lower' if score.lower_is_better else 'higher'} is better)"


def _require_own_data(names: Sequence[str], comparisons: Sequence[Comparison]) -> None:
    """Refuse the same files twice: their gains are no two samples."""
    prints = [{mark for run in comparison.trained for mark in data_marks(run.summary)} for comparison in comparisons]
    for (left, one), (right, two) in combinations(zip(names, prints, strict=True), 2):
        if one & two:
            raise ConfigError(f"--across: {left} and {right} are of the same files; give one experiment a data set")


def _join(names: Sequence[str], comparisons: Sequence[Comparison]) -> tuple[list[Network], list[str]]:
    """Return the networks and which are missing where."""
    by_values = [
        {frozenset(zip(row.factors, row.values, strict=True)): row for row in comparison.rows}
        for comparison in comparisons
    ]
    networks, missing = [], []
    for key in dict.fromkeys(key for rows in by_values for key in rows):
        found = [rows.get(key) for rows in by_values]
        known = next(row for row in found if row)
        values = tuple(dict(key)[factor] for factor in comparisons[0].factors)
        scored = tuple(
            row if row and _has_score(row, comparison) else None
            for row, comparison in zip(found, comparisons, strict=True)
        )
        networks += [Network(values, known.label, scored)] if any(scored) else []
        for why, here in (
            ("is not in", [name for name, row in zip(names, found, strict=True) if row is None]),
            (
                "has no finished run with a score in",
                [name for name, row, kept in zip(names, found, scored, strict=True) if row and not kept],
            ),
        ):
            missing += [f"{known.label} {why} {listed(here, len(names))}."] if here else []
    return networks, missing


def _has_score(row: Row, comparison: Comparison) -> bool:
    return bool(row.scores) and isfinite(row.scores[comparison.metric].mean)


def _collapsed(names: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    """Name rows whose mean on a data set is that of runs that learned nothing; they count as they are."""
    return [
        f"On {name} {comparison.rows[index].label} {collapse_words(comparison, index, seeds)}; it counts as it is."
        for name, comparison in zip(names, comparisons, strict=True)
        for index, seeds in collapses(comparison).items()
    ]


def _other_settings(names: Sequence[str], networks: Sequence[Network]) -> list[str]:
    """Say what a row's settings differ in between data sets, besides those of the data."""
    keys: dict[str, None] = {}
    for network in networks:
        runs = [row.done[0] for row in network.rows if row]
        keys |= dict.fromkeys(key for key in other_differences(runs, ()) if not is_under(key, _OF_THE_DATA))
    if not keys:
        return []
    return [f"Between data sets the settings of a row differ also in {listed(list(keys), 8)}."]


def _same_choice(names: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    by_choice: dict[str, list[str]] = {}
    for name, comparison in zip(names, comparisons, strict=True):
        for choice in sorted({run.choices.get("data", "") for run in comparison.trained}):
            by_choice.setdefault(choice, []).append(name)
    return [
        f"{listed(members, len(names))} are all data={choice}: if they hold the same images in other form, they count"
        " too much, and the intervals are too narrow."
        for choice, members in by_choice.items()
        if choice and len(members) > 1
    ]


def _other_splits(names: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    splits = [comparison.split for comparison in comparisons]
    if len(set(splits)) == 1:
        return []
    words = listed([f"{split} of {name}" for split, name in zip(splits, names, strict=True)], len(names))
    return [f"Scores are of different splits: {words}."]
