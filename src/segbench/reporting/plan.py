"""Before a sweep: which difference so many seeds and images would find, ``python src/report.py --plan``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from rich.console import Console

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.words import NOTHING
from segbench.reporting.conclusions.evidence import difference_variances
from segbench.reporting.statistics.power import detectable
from segbench.reporting.statistics.variance_components import Components
from segbench.reporting.text.markdown import markdown_table
from segbench.scores.convention import Convention
from segbench.terminal import say
from segbench.words import plural

SEEDS = (1, 2, 3, 5, 10)
IMAGES = (20, 50, 100, 200, 500)
SOURCES = ("seed", "image", "rest")


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--plan`` and what belongs to it to the report's command line."""
    group = parser.add_argument_group("planning a sweep")
    group.add_argument("--plan", action="store_true", help="report nothing: print which difference between two"
                       " configurations would be found in 80 %% of experiments with so many seeds and images; how much"
                       " scores vary is taken from a finished experiment's directory, or --sd")  # fmt: skip
    group.add_argument("--sd", help="standard deviations of the difference between two configurations, of the same seed"
                       " on the same image: seed=0.005,image=0.03,rest=0.04")  # fmt: skip
    group.add_argument("--seeds", type=_counts, default=SEEDS, help="planned numbers of seeds (default 1,2,3,5,10)")
    group.add_argument("--images", type=_counts, default=IMAGES, help="planned numbers of images, or of groups where"
                       " images come in groups (default 20,50,100,200,500)")  # fmt: skip


def print_plan(
    options: argparse.Namespace, convention: Convention, console: Console, asked: Mapping[str, str] | None = None
) -> None:
    """Print the table of detectable differences.

    Args:
        options: Of the command line: ``directories``, ``sd``, ``seeds``, ``images``, ``mix``.
        convention: How counts become scores.
        console: Where to print.
        asked: As for :func:`segbench.reporting.comparison.build.compare`.

    Raises:
        ConfigError: Where it is not said, or the finished runs do not show, how much differences vary.
    """
    if options.sd is None:
        variances, origin = _pilot(options.directories, convention, options.mix, asked)
    elif options.directories:
        raise ConfigError("--plan: give an experiment's directory or --sd, not both")
    else:
        variances, origin = _given(options.sd), "--sd"
    for line in plan(variances, origin, options.seeds, options.images):
        say(console, line, soft_wrap=True)


def plan(variances: Components, origin: str, seeds: Sequence[int], images: Sequence[int]) -> list[str]:
    """Return the table, Markdown lines, and how to read it.

    Args:
        variances: Of the difference between two configurations, of the same seed on the same image (or group).
        origin: Where they come from, in words.
        seeds: Numbers of seeds, one row each.
        images: Numbers of images (or groups), one column each.
    """
    deviations = ", ".join(f"{key} {value**0.5:.4f}" for key, value in vars(variances).items())
    rows = []
    for count in seeds:
        found = [detectable(variances, count, number) for number in images]
        rows.append([f"{count}", *(NOTHING if isnan(value) else f"{value:.4f}" for value in found)])
    lines = [
        "Smallest true difference that is found with 80 % power by the paired test at 5 %:",
        "",
        markdown_table((["seeds \\ images", *(str(number) for number in images)], rows), 0),
        "",
        f"Standard deviations of the difference between two configurations: {deviations} ({origin}).",
        "Where images come in groups (a patient, a car), count groups instead of images. The test is that of the report"
        " (docs/statistics.md); a decision between more than two rows needs more.",
    ]
    if not variances.seed:
        lines.append(
            "What seeds add does not show beside the rest here, which does not make it 0; if it is more, so are these"
            " differences."
        )
    return [*lines, "One seed tells nothing from chance."] if 1 in seeds else lines


def _pilot(
    directories: Sequence[Path], convention: Convention, mix: bool, asked: Mapping[str, str] | None
) -> tuple[Components, str]:
    """Return the variances of a finished experiment's differences."""
    if len(directories) != 1:
        raise ConfigError("--plan: give one finished experiment's directory, or --sd seed=...,image=...,rest=...")
    runs = collect(directories)
    if not any(run.state == "done" for run in runs):
        raise ConfigError(f"{directories[0]}: no finished runs here to plan by; give --sd seed=...,image=...,rest=...")
    comparison = compare(runs, convention, mix, asked)
    if comparison.folds:
        raise ConfigError(
            f"{directories[0]}: cross-validated, so its differences vary by fold, not by image; give"
            " --sd seed=...,image=...,rest=..."
        )
    variances, pairs = difference_variances(comparison)
    if variances is None:
        raise ConfigError(
            f"{directories[0]}: to plan by, it takes two configurations with two shared seeds on the same images of two"
            " groups or more; give --sd seed=...,image=...,rest=..."
        )
    if not any(vars(variances).values()):
        raise ConfigError(
            f"{directories[0]}: its differences do not vary at all, so nothing can be planned by them; give --sd"
        )
    seeds = len({run.seed for run in comparison.done})
    counted = f"{plural(pairs, 'pair')} of configurations, {seeds} seeds"
    return variances, f"{comparison.title}, {comparison.metric} on {comparison.split}: {counted}; itself uncertain"


def _given(text: str) -> Components:
    """Return the variances that ``seed=0.005,image=0.03,rest=0.04`` says."""
    given: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        try:
            given[key.strip()] = float(value)
        except ValueError:
            given = {}
            break
    if sorted(given) != sorted(SOURCES) or not all(0 <= value < float("inf") for value in given.values()):
        raise ConfigError(f"--sd {text}: write seed=0.005,image=0.03,rest=0.04, each 0 or more")
    return Components(**{key: value**2 for key, value in given.items()})


def _counts(text: str) -> tuple[int, ...]:
    """Parse ``1,2,3`` for argparse."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers, 1 or more, as 3,5,10")
    return found
