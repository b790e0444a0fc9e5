"""The table of a campaign, on the terminal and in ``docs/guarantees.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from campaign.catalogue import CLASSES, Case
from campaign.program import ROOT
from campaign.results import Source
from campaign.trial import Outcome

PAGE = ROOT / "docs" / "guarantees.md"
BEGIN, END = "<!-- campaign -->", "<!-- end of campaign -->"
VERDICTS = ("traceback", "executed", "silent", "otherwise")
_HEADS = ("kinds of faults and attacks", "tried", "as promised", "traceback", "executed", "silently wrong", "otherwise")


def markdown(cases: Sequence[Case], outcomes: Mapping[str, Outcome], source: Source) -> str:
    """Return the table, with a line below it for each case that did not end as promised."""
    rows = [_HEADS, ("---", *["---:"] * (len(_HEADS) - 1))]
    for kind, title in CLASSES.items():
        found = [outcomes[case.id] for case in cases if case.kind == kind and case.id in outcomes]
        if found:
            counts = [sum(outcome.verdict == verdict for outcome in found) for verdict in ("promised", *VERDICTS)]
            rows.append((title, *map(str, [sum(counts), *counts])))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    reasons = {case.id: case.reason for case in cases}
    others = [outcome for outcome in outcomes.values() if outcome.verdict != "promised" and outcome.id in reasons]
    below = [f"- `{outcome.id}`: {outcome.verdict}: {_told(outcome, reasons)}" for outcome in others]
    when = f"Commit {source.commit}, {source.machine}."
    return "\n".join([*lines, "", when, *(["", *below] if below else [])])


def _told(outcome: Outcome, reasons: Mapping[str, str]) -> str:
    detail = " ".join(outcome.detail.split()).replace("|", "\\|").replace("<", "&lt;")
    return "; ".join(text for text in (detail, reasons[outcome.id]) if text)


def write(text: str, page: Path = PAGE) -> None:
    """Put the table between its marks on the page of guarantees.

    Raises:
        ValueError: If the page has no such marks.
    """
    before, mark, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page}: no marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
