"""What is found over data sets as files: a page, README.md, tables and figures, in a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

from markupsafe import Markup
from matplotlib import rc_context

from segbench.errors import ConfigError, StorageError
from segbench.pages import content_policy, data_uri, page_environment, shared_style
from segbench.pictures.canvas import WORDS
from segbench.reporting.across.gains import ALIKE, BETTER, UNDECIDED, Findings
from segbench.reporting.across.table import Across
from segbench.reporting.across.text import (
    TITLE,
    gains_csv,
    latex,
    listed_pairs,
    markdown,
    notes,
    pair_cells,
    score_cells,
    scores_csv,
)
from segbench.reporting.across.verdict import power, verdict
from segbench.reporting.figures.critical_difference import draw_critical_difference
from segbench.reporting.figures.gains import GainLine, draw_gains
from segbench.reporting.statistics.families import LEVEL
from segbench.runs.bounded import LISTS, read_bytes, read_text
from segbench.runs.files import write_text

PAGE, README, SCORES, GAINS, LATEX = "index.html", "README.md", "scores.csv", "gains.csv", "table.tex"
RANKS_FIGURE, GAINS_FIGURE = "critical-difference.png", "gains.png"
FILES = (PAGE, README, SCORES, GAINS, LATEX, RANKS_FIGURE, GAINS_FIGURE)
# By this a page of ours is known, which may be written again.
MARK = 'name="generator" content="segbench, over data sets"'
# Pairs in the figure, those of the best network first.
MOST_DRAWN = 12
_GAINS_TITLE = "Gains over data sets: of each (circles), their mean and its interval"
_RANKS_TITLE = (
    "Critical-difference diagram: average ranks, and those on single data sets (circles, larger for several); a bar"
    " joins networks that the signed-rank test cannot tell apart"
)
_TONES = {BETTER: ("yes", "✓"), ALIKE: ("open", "="), UNDECIDED: ("open", "?")}


def is_ours(folder: Path) -> bool:
    """Say whether a folder holds a page over data sets, which is no experiment."""
    try:
        return MARK in read_text(folder / PAGE, largest=LISTS)
    except (OSError, ValueError):
        return False


def require_no_runs(folder: Path) -> None:
    """Refuse a folder that is a run's or an experiment's, whose own page and files would be written over.

    Raises:
        ConfigError: If it or a folder in it is a run.
    """
    if any(next(folder.glob(f"{inside}{name}"), None) for name in ("run.json", "status.json") for inside in ("", "*/")):
        raise ConfigError(f"--out {folder}: holds runs; name a folder of its own")


def require_free(folder: Path) -> None:
    """Refuse a folder in which other files would be written over: a run's, an experiment's, a results overview.

    Raises:
        ConfigError: If it or a folder in it is a run, or it has a file of one of our names and no page of ours.
    """
    require_no_runs(folder)
    if any((folder / name).exists() for name in FILES) and not is_ours(folder):
        raise ConfigError(f"--out {folder}: holds other pages, which would be overwritten; name a folder of its own")


def write_across(found: Across, shown: Findings, folder: Path, command: str) -> list[Path]:
    """Write :data:`FILES` into a folder, figures as PNG, SVG and PDF.

    Args:
        found: Networks by data sets.
        shown: What they show.
        folder: Made if it is not there.
        command: The command that makes the page.

    Returns:
        The files.

    Raises:
        ConfigError: If the folder holds other pages.
        StorageError: If it cannot be written.
    """
    require_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PAGE).exists():
            # Known as ours from the first file on: what is killed before the page may be written again.
            write_text(folder / PAGE, f"<meta {MARK}>\n")
        figures = _draw(found, shown, folder)
        write_text(folder / README, markdown(found, shown, figures, command))
        write_text(folder / SCORES, scores_csv(found, shown))
        write_text(folder / GAINS, gains_csv(found, shown))
        write_text(folder / LATEX, latex(found, shown))
        write_text(folder / PAGE, _html(found, shown, folder, figures, command))
    except OSError as error:
        raise StorageError(f"--out {folder}: cannot be written ({error.strerror or error})") from error
    return [folder / name for name in (PAGE, README, SCORES, GAINS, LATEX, *(name for _, name in figures))]


def _draw(found: Across, shown: Findings, folder: Path) -> list[tuple[str, str]]:
    """Write the figures that there are; return title and file of each."""
    for name in (RANKS_FIGURE, GAINS_FIGURE):
        for kind in (".png", ".svg", ".pdf"):
            (folder / name).with_suffix(kind).unlink(missing_ok=True)
    drawn = []
    with rc_context(WORDS):
        if shown.pairs:
            lines = [
                GainLine(
                    f"{found.networks[pair.first].label} over {found.networks[pair.second].label}",
                    tuple(gain.mean for gain in pair.gains),
                    pair.total.mean, pair.total.low, pair.total.high,
                )
                for pair in listed_pairs(shown)[:MOST_DRAWN]
            ]  # fmt: skip
            draw_gains(lines, f"gain in {found.score.title_with_unit}", shown.margin, folder / GAINS_FIGURE)
            drawn.append((_GAINS_TITLE, GAINS_FIGURE))
        # A bar says that a pair was tested, so it takes all pairs.
        if shown.ranking and shown.baseline is None:
            place = {index: number for number, index in enumerate(shown.ranking.networks)}
            apart = [
                (place[pair.first], place[pair.second])
                for pair in shown.pairs
                if pair.signed_rank < LEVEL and pair.first in place and pair.second in place
            ]
            labels = [found.networks[index].label for index in shown.ranking.networks]
            title = f"ranks by {found.score.title} over {len(found.sets)} data sets"
            draw_critical_difference(labels, shown.ranking.ranks, apart, title, folder / RANKS_FIGURE)
            drawn.append((_RANKS_TITLE, RANKS_FIGURE))
    return drawn


def _html(found: Across, shown: Findings, folder: Path, figures: Sequence[tuple[str, str]], command: str) -> str:
    # A verdict keeps its sign beside it.
    style = shared_style() + "td.verdict { white-space: nowrap; }\n"
    pair_header, pair_rows = pair_cells(found, shown)
    words = power(found, shown)
    return (
        page_environment("segbench.reporting.across")
        .get_template("across.html.j2")
        .render(
            mark=Markup(MARK),  # noqa: S704 - our own words
            title=TITLE,
            names=found.names,
            answer=verdict(found, shown),
            power=[*words, *found.missing, *found.caveats],
            facts=_facts(found, shown),
            scores=score_cells(found, shown),
            sets=len(found.names),
            metric=found.score.title_with_unit,
            pair_header=pair_header,
            pair_rows=[(row, *_TONES[row[2]]) for row in pair_rows],
            together=len(shown.pairs) > 1,
            figures=[(title, data_uri(read_bytes((folder / name).with_suffix(".svg"), folder), "svg+xml"), name)
                     for title, name in figures],
            notes=[line for line in notes(found, shown) if line not in {*words, *found.missing, *found.caveats}],
            command=command,
            files=(README, SCORES, GAINS, LATEX),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            style=Markup(style),  # noqa: S704 - the package's own file
            policy=content_policy(style),
        )
    )  # fmt: skip


def _facts(found: Across, shown: Findings) -> list[tuple[str, str]]:
    complete = sum(network.complete for network in found.networks)
    facts = [("data sets", str(len(found.sets))), ("networks", str(len(found.networks)))]
    facts += [("in every data set", str(complete))] if complete < len(found.networks) else []
    facts.append(("runs finished", str(sum(len(comparison.done) for comparison in found.sets))))
    facts += [("alike within", f"{shown.margin:g} {found.score.unit}".rstrip())] if isfinite(shown.margin) else []
    return facts
