"""How to read the columns of a table that tests fill: intervals, letters, probabilities, where scores vary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.answer import show_detectable
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.statistics.means import ENOUGH
from segbench.words import listed


def reading(comparison: Comparison, found: Evidence) -> list[str]:
    """Say how to read the columns of the tests, and what they show of the scores' variance and of what is missed."""
    said, unit = [], comparison.unit
    family = sum(np.isfinite(pair.p) for pair in found.pairs)
    if any(np.isfinite(mean.low) for mean in found.means):
        said.append(f"{found.ends[0].upper()}{found.ends[1:]}: {ends_hint(comparison, found)}.")
    if family:
        apart = sum(pair.apart for pair in found.pairs)
        corrected = f", Holm's correction for {family} pairs" if family > 1 else ""
        said.append(
            "Letters (compact letter display): rows that share one cannot be told apart (test of the paired difference"
            f" over seeds and {unit}, 5 %{corrected}; {apart} told apart), which does not make them equal."
        )
    if np.isfinite(found.best).any():
        top = "highest" if comparison.direction > 0 else "lowest"
        said.append(f"P(best): how often the row is the {top} over resampled seeds and {unit}.")
    if variance := variance_line(found.variance, comparison.single_unit):
        said.append(variance)
    if np.isfinite(found.detectable):
        said.append(
            f"Smallest true difference that a pair of these runs finds with 80 % power at 5 %, uncorrected:"
            f" {show_detectable(found.detectable, comparison.score)}."
        )
    return [" ".join(said)] if said else []


def ends_hint(comparison: Comparison, found: Evidence) -> str:
    """Say what the ends beside a mean are, as the end of a sentence."""
    unit = comparison.unit
    if any(mean.ranges for mean in found.means):
        return (
            f"the lowest and the highest of the {unit} (each the mean over seeds), as fewer than {ENOUGH}"
            f" {comparison.grouping} give no trustworthy 95 % interval of a mean"
        )
    seeds = [len({run.seed for run in row.done}) for row in comparison.rows if row.done] or [0]
    scope = f"other {unit}" if max(seeds) < 2 else f"other seeds and other {unit}"
    single = f", with one seed for other {unit} alone" if min(seeds) < 2 <= max(seeds) else ""
    return f"of the mean, for {scope}{single}"


def variance_line(shares: Mapping[str, float], unit: str) -> str:
    """Say how much of a score's variance comes from where; empty where it is not known.

    An estimate that is cut off at 0 is no evidence of nothing, so that source is said not to show.

    Args:
        shares: As in :class:`segbench.reporting.conclusions.evidence.Evidence`.
        unit: What varies besides the seed, ``image`` or ``group of images``.
    """
    names = {"seed": "the seed", "image": f"the {unit}", "rest": "what neither explains"}
    seen = [
        f"{'<1%' if share < 0.005 else f'{share:.0%}'} comes from {names[source]}"
        for source, share in shares.items()
        if share > 0
    ]
    hidden = [names[source] for source, share in shares.items() if share == 0 and source != "rest"]
    if not seen:
        return ""
    text = f"Of the variance of a single score, {listed(seen)}"
    return f"{text}; what comes from {' and '.join(hidden)} does not show beside it." if hidden else f"{text}."
