"""The overview of a folder of results pages as one HTML page, whose tables are sorted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from segbench.pages import content_policy, page_environment, shared_style
from segbench.reporting.html.scores import Cell, Column, Line, SortableTable


@dataclass(frozen=True)
class OverviewLine:
    """A line of a table: what it is called, where that leads, and its further cells as text."""

    name: str
    href: str
    cells: tuple[str, ...]


def overview_page(
    experiments: Sequence[OverviewLine], claims: Sequence[OverviewLine], command: str, note: str = ""
) -> str:
    """Return the page; nothing is fetched, and no script of a text's runs.

    Args:
        experiments: Of each experiment the verdict, the question and the answer.
        claims: Of each claim of a report, which is its name, the verdict, what was measured and the experiment.
        command: The command that makes it.
        note: What has to be said of the answers.
    """
    style, script = shared_style(), table_script()
    return (
        page_environment(str(__package__))
        .get_template("overview.html.j2")
        .render(
            experiments=_table(("experiment", "verdict", "question", "answer"), experiments),
            claims=_table(("claim", "verdict", "measured", "experiment"), claims),
            command=command,
            note=note,
            style=Markup(style),  # noqa: S704 - the package's own files
            script=Markup(script),  # noqa: S704
            policy=content_policy(style, [script]),
        )
    )


def table_script() -> str:
    """Return the script that sorts and filters tables."""
    return (files(__package__) / "templates" / "script.js").read_text(encoding="utf-8")


def _table(titles: Sequence[str], lines: Sequence[OverviewLine]) -> SortableTable:
    columns = tuple(Column(title, "text") for title in titles)
    rows = [[Cell(line.name, line.name, href=line.href), *(Cell(cell, cell) for cell in line.cells)] for line in lines]
    return SortableTable(columns, tuple(Line(tuple(row)) for row in rows))
