"""Which scores of a comparison are shown, and how they came about."""

from __future__ import annotations

from contextlib import suppress

from segbench.errors import ConfigError
from segbench.reporting.comparison.metrics import ONE_VS_REST
from segbench.reporting.comparison.model import Comparison
from segbench.scores.derive import MICRO
from segbench.scores.score import empty_rules


def convention_words(comparison: Comparison) -> str:
    """Return how the scores of a comparison came about, its tables' and those of its claims and published figures."""
    names = [comparison.metric, *(name for row in comparison.rows for name in row.scores)]
    names += [str(claim["metric"]) for claim in comparison.claims if isinstance(claim, dict) and claim.get("metric")]
    names += [entry.metric for entry in comparison.published]
    scores = []
    for name in dict.fromkeys(names):
        # A published loss, say, has no rule.
        with suppress(ConfigError):
            scores.append(comparison.metric_named(name).score)
    return "; ".join([comparison.convention.describe(names), *empty_rules(scores)])


def score_names(comparison: Comparison) -> list[str]:
    """Return the metrics that get a column, the deciding one first; one scored class needs none of its own."""
    if not comparison.rows:
        return []
    available = {name: comparison.metric_named(name) for name in comparison.rows[0].scores}
    base = [name for name, metric in available.items() if name == comparison.metric or metric.label is None]
    classes = [name for name in available if name not in base]
    many = comparison.task.many_classes
    alone = len(classes) == 1 and available[classes[0]].score.name == comparison.metric
    classes = [] if alone or (len(comparison.classes) == 1 and not many) else classes
    return [*base, *classes] if many else [base[0], *classes, *base[1:]]


def averages(comparison: Comparison) -> dict[str, str]:
    """Return the scores of each class against the rest that have a macro and a micro average, with their titles.

    None where class 0 is a background: micro scores would depend on its being counted.
    """
    known = [run.counts[comparison.split].scores for run in comparison.done]
    both = all(name in scores and f"{MICRO}{name}" in scores for scores in known for name in ONE_VS_REST)
    return ONE_VS_REST if both and not comparison.convention.has_background else {}
