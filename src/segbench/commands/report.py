"""Tables and figures of finished runs: ``segbench report``, ``python src/report.py``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from segbench.errors import ConfigError, SegbenchError
from segbench.installation import typed
from segbench.reporting.across.command import add_across_options, report_across
from segbench.reporting.across.page import is_ours, require_no_runs
from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import Run, collect
from segbench.reporting.each import Wanted, experiments, write_all
from segbench.reporting.figures import with_own
from segbench.reporting.page import plain
from segbench.reporting.plan import add_plan_options, print_plan
from segbench.reporting.results import has_pages, rebuild
from segbench.runs.places import public
from segbench.scores.convention import Convention
from segbench.terminal import terminal
from segbench.words import visible

EXAMPLES = (
    "outputs/carvana/architectures",
    "outputs/carvana/* --page results/carvana.md",
    "outputs/runs --reduction pooled",
    "results",
    "--across outputs/carvana/architectures outputs/cells/architectures",
    "--plan outputs/carvana/architectures --seeds 3,5,10 --images 50,100",
)


class _PageParser(argparse.ArgumentParser):
    """Parses what stands on a page: whole names of options only, no help, and a fault is no end of the program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"its command is none of report's: {message}")


def parser(kind: type[argparse.ArgumentParser] = argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return the command line's parser."""
    result = kind(
        prog=typed("report"),
        description="Compare finished runs: prints tables and writes a page (index.html), tables (table.md, table.csv,"
        " table.tex) and figures into the experiment's directory. Nothing is retrained: every score is derived from"
        " the runs' stored counts.",
        epilog="\n".join(["examples:", *(f"  {typed('report')} {example}" for example in EXAMPLES)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("directories", nargs="*", type=Path, help="experiment or run directories; or a folder of"
                        " results pages, to rebuild them all with an overview")  # fmt: skip
    result.add_argument("--page", type=Path, help="results page (Markdown) to write, one section per experiment")
    result.add_argument("--out", type=Path, help="folder for the report, of several experiments one folder each in it;"
                        " by default the experiment's directory, and reports/... in it for another metric, split or"
                        " convention, so that the experiment's own page stays")  # fmt: skip
    result.add_argument("--pictures", action="store_true", help="also copy prediction panels beside the page; they"
                        " show images of the data set, so only for data that may be redistributed")  # fmt: skip
    result.add_argument("--mix", action="store_true", help="allow runs that differ in more than factors and seed")
    result.add_argument("--metric", help="score that decides, instead of the experiment's: iou, seg, iou_<class>, ...")
    result.add_argument("--split", help="split that is scored, instead of the experiment's: val, test, ...")
    result.add_argument("--reduction", choices=["per_image", "pooled"], default="per_image", help="average scores over"
                        " images (default), or derive them from all pixels pooled")  # fmt: skip
    result.add_argument("--background", action="store_true", help="count the background as a class")
    result.add_argument("--empty", choices=["nan", "one", "zero"], default="nan", help="score of a class that is in"
                        " neither truth nor prediction: left out (nan, default), 1 or 0")  # fmt: skip
    result.add_argument("--figure", action="append", default=[], metavar="MODULE", help="a module of your own that has"
                        " a FIGURE, drawn after the others; may be repeated")  # fmt: skip
    add_plan_options(result)
    add_across_options(result)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Report on the directories of the command line; return the exit code.

    A directory that cannot be compared or has no runs is named (exit code 2), and the others are still reported.

    Args:
        arguments: Command-line arguments; None for this process's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    known = parser()
    options = _at_home(known.parse_args(given))
    if not options.directories and not options.plan:
        known.error("give an experiment's directory, outputs/<experiment>")
    try:
        _require_used(options, known)
        if options.across:
            report_across(options, _convention(options), terminal(), _asked(options), _command(given))
            return 0
        if options.plan:
            print_plan(options, _convention(options), terminal(), _asked(options))
            return 0
        if len(options.directories) == 1 and has_pages(options.directories[0]):
            again = partial(_parse_page, trusted=options.figure)
            return rebuild(options.directories[0], again, report, print_error)
        return report(options, given)
    except SegbenchError as error:
        print_error(str(error))
        return error.exit_code


def report(options: argparse.Namespace, given: Sequence[str]) -> int:
    """Report on directories; return the exit code.

    Args:
        options: Of the command line.
        given: What was given as options.

    Raises:
        SegbenchError: If an option cannot be met.
    """
    figures = with_own(options.figure)
    runs = collect(options.directories, Console(stderr=True))
    without = [path for path in options.directories if not any(is_inside(run, path) for run in runs)]
    # outputs/* may hold a page over data sets.
    empty = [path for path in without if not is_ours(path)]
    for directory in empty:
        print_error(f"{directory}: no runs here; give an experiment's directory, outputs/<experiment>")
    if not runs:
        return ConfigError.exit_code
    out = _out_of_each(options, list(experiments(runs)))
    wanted = Wanted(
        convention=_convention(options),
        command=_command(given),
        mix=options.mix,
        asked=_asked(options),
        page=options.page,
        pictures=options.pictures,
        figures=figures,
        out=out.get,
    )
    worst = write_all(runs, wanted, terminal(), print_error)
    return max(worst, ConfigError.exit_code if empty else 0)


def _require_used(options: argparse.Namespace, known: argparse.ArgumentParser) -> None:
    """Refuse options of ``--across`` and ``--plan`` without it, where they would change nothing.

    Raises:
        ConfigError: If there is one.
    """
    if not options.across and (options.margin is not None or options.baseline is not None):
        name = "margin" if options.margin is not None else "baseline"
        raise ConfigError(
            f"--{name}: goes with --across; for one experiment give comparison.{name}= to the command that trained it,"
            " which trains nothing again"
        )
    if not options.plan:
        for name in ("sd", "seeds", "images"):
            if getattr(options, name) != known.get_default(name):
                raise ConfigError(f"--{name}: goes with --plan, which plans and reports nothing")


def _at_home(options: argparse.Namespace) -> argparse.Namespace:
    """Take ``~`` for the home also where a page holds it, quoted."""
    options.directories = [path.expanduser() for path in options.directories]
    options.page = options.page and options.page.expanduser()
    options.out = options.out and options.out.expanduser()
    return options


def _command(given: Sequence[str]) -> str:
    """Return the command line as people publish it."""
    return public(f"{typed('report')} {shlex.join(given)}")


def _out_of_each(options: argparse.Namespace, folders: Sequence[Path]) -> dict[Path, Path | None]:
    """Return where each experiment's report goes.

    Raises:
        ConfigError: If ``--out`` is an experiment's folder, or two reports would be written into one.
    """
    found = {folder: _out(options, len(folders) > 1, folder) for folder in folders}
    if options.out is not None:
        taken: dict[Path, Path] = {}
        for folder, out in found.items():
            assert out is not None
            require_no_runs(out)
            if (other := taken.setdefault(out, folder)) is not folder:
                raise ConfigError(f"--out {options.out}: {other} and {folder} would both be in {out}; one at a time")
    return found


def _out(options: argparse.Namespace, several: bool, experiment: Path) -> Path | None:
    """Return where an experiment's report goes: never over its page by another score; None for its directory."""
    if options.out is not None:
        # Of the whole name, without its root and .., which would lead out of the folder.
        return Path(options.out, *place(experiment).parts[1:][-2:]) if several else Path(options.out)
    other = [value for _, value in sorted(_asked(options).items())]
    other += ["pooled"] if options.reduction == "pooled" else []
    other += ["background"] if options.background else []
    other += [f"empty-{options.empty}"] if options.empty != "nan" else []
    return experiment / "reports" / plain("-".join(other)) if other else None


def _convention(options: argparse.Namespace) -> Convention:
    return Convention(options.reduction, options.background, options.empty)


def _asked(options: argparse.Namespace) -> dict[str, str]:
    return {key: value for key in ("metric", "split") if (value := getattr(options, key)) is not None}


def _parse_page(arguments: Sequence[str], trusted: Collection[str]) -> argparse.Namespace:
    """Return a page's options; refuse to import what a page names and the user does not."""
    options = _at_home(parser(_PageParser).parse_args(arguments))
    for name in options.figure:
        if name not in trusted:
            raise ConfigError(f"--figure {name}: a page asks for it; to draw it, give --figure {name} here as well")
    return options


def print_error(line: str) -> None:
    """Print one line on stderr."""
    print(visible(line), file=sys.stderr)


def is_inside(run: Run, directory: Path) -> bool:
    """Return whether a run is a directory of the command line or inside it."""
    return place(run.directory).is_relative_to(place(directory))


def command() -> int:
    """Report what was typed; return the exit code."""
    return main()
