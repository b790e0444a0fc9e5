"""A comparison for those who work in Python: its rows, verdict, tables and figures, shown by a notebook by itself."""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from segbench.reporting.comparison import model
from segbench.reporting.comparison.model import Row
from segbench.reporting.conclusions.evidence import Evidence, evidence
from segbench.reporting.conclusions.next_step import next_steps
from segbench.reporting.figures import draw_all
from segbench.reporting.page import write_report
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import cost_cells, other_score_cells, score_cells


@dataclass(frozen=True)
class Comparison:
    """What finished runs show.

    Attributes:
        compared: Rows, scores and costs, as every page and figure has them.
    """

    compared: model.Comparison

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row for each configuration: ``label``, ``scores`` (name to mean and spread), ``costs``, ``runs``."""
        return tuple(self.compared.rows)

    @property
    def evidence(self) -> Evidence:
        """Intervals, tests and what they decide."""
        return evidence(self.compared)

    @property
    def verdict(self) -> str:
        """``better``, ``alike`` or ``undecided``."""
        return str(self.evidence.verdict.word)

    @property
    def answer(self) -> str:
        """The verdict in a sentence."""
        return self.evidence.answer

    @property
    def next_step(self) -> str:
        """What is to be done first, with its command; empty where all is decided."""
        return next(("\n".join([step.text, *step.commands]) for step in next_steps(self.compared, self.evidence)), "")

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables as a report shows them: ``scores``, ``other scores`` and ``costs``."""
        cells = {"scores": score_cells, "other scores": other_score_cells, "costs": cost_cells}
        shown = {name: of(self.compared) for name, of in cells.items()}
        return {name: pd.DataFrame(rows, columns=header) for name, (header, rows) in shown.items()}

    @property
    def numbers(self) -> pd.DataFrame:
        """Every score of every row as numbers: ``table.csv``."""
        return pd.read_csv(io.StringIO(csv_text(self.compared)))

    def figures(self, folder: str | Path) -> dict[str, Path]:
        """Draw the report's figures into a folder; return title to PNG (SVG and PDF lie beside it).

        Raises:
            OSError: If the folder cannot be written.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        return {title: Path(folder, name) for title, name in draw_all(self.compared, self.evidence, Path(folder))}

    def report(self) -> list[Path]:
        """Write the page, tables and figures into the experiment's folder; return the files, the page first.

        Raises:
            ConfigError: If the folder cannot be written.
        """
        return write_report(self.compared)

    def __str__(self) -> str:
        table = self.tables["scores"].to_string(index=False)
        return "\n\n".join(part for part in (f"{self.verdict.upper()}  {self.answer}", table, self.next_step) if part)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: verdict, scores, what next."""
        table = self.tables["scores"].to_html(index=False, border=0)
        step = f"<p>What next. {escape(self.next_step)}</p>" if self.next_step else ""
        return f"<p><b>{escape(self.verdict.capitalize())}.</b> {escape(self.answer)}</p>{table}{step}"
