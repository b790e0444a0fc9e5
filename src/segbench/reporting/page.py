"""Reports on disk: each experiment's tables, figures and HTML page, and the results pages that gather them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from segbench.errors import ConfigError, StorageError
from segbench.pictures.canvas import KINDS
from segbench.reporting.collection.folders import place
from segbench.reporting.collection.looks import add_look
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import general_notes
from segbench.reporting.conclusions.provenance import Origin, provenance
from segbench.reporting.figures import FIGURES, FigureSpec, draw_all, figures_of
from segbench.reporting.html import html_page
from segbench.reporting.html.pictures import PANELS
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.markdown import markdown_code, markdown_line, markdown_link, markdown_text, pictures_in
from segbench.reporting.text.once import naming, with_notes
from segbench.reporting.text.sections import edges, find_parts
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import markdown_body, print_comparison
from segbench.runs.bounded import LISTS, read_bytes, read_text
from segbench.runs.files import atomic_open, sweep_abandoned, write_text
from segbench.terminal import say as show
from segbench.terminal import say_written

# The same table for reading, for further work and for a paper.
TABLES = ("table.md", "table.csv", "table.tex")
PAGE = "index.html"
MOST_PANELS = 6


def report_experiment(
    directory: Path, run_directories: Sequence[Path] | None, console: Console
) -> tuple[Comparison, list[Path]]:
    """Compare the runs of one experiment: print the tables and write them and the figures into its directory.

    Args:
        directory: The experiment's directory.
        run_directories: The runs of the latest sweep, which decide what is compared: of an experiment's earlier runs,
            those with other settings are excluded; runs without an experiment are compared only with those of their
            sweep. None = all in the directory are alike.
        console: Where the tables are printed.

    Returns:
        The comparison and the files written; none where no run is finished and there is a report of some that are.

    Raises:
        ConfigError: If there are no runs, they are not comparable, or the directory cannot be written.
    """
    runs = collect([directory])
    latest = None if run_directories is None else {place(path) for path in run_directories}
    if not runs or (latest is not None and not any(place(run.directory) in latest for run in runs)):
        raise ConfigError(f"{directory}: no runs here")
    comparison = compare(runs, latest=latest)
    print_comparison(comparison, console)
    if not comparison.done and _has_scores(directory):
        kept = f"No run is finished here, so the report of earlier ones stays: {directory / PAGE}"
        show(console, kept, soft_wrap=True)
        return comparison, []
    written = write_report(comparison)
    say_written(console, written)
    return comparison, written


def write_report(
    comparison: Comparison, command: str | None = None, figures: Sequence[FigureSpec] = FIGURES
) -> list[Path]:
    """Write the figures, :data:`TABLES` and :data:`PAGE` into the comparison's folder.

    Args:
        comparison: The experiment.
        command: The command that makes the report.
        figures: Which are tried.

    Returns:
        The files written; a figure without anything to show is none of them.

    Raises:
        ConfigError: If the directory cannot be written.
    """
    folder = comparison.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_abandoned(folder)
        found = evidence(comparison)
        _remove_pictures(folder, _former(folder / TABLES[0]))
        drawn = draw_all(comparison, found, folder, figures=figures)
        write_text(
            folder / "table.md", f"# {markdown_text(comparison.title)}\n\n{_section(comparison, drawn, command)}"
        )
        write_text(folder / "table.csv", csv_text(comparison))
        write_text(folder / "table.tex", latex_table(comparison, found))
        write_text(folder / PAGE, html_page(comparison, drawn, found, command))
        if comparison.done and comparison.out is None:
            rows = comparison.rows
            add_look(folder, {row.label: row.seeds for row in rows}, {row.label: row.planned for row in rows})
    except OSError as error:
        key = "paths.outputs" if comparison.out is None else "--out"
        raise ConfigError(f"{key}: cannot write the report into {folder}: {error.strerror or error}") from error
    return [folder / name for name in (PAGE, *TABLES, *(name for _, name in drawn))]


def update_page(
    page: Path,
    comparison: Comparison,
    command: str,
    pictures: bool = False,
    figures: Sequence[FigureSpec] = FIGURES,
) -> None:
    """Write one experiment's section of a results page, in place of its former one or at the end.

    Figures are copied into the folder named like the page, beside it. What people wrote outside the sections stays.

    Args:
        page: The Markdown page, ``results/carvana.md``; made if it is missing.
        comparison: The experiment, with its report already written (:func:`write_report`).
        command: The command that makes the report.
        pictures: Also copy prediction panels. They show images of the data set: only for data that may be passed on.
        figures: Which were tried for the report.

    Raises:
        ConfigError: If the page cannot be read or written.
    """
    begin, end = edges(markdown_line(comparison.title))
    try:
        try:
            text = read_text(page, largest=LISTS)
        except FileNotFoundError:
            text = f"# Results: {markdown_text(page.stem)}\n"
        former = next((part for part in find_parts(text) if text.startswith(f"{begin}\n", part.start)), None)
        # What is shown no more must not lie there to be committed.
        _remove_pictures(page.parent, former.body if former else "", page.stem)
        body = _section(comparison, _copy_figures(comparison, page, pictures, figures), command, alone=False)
        read = general_notes(comparison)
        section = f"{begin}\n## {markdown_text(comparison.title)}\n\n{body}{naming(read)}{end}\n"
        before, after = (text[: former.start], text[former.end :]) if former else (f"{text.rstrip()}\n\n", "")
        write_text(page, with_notes(f"{before}{section}{after}", read))
    except OSError as error:
        raise StorageError(f"--page {page}: cannot be updated: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"--page {page}: cannot be updated: {error}") from error


def _section(
    comparison: Comparison, figures: Sequence[tuple[str, str]], command: str | None, alone: bool = True
) -> str:
    """Return tables, figures and provenance as Markdown; figures are (title, path relative to the page)."""
    pictures = [
        f"{markdown_text(title[0].upper() + title[1:])}:\n\n!{markdown_link(title, path)}" for title, path in figures
    ]
    origin = "\n".join(_origin(line) for line in provenance(comparison.trained, comparison.title, command))
    return "\n\n".join(part for part in (markdown_body(comparison, alone).rstrip(), *pictures, origin) if part) + "\n"


def _origin(line: Origin) -> str:
    return " ".join(["-", markdown_text(line.text), "; ".join(map(markdown_code, line.commands))]).rstrip()


def _copy_figures(
    comparison: Comparison, page: Path, pictures: bool, figures: Sequence[FigureSpec]
) -> list[tuple[str, str]]:
    """Copy the figures and, if asked, the prediction panels of each row's first seed; return titles and paths."""
    folder = page.parent / page.stem
    folder.mkdir(parents=True, exist_ok=True)
    stem = comparison.title.removeprefix(f"{page.stem}/").replace("/", "-")
    sources = [
        (spec.title, comparison.folder, Path(spec.file), f"{stem}-{spec.file}")
        for spec in figures_of(comparison, figures)
        if pictures or not spec.shows_data
    ]
    for row in [row for row in comparison.rows if row.done and pictures][:MOST_PANELS]:
        name = plain(row.label)
        shown = row.done[0].each[0]
        title = f"predictions, {row.label}, seed {shown.seed}" + (", first fold" if row.done[0].folds else "")
        sources.append((title, shown.directory, PANELS, f"{stem}-{name}.png"))
    found = []
    for title, root, file, name in sources:
        with suppress(FileNotFoundError, ValueError):
            content = read_bytes(root / file, root)
            with atomic_open(folder / name) as stream:
                stream.write(content)
            found.append((title, f"{folder.name}/{name}"))
    return found


def _former(path: Path) -> str:
    """Return a file of an earlier report; empty where there is none that can be read."""
    with suppress(OSError, ValueError):
        return read_text(path, largest=LISTS)
    return ""


def _remove_pictures(folder: Path, text: str, inside: str = "") -> None:
    """Remove the pictures that an earlier report's text shows, as the new one may have others.

    Args:
        folder: Where the text lies.
        text: Its Markdown.
        inside: The folder in it that the pictures were written into; whatever lies elsewhere stays.
    """
    for path in map(Path, pictures_in(text)):
        if path.parent == Path(inside) and path.suffix == ".png":
            for kind in KINDS:
                (folder / path).with_suffix(f".{kind}").unlink(missing_ok=True)


def _has_scores(folder: Path) -> bool:
    """Say whether the report in a folder is of any finished run."""
    with suppress(csv.Error):
        rows = csv.DictReader(io.StringIO(_former(folder / TABLES[1])))
        return any(row.get("finished") not in (None, "", "0") for row in rows)
    return False


def plain(label: str) -> str:
    """Return a row's label, or the name of a score, as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-") or "run"
