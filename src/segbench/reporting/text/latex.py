"""A comparison as a LaTeX table that a paper can include: booktabs rules, the best score in bold."""

from __future__ import annotations

import math
import re

from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.comparison.estimate import Estimate
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.comparison.words import NOTHING
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.notes import convention_line
from segbench.reporting.conclusions.reading import LETTERS
from segbench.reporting.conclusions.tuning import tuning_lines
from segbench.words import HIDDEN, visible

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Return text that LaTeX sets as it stands; line breaks become spaces, and what would be hidden a question mark."""
    return "".join(_SPECIAL.get(sign, sign) for sign in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(visible(text).split()).replace(HIDDEN, "?")


def latex_table(comparison: Comparison, evidence: Evidence) -> str:
    """Return a comparison as a floating table (packages: booktabs).

    One line for each row: the factors' values, the deciding score as mean ± standard deviation over seeds, with its
    interval and what is decided of the row, then classes and further scores, parameters and the published figure.

    Args:
        comparison: What to set.
        evidence: Its figures, rows in the same order.
    """
    names = score_names(comparison)
    if comparison.task.many_classes:
        # Ten classes and more do not fit a line; they stand in the other tables.
        names = [name for name in names if name == comparison.metric or comparison.metric_named(name).label is None]
    published = any(row.published for row in comparison.rows)
    standing = "letters" if any(evidence.letters) else "verdict"
    titles = [*(comparison.factors or ("configuration",)), *_score_titles(names, evidence.ends, standing), "parameters"]
    titles += ["published"] if published else []
    lines = [_line([rf"\textbf{{{escape(title)}}}" for title in titles]), r"\midrule"]
    lines += [
        _line(_cells(comparison, evidence, index, names) + ([_published(row)] if published else []))
        for index, row in enumerate(comparison.rows)
    ]
    words = len(comparison.factors) or 1
    return "\n".join(
        [
            f"% {_one_line(comparison.title)}: needs \\usepackage{{booktabs}}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_caption(comparison, evidence)}}}",
            rf"  \label{{tab:{_label(comparison.title)}}}",
            rf"  \begin{{tabular}}{{{'l' * words}{'r' * (len(titles) - words)}}}",
            r"    \toprule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _cells(comparison: Comparison, evidence: Evidence, index: int, names: list[str]) -> list[str]:
    """Return a row's cells: factors, scores with interval and standing behind the deciding one, parameters."""
    row = comparison.rows[index]
    cells = [escape(show_value(value)) for value in row.values] or ["all runs"]
    # After a line's end LaTeX would take a bracket or a star for its own.
    cells[0] = f"{{}}{cells[0]}" if cells[0].startswith(("[", "*")) else cells[0]
    for name in names:
        cells.append(_estimate(row.scores[name], bold=name == comparison.metric and index in evidence.top))
        if name == comparison.metric:
            cells += [_interval(evidence, index), escape(_standing(evidence, index)) or "--"]
    parameters = row.costs["parameters"]
    return [*cells, f"{parameters.mean:,.0f}" if parameters.n else "--"]


def _score_titles(names: list[str], *beside: str) -> list[str]:
    shown = [name.replace("_", " ") for name in names]
    return [*shown[:1], *(beside if shown else ()), *shown[1:]]


def _standing(evidence: Evidence, index: int) -> str:
    return evidence.letters[index] or evidence.verdict.rows.get(index, "")


def _estimate(value: Estimate, bold: bool) -> str:
    if not value.n:
        return "--"
    mean = rf"\textbf{{{value.mean:.4f}}}" if bold else f"{value.mean:.4f}"
    return mean if value.spread is None else rf"{mean} $\pm$ {value.spread:.4f}"


def _interval(evidence: Evidence, index: int) -> str:
    mean = evidence.means[index]
    known = math.isfinite(mean.low) and math.isfinite(mean.high)
    # The braces keep a bracket at the start of a cell from being taken for an option of the line break before it.
    return f"{{[{mean.low:.4f}, {mean.high:.4f}]}}" if known else "--"


def _published(row: Row) -> str:
    return f"{row.published.value:g}" if row.published else escape(NOTHING)


def _caption(comparison: Comparison, evidence: Evidence) -> str:
    verdict = f"{evidence.verdict.word.capitalize()}."
    parts = [comparison.question, verdict, evidence.answer, convention_line(comparison)]
    if any(evidence.letters):
        parts.append(f"Letters: {LETTERS}.")
    if evidence.top:
        parts.append(f"Bold: {'better than the baseline' if comparison.family == 'baseline' else 'may be the best'}.")
    return " ".join(escape(part) for part in [*parts, *tuning_lines(comparison)] if part)


def _label(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-") or "comparison"


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
