"""A survey on the terminal: what to look at, the parts of the split, what a run takes, and settings."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from segbench.survey.look import Survey
from segbench.survey.page import answer, cost_rows
from segbench.terminal import say, shown
from segbench.words import listed


def print_survey(survey: Survey, console: Console) -> None:
    """Print a survey.

    Args:
        survey: What was found.
        console: Where to.
    """
    console.print(_split(survey))
    say(console, answer(survey), "bold")
    for finding in survey.findings:
        named = f" ({listed(finding.images)})" if finding.images else ""
        say(console, f"  {finding.title}{named}. {finding.do}")
    if survey.cost:
        for name, words in cost_rows(survey.cost):
            if name != "parameters":
                say(console, f"{name}: {words}")
    for proposal in survey.proposals:
        say(console, f"try {proposal.override}: {proposal.reason}")


def _split(survey: Survey) -> Table:
    """Return the parts of the split with the share of each class; of many classes, the number in each."""
    table = Table(title=None)
    names = survey.data.class_names if survey.data.num_classes <= 8 else ()
    for column in ("split", "images", "groups", "empty", *(f"{name} %" for name in names)):
        table.add_column(shown(column), justify="left" if column == "split" else "right")
    for share in survey.shares:
        cells = [f"{100 * share.fraction(label):.2f}" for label in range(len(names))]
        table.add_row(shown(share.name), str(share.images), str(share.groups), str(len(share.empty)), *cells)
    return table
