"""Networks by data sets as text: the same cells for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import isfinite

from rich.console import Console

from segbench.reporting.across.gains import Findings, Pair
from segbench.reporting.across.table import Across
from segbench.reporting.across.verdict import power, ranks_line, verdict
from segbench.reporting.comparison.columns import convention_words
from segbench.reporting.comparison.estimate import Estimate
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.comparison.words import NOTHING, P_MEANING, show_estimate, show_p
from segbench.reporting.text.latex import escape
from segbench.reporting.text.markdown import markdown_code, markdown_link, markdown_list, markdown_table, markdown_text
from segbench.reporting.text.tables import Cells, print_table
from segbench.terminal import say
from segbench.words import csv_cell, plural

# More pairs than a reader goes through; gains.csv has all.
MOST_PAIRS = 28
TITLE = "Over data sets"


def score_cells(found: Across, shown: Findings) -> Cells:
    """Return header and rows of the table of means and ranks: a line a data set, then the mean and the average rank."""
    networks = [found.networks[index] for index in shown.order]
    position = {index: place for place, index in enumerate(shown.ranking.networks)} if shown.ranking else {}
    rows = []
    for place, name in enumerate(found.names):
        cells = []
        for index in shown.order:
            row = found.networks[index].rows[place]
            text = show_estimate(row.scores[found.score.name], with_n=False) if row else NOTHING
            known = shown.ranking is not None and index in position
            rank = f" ({shown.ranking.ranks[place, position[index]]:g})" if known and shown.ranking else ""
            cells.append(text + rank)
        rows.append([name, *cells])
    means, average = found.means, shown.ranking.average if shown.ranking else {}
    whole = [f"{means[i].mean():.4f}" if found.networks[i].complete else NOTHING for i in shown.order]
    rows.append(["mean", *whole])
    if average:
        rows.append(["average rank", *(f"{average[i]:.2f}" if i in average else NOTHING for i in shown.order)])
    return ["data set", *(network.label for network in networks)], rows


def pair_cells(found: Across, shown: Findings) -> Cells:
    """Return header and rows of the pairs: verdict, mean gain with its corrected interval, ranks."""
    many = len(shown.pairs) > 1
    unit = f" ({found.score.unit})" if found.score.unit else ""
    together = ", all pairs" if shown.baseline is None else ", all with the baseline"
    header = ["ahead", "behind", "verdict", f"mean gain{unit}", f"95 % interval{together if many else ''}"]
    header += ["p (corrected)" if many else "p", "tau", "ahead in", "signed rank p" + (" (Holm)" if many else "")]
    rows = [
        [found.networks[pair.first].label, found.networks[pair.second].label, pair.verdict, *_figures(pair)]
        for pair in listed_pairs(shown)
    ]
    return header, rows


def listed_pairs(shown: Findings) -> list[Pair]:
    """Return the pairs in the order of the networks, no more than :data:`MOST_PAIRS`, those of the best first."""
    place = {index: rank for rank, index in enumerate(shown.order)}
    ordered = sorted(shown.pairs, key=lambda pair: sorted((place[pair.first], place[pair.second])))
    return ordered[:MOST_PAIRS]


def _figures(pair: Pair) -> list[str]:
    total = pair.total
    interval = f"{total.low:.4f} to {total.high:.4f}" if isfinite(total.low) else NOTHING
    tau = f"{total.between:.4f}" if isfinite(total.between) else NOTHING
    won = f"{pair.won} of {len(pair.gains)}"
    return [f"{total.mean:.4f}", interval, show_p(pair.p), tau, won, show_p(pair.signed_rank)]


def notes(found: Across, shown: Findings) -> list[str]:
    """Return what has to be said with the tables, the power of so many data sets first."""
    lines = [*power(found, shown), *found.missing, *found.caveats]
    if shown.baseline is not None:
        name = found.networks[shown.baseline].label
        lines.append(f"Each network is compared with {name} alone (--baseline); the others' pairs are not tested.")
    lines += [
        f"{found.networks[first].label} and {found.networks[second].label} in {reason}."
        for first, second, reason in shown.refused
    ]
    if more := len(shown.pairs) - MOST_PAIRS:
        lines += [f"{more} further pairs stand in gains.csv."] if more > 0 else []
    lines.append(ranks_line(found, shown))
    lines += [margin_line(found, shown), P_MEANING]
    lines += [f"Scores: {words}." for words in dict.fromkeys(map(convention_words, found.sets))]
    return [*lines, *(f"{name}: {_size(of)}." for name, of in zip(found.names, found.sets, strict=True))]


def _size(comparison: Comparison) -> str:
    """Return how much a data set is: split, images, groups, seeds."""
    parts = comparison.parts
    words = [f"{comparison.split} split", f"{max(len(part.ids) for part in parts)} {comparison.images}"]
    if comparison.unit != comparison.images:
        groups = comparison.folds or max(len(set(part.groups)) for part in parts)
        words.append(f"{groups} {comparison.unit}")
    return ", ".join([*words, plural(len({run.seed for run in comparison.done}), "seed")])


def margin_line(found: Across, shown: Findings) -> str:
    """Return what the three verdicts mean."""
    unit = f" {found.score.unit}".rstrip()
    alike = (
        f"alike if the whole interval lies within {shown.margin:g}{unit} (--margin)"
        if isfinite(shown.margin)
        else "alike if it lies within a margin, for which --margin is needed"
    )
    return (
        "Better: the interval of the mean gain lies above 0; "
        f"{alike}; else undecided. Every data set counts the same; the interval is about other data sets of this kind."
    )


def print_across(found: Across, shown: Findings, console: Console) -> None:
    """Print the verdict, the tables and the notes."""
    say(console, verdict(found, shown), "bold", soft_wrap=True)
    print_table(console, score_cells(found, shown), 1)
    print_table(console, pair_cells(found, shown), 3)
    for line in notes(found, shown):
        say(console, line, "dim", soft_wrap=True)


def markdown(found: Across, shown: Findings, figures: Sequence[tuple[str, str]], command: str) -> str:
    """Return the page as Markdown; figures are (title, file)."""
    blocks = [
        f"# {TITLE}: {markdown_text(', '.join(found.names))}",
        f"**{markdown_text(verdict(found, shown))}**",
        f"{markdown_text(found.score.title_with_unit)}, mean ± standard deviation over seeds (rank):",
        markdown_table(score_cells(found, shown), 1),
        "Mean gains over data sets:",
        markdown_table(pair_cells(found, shown), 3),
        markdown_list(notes(found, shown)),
        *(f"{title}:\n\n!{markdown_link(title, file)}" for title, file in figures),
        f"- Reported by: {markdown_code(command)}",
    ]
    return "\n\n".join(blocks) + "\n"


def scores_csv(found: Across, shown: Findings) -> str:
    """Return scores as CSV, a line for each network and data set, unrounded; empty = none."""
    position = {index: place for place, index in enumerate(shown.ranking.networks)} if shown.ranking else {}
    lines = [["data set", "network", "split", "metric", "mean", "std", "n", "rank"]]
    for place, (name, comparison) in enumerate(zip(found.names, found.sets, strict=True)):
        for index in shown.order:
            row = found.networks[index].rows[place]
            score = row.scores[found.score.name] if row else Estimate(float("nan"), None, 0)
            rank = f"{shown.ranking.ranks[place, position[index]]:g}" if shown.ranking and index in position else ""
            cells = [name, found.networks[index].label, comparison.split, found.score.name]
            lines.append([*cells, _plain(score.mean), _plain(score.spread), str(score.n), rank])
    return _csv(lines)


def gains_csv(found: Across, shown: Findings) -> str:
    """Return gains as CSV, for each pair a line for every data set and one for their mean, unrounded; empty = none.

    A data set's interval is its own at 95 %; that of the mean holds together with all pairs.
    """
    lines = [["ahead", "behind", "data set", "gain", "low", "high", "p", "tau", "signed_rank_p", "verdict"]]
    for pair in shown.pairs:
        names = [found.networks[pair.first].label, found.networks[pair.second].label]
        for gain in pair.gains:
            figures = map(_plain, (gain.mean, gain.low, gain.high))
            lines.append([*names, found.names[gain.place], *figures, "", "", "", ""])
        total = pair.total
        figures = map(_plain, (total.mean, total.low, total.high, pair.p, total.between, pair.signed_rank))
        lines.append([*names, "mean", *figures, pair.verdict])
    return _csv(lines)


def latex(found: Across, shown: Findings) -> str:
    """Return the table of means and ranks as a floating LaTeX table (packages: booktabs)."""
    header, rows = score_cells(found, shown)
    body = [_latex_line(rows_of) for rows_of in rows]
    # Behind the data sets stand the means.
    body.insert(len(found.names), r"\midrule")
    lines = [_latex_line(header), r"\midrule", *body]
    caption = f"{verdict(found, shown)} {found.score.title_with_unit}, mean ± standard deviation over seeds (rank)."
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(caption)}}}",
            r"  \label{tab:over-data-sets}",
            rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_line(cells: Sequence[str]) -> str:
    # After a line's end LaTeX would take a bracket or a star for its own.
    return "{}" + " & ".join(map(escape, cells)) + r" \\"


def _csv(lines: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([csv_cell(cell) for cell in line] for line in lines)
    return stream.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None or not isfinite(value) else repr(value)
