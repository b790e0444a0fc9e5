"""A comparison as text: tables for the terminal, Markdown, all from the same cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table

from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.columns import averages, score_names
from segbench.reporting.comparison.estimate import estimate
from segbench.reporting.comparison.model import COSTS, Comparison, Row
from segbench.reporting.comparison.words import (
    NOTHING,
    show_duration,
    show_estimate,
    show_p,
    show_short,
)
from segbench.reporting.conclusions.claim_words import measured
from segbench.reporting.conclusions.evidence import Evidence, evidence
from segbench.reporting.conclusions.next_step import next_steps
from segbench.reporting.conclusions.notes import MCNEMAR, ONE_VS_REST_TITLE, notes, own_notes
from segbench.reporting.conclusions.tuning import TUNING, tuning_cells
from segbench.reporting.conclusions.two_questions import two_answers
from segbench.reporting.conclusions.winner import how_to_predict
from segbench.reporting.statistics.mcnemar import identical_images, mcnemar
from segbench.reporting.text.markdown import markdown_code, markdown_list, markdown_table, markdown_text
from segbench.runs.places import public
from segbench.runs.split_scores import derive
from segbench.scores.derive import MICRO
from segbench.terminal import say, shown

Cells = tuple[list[str], list[list[str]]]
# More pairs than a reader goes through.
MOST_PAIRS = 28
# What is to be done first, and what besides.
_LEADS = ("What next", "Also")


def score_cells(comparison: Comparison) -> Cells:
    """Return header and rows of the score table: the deciding metric, what the tests say of it, published figures."""
    published = any(row.published for row in comparison.rows)
    names = score_names(comparison)[:1]
    titles, figures = _evidence_cells(evidence(comparison))
    header = [*_factor_titles(comparison), "finished", *(name.replace("_", " ") for name in names), *titles]
    header += ["published", "difference"] if published else []
    rows = []
    for index, (row, found) in enumerate(zip(comparison.rows, figures, strict=True)):
        cells = [*_factor_cells(comparison, row), comparison.finished(index)]
        cells += [*(show_estimate(row.scores[name]) for name in names), *found]
        rows.append(cells + (_published_cells(row) if published else []))
    return header, rows


def other_score_cells(comparison: Comparison) -> Cells:
    """Return header and rows of the table beside it: the score of each class, and the other scores."""
    names = score_names(comparison)[1:]
    header = [*_factor_titles(comparison), *(name.replace("_", " ") for name in names)]
    rows = [
        [*_factor_cells(comparison, row), *(show_estimate(row.scores[name], with_n=False) for name in names)]
        for row in comparison.rows
    ]
    return header, rows


def one_vs_rest_cells(comparison: Comparison) -> Cells:
    """Return header and rows of the scores of each class against the rest, macro above micro; no rows without both."""
    shown = averages(comparison)
    header = [*_factor_titles(comparison), "averaging", *shown.values()]
    rows = []
    for row in comparison.rows if shown else ():
        counts = [run.counts[comparison.split] for run in row.done]
        for averaging, prefix in (("macro", ""), ("micro", MICRO)):
            figures = [
                estimate([derive(part, prefix + name, comparison.convention) for part in counts]) for name in shown
            ]
            cells = [show_estimate(figure, with_n=False) for figure in figures]
            rows.append([*_factor_cells(comparison, row), averaging, *cells])
    return header, rows


def _evidence_cells(found: Evidence) -> Cells:
    """Return titles and cells of what the tests say about each row: only those of which any row has one."""
    columns = {
        found.ends: ["" if math.isnan(mean.low) else f"{mean.low:.4f} to {mean.high:.4f}" for mean in found.means],
        "letters": list(found.letters),
        "verdict": [found.verdict.rows.get(index, "") for index in range(len(found.means))],
    }
    kept = {title: [cell or NOTHING for cell in cells] for title, cells in columns.items() if any(cells)}
    return list(kept), [[cells[index] for cells in kept.values()] for index in range(len(found.means))]


def claim_cells(comparison: Comparison) -> Cells:
    """Return header and rows of the claims: the report's words, the verdict with its reason, and what was measured."""
    rows = []
    for claim in evidence(comparison).claims:
        verdict = f"{claim.verdict}: {claim.reason}" if claim.reason else claim.verdict
        rows.append([claim.text, verdict, measured(claim, comparison.single_unit) or NOTHING])
    return ["claim", "verdict", f"difference in {comparison.metric.replace('_', ' ')}"], rows


def mcnemar_cells(comparison: Comparison) -> Cells:
    """Return header and rows of McNemar's tests, one row a pair of classifiers, figures in the order of the seeds.

    Of more than :data:`MOST_PAIRS` pairs, those with the best row only. No rows where images can be more or less right.
    """
    found = evidence(comparison)
    metric = comparison.metric.replace("_", " ")
    header = ["A", "B", f"A − B in {metric}", "p (recipe)", "seeds", "only A correct", "only B correct"]
    pairs = list(found.pairs)
    if len(pairs) > MOST_PAIRS:
        worth = [comparison.direction * mean.mean for mean in found.means]
        leader = max(range(len(worth)), key=lambda index: -math.inf if math.isnan(worth[index]) else worth[index])
        pairs = [pair for pair in pairs if leader in (pair.first, pair.second)]
    rows = []
    for pair in pairs:
        first, second = (comparison.rows[index] for index in (pair.first, pair.second))
        tests = mcnemar(first.done, second.done, comparison.split)
        if not tests:
            continue
        decided = found.decision.between(pair.first, pair.second)
        counts = [", ".join(str(getattr(test, side)) for test in tests) for side in ("first_alone", "second_alone")]
        ps = [", ".join(show_p(getattr(test, kind)) for test in tests) for kind in ("exact", "mid")]
        if images := identical_images(tests):
            ps = [f"identical predictions on all {images} images", NOTHING]
        seeds = ", ".join(str(test.seed) for test in tests)
        p = show_p(decided.p) if decided else NOTHING
        rows.append([first.label, second.label, f"{pair.difference.mean:+.4f}", p, seeds, *counts, *ps])
    return [*header, "exact p", "mid-p"], rows


def cost_cells(comparison: Comparison) -> Cells:
    """Return header and rows of the cost table (means over the runs)."""
    titles = [
        "parameters",
        "GFLOPs per image",
        "train images/s",
        "predict images/s",
        "peak memory",
        "wall time",
        "device",
    ]
    shown: list[Callable[[float], str]] = [
        lambda value: f"{value:,.0f}",
        lambda value: show_short(value / 1e9),
        show_short,
        show_short,
        lambda value: f"{show_short(value / 2**30)} GiB",
        show_duration,
    ]
    rows = []
    for row in comparison.rows:
        figures = [row.costs[key] for key in COSTS]
        cells = [show(figure.mean) if figure.n else NOTHING for show, figure in zip(shown, figures, strict=True)]
        rows.append([*_factor_cells(comparison, row), *cells, ", ".join(row.devices) or NOTHING])
    return [*_factor_titles(comparison), *titles], rows


def markdown_body(comparison: Comparison, alone: bool = True) -> str:
    """Return question, answer, tables, claims, notes, published figures and unfinished runs as Markdown, unheaded.

    Args:
        comparison: The comparison.
        alone: Whether how to read the tables is among the notes; on a page of several it stands there once.
    """
    blocks = [markdown_text(comparison.question)] if comparison.question else []
    found = evidence(comparison)
    blocks += [f"**{found.verdict.word.capitalize()}.** {markdown_text(found.answer)}"]
    lines = [markdown_list([f"{who}: {what}"]) for who, what in two_answers(comparison, found)]
    for lead, step in zip(_LEADS, next_steps(comparison, found), strict=False):
        commands = "; ".join(markdown_code(public(command)) for command in step.commands)
        lines.append(f"{markdown_list([f'{lead}. {step.text}'])} {commands}".rstrip())
    blocks += ["\n".join(lines)] if lines else []
    words = len(comparison.factors) or 1
    blocks += [markdown_table(score_cells(comparison), words + 1), markdown_table(other_score_cells(comparison), words)]
    if (averaged := one_vs_rest_cells(comparison))[1]:
        blocks += [f"{ONE_VS_REST_TITLE}:", markdown_table(averaged, words + 1)]
    blocks += [markdown_table(claim_cells(comparison), 3)] if comparison.claims else []
    if (tuned := tuning_cells(comparison))[1]:
        blocks += [f"{TUNING}:", markdown_table(tuned, words)]
    paired = mcnemar_cells(comparison)
    blocks += [f"{MCNEMAR}:", markdown_table(paired, 2)] if paired[1] else []
    blocks += [markdown_list(notes(comparison) if alone else own_notes(comparison))]
    if comparison.done:
        blocks += ["Cost (means over the runs):", markdown_table(cost_cells(comparison), words)]
    if comparison.published:
        blocks += ["Published figures:", markdown_list(published_lines(comparison))]
    if comparison.differences:
        blocks += ["Differences from the published protocol:", markdown_list(comparison.differences)]
    if comparison.unfinished:
        blocks += ["Not finished or excluded, and in no mean:", markdown_list(unfinished_lines(comparison))]
    return "\n\n".join(blocks) + "\n"


def published_lines(comparison: Comparison) -> list[str]:
    """Return one sentence for each published figure and row that it fits, with ours and its source."""
    lines = []
    shared = Counter((entry.metric, str(entry.where), entry.value, entry.source) for entry in comparison.published)
    for entry in comparison.published:
        where = ", ".join(f"{key}={show_value(value)}" for key, value in entry.where.items()) or "all runs"
        if entry.row is not None and shared[entry.metric, str(entry.where), entry.value, entry.source] > 1:
            where += f" ({comparison.rows[entry.row].label})"
        ours = f"ours {show_estimate(entry.ours)}, difference {entry.difference:+.4f}" if entry.ours.n else "ours: none"
        if entry.row is not None and entry.metric == comparison.metric:
            mean = evidence(comparison).means[entry.row]
            if math.isfinite(mean.low):
                side = "inside" if mean.low <= entry.value <= mean.high else "outside"
                ours += f"; {side} our {evidence(comparison).ends} {mean.low:.4f} to {mean.high:.4f}"
        lines.append(
            f"{where}: {entry.metric} {entry.value:g}; {ours}" + (f" ({entry.source})" if entry.source else "")
        )
    return lines


def unfinished_lines(comparison: Comparison) -> list[str]:
    """Return one line for each run that counts in no mean: name, state, reason."""
    return [f"{run.name}: {_state(run.state, reason)}" for run, reason in comparison.unfinished]


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print the tables and everything that has to be said with them."""
    console.print()
    console.print(shown(comparison.title, "bold") + shown(f"  {comparison.question}"))
    found = evidence(comparison)
    say(console, f"{found.verdict.word.upper()}  {found.answer}", "bold")
    for who, what in two_answers(comparison, found):
        say(console, f"{who}: {what}")
    for lead, step in zip(_LEADS, next_steps(comparison, found), strict=False):
        say(console, f"{lead}. {step.text}", soft_wrap=True)
        say(console, "\n".join(f"  {command}" for command in step.commands), soft_wrap=True)
    words = len(comparison.factors) or 1
    print_table(console, score_cells(comparison), words + 1)
    print_table(console, other_score_cells(comparison), words)
    if (averaged := one_vs_rest_cells(comparison))[1]:
        say(console, f"{ONE_VS_REST_TITLE}:", "bold")
        print_table(console, averaged, words + 1)
    if comparison.claims:
        print_table(console, claim_cells(comparison), 3)
    if (tuned := tuning_cells(comparison))[1]:
        say(console, f"{TUNING}:", "bold")
        print_table(console, tuned, words)
    if (paired := mcnemar_cells(comparison))[1]:
        say(console, f"{MCNEMAR}:", "bold")
        print_table(console, paired, 2)
    for line in notes(comparison):
        say(console, line, "dim")
    if comparison.done:
        print_table(console, cost_cells(comparison), words)
    for title, lines in (
        ("Published", published_lines(comparison)),
        ("Differences from the published protocol", list(comparison.differences)),
        ("Not finished or excluded, and in no mean", unfinished_lines(comparison)),
    ):
        if lines:
            say(console, f"{title}:", "bold")
            for line in lines:
                say(console, f"  {line}")
    if prediction := how_to_predict(comparison, found):
        say(console, prediction.text, "bold", soft_wrap=True)
        say(console, "\n".join(f"  {command}" for command in prediction.commands), soft_wrap=True)


def print_table(console: Console, cells: Cells, words: int) -> None:
    """Print a table as wide as it needs when the output is a file, and folded into the terminal otherwise."""
    header, rows = cells
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(header):
        table.add_column(
            shown(title.replace(".", ".\n")), justify="left" if index < words else "right", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(shown, row))
    console.print(table, width=None if console.is_terminal else 240)


def _factor_titles(comparison: Comparison) -> list[str]:
    return list(comparison.factors) or ["configuration"]


def _factor_cells(comparison: Comparison, row: Row) -> list[str]:
    return [show_value(value) for value in row.values] or ["all runs"]


def _published_cells(row: Row) -> list[str]:
    if row.published is None:
        return [NOTHING, NOTHING]
    difference = row.published.difference
    return [f"{row.published.value:g}", NOTHING if math.isnan(difference) else f"{difference:+.4f}"]


def _state(state: str, reason: str) -> str:
    return reason if reason.startswith((state, "still")) else f"{state}: {reason}"
