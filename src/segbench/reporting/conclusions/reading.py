"""How to read the columns of a table that tests fill: intervals, letters, probabilities, where scores vary."""

from __future__ import annotations

import numpy as np

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.statistics.means import ENOUGH
from segbench.reporting.statistics.outlook import Outlook
from segbench.scores.score import Metric
from segbench.words import listed


def reading(comparison: Comparison, found: Evidence) -> list[str]:
    """Say how to read the columns of the tests."""
    said = []
    if any(np.isfinite(mean.low) for mean in found.means):
        said.append(f"{found.ends[0].upper()}{found.ends[1:]}: {ends_hint(comparison, found)}.")
    if found.decision.compared:
        said.append(f"Verdict: {verdict_hint(comparison)}.")
    if any(found.letters):
        said.append(f"Letters (compact letter display): {LETTERS}, which does not make them equal.")
    return [" ".join(said)] if said else []


def shown(comparison: Comparison, found: Evidence) -> list[str]:
    """Say what the tests show of the scores' variance, and what they would miss."""
    said = [
        f"{comparison.rows[row].label} {why}: its variance is its own." for row, why in found.decision.pool.left.items()
    ]
    if found.outlook is not None:
        said.append(outlook_line(found.outlook, comparison))
    return [" ".join(said)] if said else []


LETTERS = "rows that share one are not shown to differ"


def verdict_hint(comparison: Comparison) -> str:
    """Say what the verdicts of rows come from, as the end of a sentence."""
    asked = {
        "best": "whether the row may be the best (multiple comparisons with the best, Hsu)",
        "baseline": "whether the row is better than the baseline (Dunnett)",
        "pairs": "which rows differ (all pairs, Tukey)",
    }[comparison.family]
    over = f"by paired differences over seeds and {comparison.unit}"
    return f"{asked}, {over}; all of them together err in at most 5 % of experiments"


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


def outlook_line(outlook: Outlook, comparison: Comparison) -> str:
    """Say what would be found, what makes differences uncertain, and what would help."""
    score, unit = comparison.score, comparison.single_unit
    return f"{found_line(outlook, score)} {variance_line(outlook, score, unit)}"


def found_line(outlook: Outlook, score: Metric) -> str:
    """Say which true difference the decision finds, to one digit, as it is itself an estimate."""
    found = outlook.detectable
    if found.value >= score.largest:
        return "An experiment like this notices no difference that there can be in 80 % of cases."
    unit = f" {score.unit}".rstrip()
    ends = f"{found.low:.1g} to {min(found.high, score.largest):.1g}{unit}"
    size = f"{found.value:.1g}{unit}"
    return f"An experiment like this notices a true difference of {size} in 80 % of cases (estimated: {ends})."


def variance_line(outlook: Outlook, score: Metric, unit: str) -> str:
    """Say what makes a difference uncertain, and whether more seeds or more images would help; of folds the first.

    An estimate that is cut off at 0 is no evidence of nothing, so that source is said not to show.

    Args:
        outlook: Where differences vary.
        score: The deciding metric.
        unit: What varies besides the seed, ``image`` or ``group of images``.
    """
    # Folds share training images, which no number of seeds makes up for.
    either = "" if outlook.overlap else " (more of either helps)"
    names = {
        "seed": "the seed",
        "image": f"the {unit}",
        "rest": f"both together, as each seed errs on other {_several(unit)}{either}",
    }
    shares = outlook.shares_of_mean
    seen = [f"{'<1%' if share < 0.005 else f'{share:.0%}'} comes from {names[source]}"
            for source, share in shares.items() if share > 0]  # fmt: skip
    hidden = [names[source] for source, share in shares.items() if share == 0 and source != "rest"]
    text = f"What makes the difference of two rows uncertain: {listed(seen)}"
    text += f"; {' and '.join(hidden)} alone {'does' if len(hidden) == 1 else 'do'} not show" if hidden else ""
    return f"{text}.{'' if outlook.overlap else f' {_which_helps(outlook, score, unit)}'}"


def _several(unit: str) -> str:
    return unit.replace("group", "groups") if "group" in unit else f"{unit}s"


def _which_helps(outlook: Outlook, score: Metric, unit: str) -> str:
    """Say whether twice the seeds or twice the images would find the smaller difference."""
    seeds, groups = 2 * outlook.seeds, 2 * outlook.groups
    by_seed, by_group = outlook.finds(seeds), outlook.finds(outlook.seeds, groups)
    unit = _several(unit)
    ends = [f"{value:.2g}" if value < score.largest else "none" for value in (by_seed, by_group)]
    each = f"{seeds} seeds would find {ends[0]}, {groups} {unit} {ends[1]}"
    if max(by_seed, by_group) < 1.05 * min(by_seed, by_group):
        return f"More seeds and more {unit} would help alike: {each}."
    more, less = ("seeds", unit) if by_seed < by_group else (unit, "seeds")
    return f"More {more} would help more than more {less}: {each}."
