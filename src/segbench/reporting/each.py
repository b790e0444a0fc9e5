"""Reports of any number of experiments: one that is refused costs the others nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from segbench.errors import SegbenchError
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.caveats import missing_runs
from segbench.reporting.figures import FIGURES, FigureSpec
from segbench.reporting.page import update_page, write_report
from segbench.reporting.text.tables import print_comparison
from segbench.scores.convention import Convention
from segbench.terminal import say_written
from segbench.words import first_line

log = logging.getLogger("segbench")


def experiments(runs: Sequence[Run]) -> dict[Path, list[Run]]:
    """Gather runs by the directory they lie in, which is their experiment's."""
    gathered: dict[Path, list[Run]] = {}
    for run in runs:
        gathered.setdefault(run.directory.parent, []).append(run)
    return gathered


@dataclass(frozen=True)
class Wanted:
    """What reports are to be.

    Attributes:
        convention: How counts become scores.
        mix, asked: As for :func:`segbench.reporting.comparison.build.compare`.
        command: The command that makes them.
        page: Results page that gets a section for each experiment; None for none.
        pictures: As for :func:`segbench.reporting.page.update_page`.
        figures: Which are tried.
        out: From an experiment's directory to where its report goes; None for the directory.
    """

    convention: Convention
    command: str
    mix: bool = False
    asked: Mapping[str, str] = field(default_factory=dict)
    page: Path | None = None
    pictures: bool = False
    figures: Sequence[FigureSpec] = FIGURES
    out: Callable[[Path], Path | None] = lambda _: None


def write_all(runs: Sequence[Run], wanted: Wanted, console: Console, say: Callable[[str], None] = print) -> int:
    """Report each experiment among the runs; one that is refused costs the others nothing.

    Args:
        runs: Runs of any number of experiments.
        wanted: What the reports are to be.
        console: Where the tables are printed.
        say: Takes one line for each experiment that is refused.

    Returns:
        The worst exit code: 0 where all were reported, and no run that was planned is missing.
    """
    worst = 0
    for directory, members in experiments(runs).items():
        try:
            comparison, written = _write_one(members, wanted, console)
        except SegbenchError as error:
            say(str(error))
            worst = max(worst, error.exit_code)
            continue
        except Exception as error:
            # Files that are no run's and that no check has refused must not cost the other experiments.
            log.debug("unexpected error", exc_info=error)
            say(f"{directory}: cannot be reported: unexpected {type(error).__name__}: {first_line(error)}")
            worst = max(worst, SegbenchError.exit_code)
            continue
        say_written(console, written)
        if lost := missing_runs(comparison):
            say(f"{comparison.directory}: {lost}")
            worst = max(worst, SegbenchError.exit_code)
    return worst


def _write_one(members: Sequence[Run], wanted: Wanted, console: Console) -> tuple[Comparison, list[Path]]:
    """Report one experiment; return what was compared and the files written."""
    comparison = compare(members, wanted.convention, wanted.mix, wanted.asked)
    comparison = replace(comparison, out=wanted.out(members[0].directory.parent))
    print_comparison(comparison, console)
    written = write_report(comparison, wanted.command, wanted.figures)
    if wanted.page is not None:
        update_page(wanted.page, comparison, wanted.command, wanted.pictures, wanted.figures)
        written.append(wanted.page)
    return comparison, written
