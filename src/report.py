"""Finished runs to tables and figures: ``python src/report.py outputs/carvana/architectures``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from segbench.errors import ConfigError, SegbenchError
from segbench.reporting.collection.runs import Run, collect, place
from segbench.reporting.figures import with_own
from segbench.reporting.page import write_all
from segbench.reporting.plan import add_plan_options, print_plan
from segbench.reporting.results import has_pages, rebuild
from segbench.scores.convention import Convention
from segbench.terminal import terminal

EXAMPLES = """examples:
  python src/report.py outputs/carvana/architectures
  python src/report.py outputs/carvana/* --page results/carvana.md
  python src/report.py outputs/runs --reduction pooled
  python src/report.py results
  python src/report.py --plan outputs/carvana/architectures --seeds 3,5,10 --images 50,100"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    result = argparse.ArgumentParser(
        prog="python src/report.py",
        description="Compare finished runs: tables on the terminal; a page (index.html), tables (table.md, table.csv,"
        " table.tex) and figures in the experiment's directory. Nothing is trained again: every score is derived from"
        " the runs' counts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("directories", nargs="*", type=Path, help="experiment or run directories; or a folder of"
                        " results pages: all are made again, with an overview")  # fmt: skip
    result.add_argument("--page", type=Path, help="results page (Markdown) that gets a section for each experiment")
    result.add_argument("--pictures", action="store_true", help="copy prediction panels beside the page as well; they"
                        " show images of the data set, so only for data that may be passed on")  # fmt: skip
    result.add_argument("--mix", action="store_true", help="allow runs that differ in more than factors and seed")
    result.add_argument("--metric", help="score that decides, in place of the comparison's: iou, seg, iou_<class>, ...")
    result.add_argument("--split", help="split that is scored, in place of the comparison's: val, test, ...")
    result.add_argument("--reduction", choices=["per_image", "pooled"], default="per_image", help="scores are"
                        " means over images (default), or derived from all pixels at once")  # fmt: skip
    result.add_argument("--background", action="store_true", help="count the background as a class")
    result.add_argument("--empty", choices=["nan", "one", "zero"], default="nan", help="score of a class that neither"
                        " truth nor prediction contains: left out (nan, default), 1 or 0")  # fmt: skip
    result.add_argument("--figure", action="append", default=[], metavar="MODULE", help="a module of your own with a"
                        " FIGURE, to be drawn behind the others; may be given several times")  # fmt: skip
    add_plan_options(result)
    return result


def main(arguments: Sequence[str] | None = None, trusted: Collection[str] | None = None) -> int:
    """Report on the directories of the command line; return the exit code.

    One that is refused (2) or has no runs (2) is named, and the others are reported all the same.

    Args:
        arguments: Of the command line; None for this process's.
        trusted: Modules that ``--figure`` may name; None for any, as in a command that the user typed.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(given)
    if not options.directories and not options.plan:
        parser().error("give an experiment's directory, outputs/<experiment>")
    try:
        modules = _checked(options.figure, trusted)
        convention = Convention(options.reduction, options.background, options.empty)
        asked = {key: value for key in ("metric", "split") if (value := getattr(options, key)) is not None}
        if options.plan:
            print_plan(options, convention, terminal(), asked)
            return 0
        if len(options.directories) == 1 and has_pages(options.directories[0]):
            return rebuild(options.directories[0], lambda again: main(again, modules), complain)
        figures = with_own(modules)
        runs = collect(options.directories, Console(stderr=True))
        empty = [path for path in options.directories if not any(inside(run, path) for run in runs)]
        for directory in empty:
            complain(f"{directory}: no runs here; give an experiment's directory, outputs/<experiment>")
        if not runs:
            return ConfigError.exit_code
        command = shlex.join(["python", "src/report.py", *given])
        worst = write_all(
            runs, convention, options.mix, options.page, command, terminal(), options.pictures, complain, asked, figures
        )
    except SegbenchError as error:
        complain(str(error))
        return error.exit_code
    return max(worst, ConfigError.exit_code if empty else 0)


def _checked(modules: Sequence[str], trusted: Collection[str] | None) -> Sequence[str]:
    """Refuse to import what a page names and the user does not: anybody may have written the page."""
    for name in modules:
        if trusted is not None and name not in trusted:
            raise ConfigError(f"--figure {name}: a page asks for it; to draw it, give --figure {name} here as well")
    return modules


def complain(line: str) -> None:
    """Print one line where errors go."""
    print(line, file=sys.stderr)


def inside(run: Run, directory: Path) -> bool:
    """Say whether a run lies in a directory of the command line, or is it."""
    return place(run.directory).is_relative_to(place(directory))


if __name__ == "__main__":
    sys.exit(main())
