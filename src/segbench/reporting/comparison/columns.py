"""Which scores of a comparison are shown, and how they came about."""

from __future__ import annotations

from segbench.reporting.comparison.metrics import CLASSIFICATION, WHOLE_SCORES
from segbench.reporting.comparison.model import Comparison


def convention_words(comparison: Comparison) -> str:
    """Return how the scores of a comparison came about, its tables' and those of its claims and published figures."""
    names = {comparison.metric, *(name for row in comparison.rows for name in row.scores)}
    names |= {str(claim["metric"]) for claim in comparison.claims if isinstance(claim, dict) and claim.get("metric")}
    names |= {entry.metric for entry in comparison.published}
    return comparison.convention.describe(names)


def score_names(comparison: Comparison) -> list[str]:
    """Return the metrics that get a column, the deciding one first; one scored class needs none of its own."""
    if not comparison.rows:
        return []
    available = list(comparison.rows[0].scores)
    labels = comparison.task == CLASSIFICATION
    base = [name for name in available if name in (comparison.metric, *WHOLE_SCORES)]
    classes = [name for name in available if name not in base]
    alone = len(classes) == 1 and classes[0].startswith(f"{comparison.metric}_")
    classes = [] if alone or (len(comparison.classes) == 1 and not labels) else classes
    return [*base, *classes] if labels else [base[0], *classes, *base[1:]]
