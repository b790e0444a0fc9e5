"""The command line of ``python src/report.py --across``: its options, and from directories to a page."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Hashable, Mapping
from hashlib import sha256
from math import nan
from pathlib import Path

from rich.console import Console

from segbench.errors import ConfigError
from segbench.reporting.across.gains import findings
from segbench.reporting.across.page import require_free, write_across
from segbench.reporting.across.table import Across, across
from segbench.reporting.across.text import print_across
from segbench.reporting.collection.folders import place
from segbench.reporting.collection.runs import Run, collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.each import experiments
from segbench.scores.convention import Convention
from segbench.terminal import say_written
from segbench.words import listed

# Of shares: A. Benavoli et al., J. Mach. Learn. Res. 18 (77) (2017), take classifiers within 1 % for equivalent.
MARGIN = 0.01
LONGEST_NAME = 80


def add_across_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--across`` and what belongs to it to the report's command line."""
    group = parser.add_argument_group("several data sets")
    group.add_argument("--across", action="store_true", help="one answer over data sets: join the rows of these"
                       " experiments, one a data set, by equal factor values; gains, ranks and figures go into --out"
                       " (default: across-<experiments> beside them)")  # fmt: skip
    group.add_argument("--margin", type=_margin, help="gains within it are alike, in units of the score (default:"
                       " comparison.margin where all state one, else 0.01 for shares, none for distances)")  # fmt: skip
    group.add_argument("--baseline", help="compare each network with this one alone, by its name in the tables"
                       " (default: comparison.baseline where all state the same, else all pairs)")  # fmt: skip


def report_across(
    options: argparse.Namespace,
    convention: Convention,
    console: Console,
    asked: Mapping[str, str],
    command: str,
) -> None:
    """Compare networks over the data sets of the command line, print the tables and write the page.

    Args:
        options: ``directories``, ``mix``, ``out``, ``margin``, ``baseline``; of others, those that do not fit.
        convention: How counts become scores.
        console: Where to print.
        asked: As for :func:`segbench.reporting.comparison.build.compare`.
        command: The command that makes the page.

    Raises:
        ConfigError: If a directory has no runs, or the experiments do not fit together.
        StorageError: If the page cannot be written.
    """
    for name in ("plan", "page", "pictures", "figure"):
        if getattr(options, name):
            raise ConfigError(f"--{name} does not go with --across; leave one of them out")
    if options.out is not None:
        require_free(options.out)
    found = across([_compared(group, convention, options.mix, asked) for group in _experiments(options)])
    shown = findings(found, _margin_of(found, options.margin), _baseline_of(found, options.baseline))
    folder = options.out or default_folder([comparison.directory for comparison in found.sets])
    # Before anything is printed, which `| head` ends.
    written = write_across(found, shown, folder, command)
    print_across(found, shown, console)
    say_written(console, written)


def default_folder(directories: list[Path]) -> Path:
    """Return a folder beside the experiments that is named after them."""
    parents = [place(directory).parent for directory in directories]
    common = Path(os.path.commonpath(parents))
    if common.parent == common:
        raise ConfigError("--across: the experiments lie in no folder together; name one by --out")
    names = [re.sub(r"[^A-Za-z0-9.]+", "-", str(place(path).relative_to(common))).strip("-") for path in directories]
    name = "+".join(names)
    if len(name) > LONGEST_NAME:
        # Ten data sets: their number, and a digest that tells them from ten others.
        name = f"{len(names)}-data-sets-{sha256(name.encode()).hexdigest()[:8]}"
    # Shown as it was given, where that is shorter.
    folder = common / f"across-{name}"
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _experiments(options: argparse.Namespace) -> list[list[Run]]:
    """Return the runs of each experiment, in the order of the command line."""
    console = Console(stderr=True)
    gathered: dict[Path, list[Run]] = {}
    for directory in options.directories:
        found = experiments(collect([directory], console))
        if not found:
            raise ConfigError(f"{directory}: no runs here; give an experiment's directory, outputs/<experiment>")
        gathered |= {place(folder): runs for folder, runs in found.items()}
    return list(gathered.values())


def _compared(runs: list[Run], convention: Convention, mix: bool, asked: Mapping[str, str]) -> Comparison:
    comparison = compare(runs, convention, mix, asked)
    if not comparison.done:
        raise ConfigError(f"{comparison.directory}: no finished run here; finish it or leave it out of --across")
    return comparison


def _margin_of(found: Across, asked: float | None) -> float:
    """Return the margin that was asked for, that all experiments state, or that of shares; NaN for distances."""
    if asked is not None:
        return asked
    stated = [comparison.margin for comparison in found.sets]
    if stated[0] is not None and len(set(stated)) == 1:
        return stated[0]
    return MARGIN if found.score.largest == 1 else nan


def _baseline_of(found: Across, asked: str | None) -> int | None:
    """Return the index of the baseline that was asked for, or that all experiments state; None for all pairs.

    Raises:
        ConfigError: If no network has that name.
    """
    labels = [network.label for network in found.networks]
    if asked is None:
        stated = {_values(comparison) for comparison in found.sets}
        known = [frozenset(zip(found.factors, network.values, strict=True)) for network in found.networks]
        (one,) = stated if len(stated) == 1 else (None,)
        return known.index(one) if one is not None and one in known else None
    if asked not in labels:
        raise ConfigError(f"--baseline {asked}: no network has this name; there are {listed(labels, 8)}")
    return labels.index(asked)


def _values(comparison: Comparison) -> frozenset[tuple[str, Hashable]] | None:
    """Return the factor values of an experiment's baseline, if it has one."""
    if comparison.baseline is None:
        return None
    row = comparison.rows[comparison.baseline]
    return frozenset(zip(row.factors, row.values, strict=True))


def _margin(text: str) -> float:
    """Parse a margin for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no margin, a number above 0 as 0.01")
    return value
