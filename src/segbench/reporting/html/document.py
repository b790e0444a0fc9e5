"""The page itself: everything a comparison says, put into the template with its style and script inside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from segbench.pages import content_policy, page_environment, shared_style
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.comparison.words import P_MEANING
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.next_step import next_steps
from segbench.reporting.conclusions.notes import ONE_VS_REST_TITLE, convention_line, notes
from segbench.reporting.conclusions.provenance import provenance
from segbench.reporting.conclusions.reading import outlook_line
from segbench.reporting.conclusions.tuning import TUNING, tuning_fact
from segbench.reporting.conclusions.two_questions import two_answers
from segbench.reporting.conclusions.winner import how_to_predict
from segbench.reporting.html.dot_plot import WIDTH
from segbench.reporting.html.overview import table_script
from segbench.reporting.html.pictures import BUDGET, gallery
from segbench.reporting.html.runs import run_views
from segbench.reporting.html.scores import (
    averaged_table,
    claim_views,
    mcnemar_table,
    pair_table,
    score_table,
    tuning_table,
)
from segbench.reporting.text.tables import published_lines


def html_page(
    comparison: Comparison,
    figures: Sequence[tuple[str, str]],
    evidence: Evidence,
    command: str | None = None,
    budget: int = BUDGET,
) -> str:
    """Return one experiment as a self-contained HTML page.

    Nothing is fetched: style, script and pictures are inside, and a content security policy forbids everything else,
    also a script that some text should have brought past the escaping.

    Args:
        comparison: The experiment.
        figures: Title and file name of the figures in its directory, in the order of the page.
        evidence: Its statistics.
        command: The command that makes the report.
        budget: How many characters pictures may take together.
    """
    environment = page_environment(str(__package__))
    style, script = shared_style(), table_script()
    runs = run_views(comparison)
    return environment.get_template("index.html.j2").render(
        comparison=comparison,
        metric=comparison.score.title,
        facts=_facts(comparison, evidence),
        convention=convention_line(comparison),
        dot_plot_width=WIDTH,
        p_meaning=P_MEANING,
        **_conclusions(comparison, evidence),
        **_tables(comparison, evidence),
        gallery=gallery(comparison, figures, budget),
        published=published_lines(comparison),
        runs=runs,
        unfinished=[run for run in runs if run.state != "done"],
        notes=notes(comparison, with_caveats=False)[1:],
        prediction=how_to_predict(comparison, evidence),
        provenance=provenance(comparison.trained, comparison.title, command),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(style),  # noqa: S704 - the package's own files
        script=Markup(script),  # noqa: S704
        policy=content_policy(style, [script]),
    )


def _conclusions(comparison: Comparison, evidence: Evidence) -> dict[str, Any]:
    """Return what the runs show, in words."""
    return {
        "answer": evidence.answer,
        "word": evidence.verdict.word,
        "answers": two_answers(comparison, evidence),
        "next_steps": next_steps(comparison, evidence),
        "caveats": evidence.caveats,
        "ends": evidence.ends,
        "letters": any(evidence.letters),
        "top": _top(comparison, evidence),
        "outlook": outlook_line(evidence.outlook, comparison) if evidence.outlook else "",
        "claims": claim_views(evidence.claims, comparison.single_unit),
    }


def _tables(comparison: Comparison, evidence: Evidence) -> dict[str, Any]:
    """Return the tables by the names that the template has for them."""
    pairs, more_pairs = pair_table(comparison, evidence)
    return {
        "table": score_table(comparison, evidence),
        "pairs": pairs,
        "more_pairs": more_pairs,
        "mcnemar": mcnemar_table(comparison),
        "tuning": tuning_table(comparison),
        "tuning_title": TUNING,
        "averaged": averaged_table(comparison),
        "averaged_title": ONE_VS_REST_TITLE,
    }


def _facts(comparison: Comparison, evidence: Evidence) -> list[tuple[str, str]]:
    """Return what the reader wants to know before any figure: how much was compared."""
    runs = sum(len(row.runs) for row in comparison.rows)
    strangers = len(comparison.unfinished) - sum(len(row.runs) - len(row.done) for row in comparison.rows)
    counts = [run.counts[comparison.split] for run in comparison.done]
    facts = [
        ("configurations", str(len(comparison.rows))),
        ("runs finished", f"{len(comparison.done)} of {runs + max(0, strangers)}"),
        ("seeds", str(len({run.seed for run in comparison.done}))),
    ]
    if counts:
        facts.append(("tuning trials a configuration", tuning_fact(comparison)))
        facts.append((f"{comparison.images} ({comparison.split} split)", str(max(len(part.ids) for part in counts))))
        if comparison.folds:
            facts.append(("folds", str(comparison.folds)))
        if comparison.grouping != comparison.images:
            facts.append((comparison.grouping, str(max(len(set(part.groups)) for part in counts))))
    return facts


def _top(comparison: Comparison, evidence: Evidence) -> str:
    """Say what a bar at the left of a configuration means; empty where none has one."""
    if not evidence.top:
        return ""
    return (
        "those that are better than the baseline" if comparison.family == "baseline" else "those that may be the best"
    )
