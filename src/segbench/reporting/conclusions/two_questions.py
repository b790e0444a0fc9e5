"""The two questions of a reader, named so that nobody mixes them up: about the recipe, and about trained networks."""

from __future__ import annotations

import re

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.extrapolation import extrapolation_lines
from segbench.reporting.conclusions.numbers import figures
from segbench.reporting.statistics.networks import Networks
from segbench.words import listed, plural

_NAMED = 4
# Behind a figure; a row may be named by a list, which is no interval.
_INTERVAL = re.compile(r"\d \[")


def two_answers(comparison: Comparison, found: Evidence) -> list[tuple[str, str]]:
    """Return whose question it is and what is answered: of who trains again, and of who uses a checkpoint.

    The verdict is on the first; its figures are the answer here. Either is left out where nothing is known. Behind them
    stands what the experiment asks of a number that was not trained.
    """
    trained_again = (
        f"If you train again with other seeds and test on other {comparison.unit} (what the verdict is about)"
    )
    as_they_are = f"If you use these trained networks as they are, on other {comparison.unit}"
    answers = [(trained_again, _behind(found)), (as_they_are, networks_answer(comparison, found.networks))]
    answers += [("A number that was not trained", line) for line in extrapolation_lines(comparison)]
    return [(who, what) for who, what in answers if what]


def _behind(found: Evidence) -> str:
    """Return what stands behind the verdict's figures, and what the brackets in its sentence are."""
    detail = found.verdict.detail
    brackets = "In brackets: the differences that these runs leave possible, at 95 %. "
    return brackets + detail if detail and _INTERVAL.search(found.answer) else detail


def networks_answer(comparison: Comparison, found: Networks | None) -> str:
    """Return what the trained networks show, in one sentence; empty where nothing was compared."""
    if found is None:
        return ""
    labels = [comparison.rows[row].label for row in found.order]
    shown = figures(comparison.score, found.gain, found.low, found.high)
    first, second = (_whose(labels[place], found.counts[place]) for place in (0, 1))
    if len(found.shortlist) == 1:
        others = "all others'" if len(labels) > 2 else second
        next_one = f" over {labels[1]}'s, the next" if len(labels) > 2 else ""
        better = "higher" if comparison.direction > 0 else "lower (better)"
        gain = shown.gain(found.gain, found.low, found.high)
        verb = "scores" if found.counts[0] == 1 else "score"
        return f"{first} {verb} {better} than {others}, by {gain}{next_one}."
    if len(labels) == 2:
        return (
            f"Not told apart: {first} may be better than {second} by up to {shown.amount(found.high)},"
            f" or worse by up to {shown.amount(-found.low)}."
        )
    if len(found.shortlist) == len(labels):
        return f"Those of any of the {len(labels)} rows may be the best."
    names = listed([comparison.rows[row].label for row in found.shortlist], _NAMED)
    return (
        f"Those of {names} may be the best, those of {plural(len(labels) - len(found.shortlist), 'other row')} are not."
    )


def _whose(label: str, count: int) -> str:
    """Return ``unet's 3 networks``."""
    return f"{label}'s {plural(count, 'network')}" if count > 1 else f"{label}'s network"
