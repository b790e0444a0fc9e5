"""The page's tables as cells that a template can set and a script can sort: configurations, pairs and claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.reporting.collection.factors import show_value
from segbench.reporting.comparison.columns import averages, score_names
from segbench.reporting.comparison.estimate import Estimate
from segbench.reporting.comparison.model import COSTS, Comparison, Row
from segbench.reporting.comparison.words import BETTER, NOTHING, show_better, show_p
from segbench.reporting.conclusions.claim_words import measured
from segbench.reporting.conclusions.claims import JudgedClaim
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.conclusions.reading import LETTERS, ends_hint, verdict_hint
from segbench.reporting.conclusions.tuning import tuning_cells
from segbench.reporting.conclusions.verdict import word_of
from segbench.reporting.html.dot_plot import DotPlot, dot_plots
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.families import LEVEL
from segbench.reporting.text.tables import cost_cells, mcnemar_cells, one_vs_rest_cells

MOST_PAIRS = 200
SHORT_NAME = 18
# Sign beside the word, for readers who do not see the colour.
VERDICTS = {"holds": ("yes", "✓"), "does not hold": ("no", "✗"), "alike": ("open", "="),
            "undecided": ("open", "?")}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Its head.
        kind: ``text``, ``number`` or ``dot-plot`` (drawn, and not sorted by).
        group: Name of the group of columns that is shown and hidden together; empty for those that always stand.
        down: Whether the first click sorts from high to low.
        hint: What the column says, for who points at its head.
    """

    title: str
    kind: str = "number"
    group: str = ""
    down: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, a smaller addition, the key it is sorted by (empty: always last), and where it leads."""

    text: str
    key: str = ""
    small: str = ""
    href: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a table; ``top`` marks those that no other is shown to beat."""

    cells: tuple[Cell, ...]
    dot_plot: DotPlot | None = None
    top: bool = False


@dataclass(frozen=True)
class SortableTable:
    """Columns and lines; ``sorted_by`` is the index of the column that the lines are sorted by, as by a first click."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    sorted_by: int | None = None
    scale: tuple[str, str] = ("", "")

    @property
    def short(self) -> bool:
        """Whether the names in the first column are short enough for a phone to keep each on one line."""
        return all(len(line.cells[0].text) <= SHORT_NAME for line in self.lines)

    @property
    def words(self) -> bool:
        """Whether it has words alone, which a phone shows one below the other."""
        return all(column.kind == "text" for column in self.columns)

    @property
    def groups(self) -> list[str]:
        """Names of the groups of columns, in order."""
        return list(dict.fromkeys(column.group for column in self.columns if column.group))


def score_table(comparison: Comparison, evidence: Evidence) -> SortableTable:
    """Return the table of configurations, the best score first."""
    names = score_names(comparison)
    drawn, scale = dot_plots(comparison, evidence)
    published = any(row.published for row in comparison.rows)
    ranges = any(mean.ranges for mean in evidence.means)
    columns = _factor_columns(comparison)
    position = len(columns)
    hint = "mean and standard deviation over seeds"
    lower = {name: comparison.metric_named(name).lower_is_better for name in names}
    columns += [Column(_heading(name, comparison), down=not lower[name], hint=hint) for name in names[:1]]
    columns += [Column(f"seeds and {'range' if ranges else 'interval'}", "dot-plot")] if drawn else []
    columns += [
        Column(evidence.ends, down=True, hint=ends_hint(comparison, evidence)),
        Column("verdict", "text", hint=verdict_hint(comparison)),
    ]
    columns += [Column("letters", "text", hint=f"compact letter display: {LETTERS}")] if any(evidence.letters) else []
    columns += [
        Column(_heading(name, comparison), down=not lower[name], group=_group(name, comparison)) for name in names[1:]
    ]
    columns += [Column("published", down=True, group="published"), Column("ours − published", down=True,
                group="published")] if published else []  # fmt: skip
    costs = _costs(comparison)
    columns += [column for column, _ in costs]
    columns.append(Column("runs", hint="finished, of those started"))
    order = sorted(range(len(comparison.rows)), key=lambda index: _from_the_best(comparison, index))
    lines = []
    for index in order:
        row = comparison.rows[index]
        cells = [Cell(show_value(value), _key(value)) for value in row.values] or [Cell("all runs")]
        cells += [_estimate(row.scores[name]) for name in names[:1]]
        cells += [Cell("")] if drawn else []
        cells += _evidence_cells(evidence, index)
        cells += [_estimate(row.scores[name]) for name in names[1:]]
        cells += _published_cells(row) if published else []
        cells += [texts[index] for _, texts in costs]
        cells.append(Cell(comparison.finished(index), str(len(row.done))))
        lines.append(Line(tuple(cells), drawn[index] if drawn else None, index in evidence.top))
    return SortableTable(tuple(columns), tuple(lines), position if names else None, scale)


def pair_table(comparison: Comparison, evidence: Evidence) -> tuple[SortableTable, int]:
    """Return the table of the comparisons that the question needs, and how many were left out of it."""
    together = f"of the gain; all of them hold together with {1 - evidence.rate:.1%}"
    stretched = f"; stretched, so that below {LEVEL} is decided at this look" if evidence.rate < LEVEL else ""
    ends = ("row", "baseline") if comparison.family == "baseline" else ("better in the mean", "than")
    unit = f" ({comparison.score.unit})" if comparison.score.unit else ""
    hint = (
        f"share of seeds and {comparison.unit} in which it scores better; where it is all, or there is one seed, they"
        " are counted: that is no certainty for others"
    )
    # Where an image is right or wrong, most are the same in both rows: in how many one is better says little.
    better = [Column(BETTER, down=True, hint=hint)] if comparison.graded else []
    columns = (
        *(Column(title, "text") for title in ends),
        Column("verdict", "text", hint="alike: the whole interval lies within the margin"),
        Column(f"gain{unit}", down=True, hint="how much better the first is, also where lower is better"),
        Column("interval", down=True, hint=together),
        Column("p", hint="how many of such experiments would show as large a gain if there were none, corrected for all"
               f" comparisons of this table{stretched}; not how likely the verdict is"),
        *better,
        Column("effect size", down=True, hint="mean of the paired differences by their standard deviation"),
    )  # fmt: skip
    ordered = evidence.decision.compared
    lines = [Line(tuple(_pair_cells(comparison, evidence, one)), top=one.verdict != 0) for one in ordered[:MOST_PAIRS]]
    return SortableTable(columns, tuple(lines)), max(0, len(ordered) - MOST_PAIRS)


def mcnemar_table(comparison: Comparison) -> SortableTable:
    """Return McNemar's tests of every pair of classifiers; no lines where an image can be more or less right."""
    header, rows = mcnemar_cells(comparison)
    columns = [Column(title, "text" if index < 2 else "number", down=index == 2) for index, title in enumerate(header)]
    lines = [Line(tuple(Cell(cell, "" if cell == NOTHING else cell.split(" ")[0]) for cell in row)) for row in rows]
    return SortableTable(tuple(columns), tuple(lines))


def averaged_table(comparison: Comparison) -> SortableTable:
    """Return the macro and micro averages of each class against the rest; no lines where there are none."""
    header, rows = one_vs_rest_cells(comparison)
    words = len(header) - len(averages(comparison))
    columns = [Column(title, "text" if index < words else "number", down=True) for index, title in enumerate(header)]
    lines = [Line(tuple(Cell(cell, "" if cell == NOTHING else cell.split(" ")[0]) for cell in row)) for row in rows]
    return SortableTable(tuple(columns), tuple(lines))


def tuning_table(comparison: Comparison) -> SortableTable:
    """Return the budget of trials of each configuration and the values that they chose; no lines where none did."""
    header, rows = tuning_cells(comparison)
    words = len(comparison.factors) or 1
    columns = [Column(title, "text" if index < words else "number") for index, title in enumerate(header)]
    lines = [Line(tuple(Cell(cell, "" if cell == NOTHING else cell) for cell in row)) for row in rows]
    return SortableTable(tuple(columns), tuple(lines))


def claim_views(claims: Sequence[JudgedClaim], unit: str) -> list[dict[str, str]]:
    """Return each claim's text, verdict, its tone and sign, reason, and what was measured."""
    views = []
    for claim in claims:
        tone, sign = VERDICTS.get(claim.verdict, ("none", "?"))
        view = {"text": claim.text, "verdict": str(claim.verdict), "tone": tone, "sign": sign}
        views.append(view | {"reason": claim.reason, "measured": measured(claim, unit)})
    return views


def show_interval(low: float, high: float, form: str = ".4f") -> str:
    """Return ``[0.8123, 0.9012]``, or a dash where there is none."""
    return f"[{low:{form}}, {high:{form}}]" if math.isfinite(low) and math.isfinite(high) else NOTHING


def _factor_columns(comparison: Comparison) -> list[Column]:
    columns = []
    for index, factor in enumerate(comparison.factors):
        numbers = all(isinstance(row.values[index], int | float) for row in comparison.rows)
        columns.append(Column(factor, "number" if numbers else "text"))
    return columns or [Column("configuration", "text")]


def _heading(name: str, comparison: Comparison) -> str:
    """Return a metric's name with its unit."""
    unit = comparison.metric_named(name).unit
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def _group(name: str, comparison: Comparison) -> str:
    return "other scores" if comparison.metric_named(name).label is None else "classes"


def _from_the_best(comparison: Comparison, index: int) -> float:
    row = comparison.rows[index]
    mean = row.scores[comparison.metric].mean if row.scores else math.nan
    return -comparison.direction * mean if math.isfinite(mean) else math.inf


def _estimate(value: Estimate) -> Cell:
    if not value.n:
        return Cell(NOTHING)
    return Cell(f"{value.mean:.4f}", repr(value.mean), "" if value.spread is None else f"± {value.spread:.4f}")


def _evidence_cells(evidence: Evidence, index: int) -> list[Cell]:
    mean, letters, standing = evidence.means[index], evidence.letters[index], evidence.verdict.rows.get(index, "")
    cells = [Cell(show_interval(mean.low, mean.high), _number_key(mean.low)), Cell(standing or NOTHING, standing)]
    return [*cells, Cell(letters or NOTHING, letters)] if any(evidence.letters) else cells


def _published_cells(row: Row) -> list[Cell]:
    if row.published is None:
        return [Cell(NOTHING), Cell(NOTHING)]
    difference = row.published.difference
    shown = Cell(f"{difference:+.4f}", repr(difference)) if math.isfinite(difference) else Cell(NOTHING)
    return [Cell(f"{row.published.value:g}", repr(row.published.value)), shown]


def _costs(comparison: Comparison) -> list[tuple[Column, list[Cell]]]:
    """Return the cost columns that have anything to show, each with one cell for each row."""
    if not comparison.done:
        return []
    header, rows = cost_cells(comparison)
    start = len(header) - len(COSTS) - 1
    found = []
    for offset, key in enumerate(COSTS):
        cells = [
            Cell(cells[start + offset], _number_key(row.costs[key].mean))
            for row, cells in zip(comparison.rows, rows, strict=True)
        ]
        if any(cell.key for cell in cells):
            found.append((Column(header[start + offset], group="cost"), cells))
    return found


def _pair_cells(comparison: Comparison, evidence: Evidence, found: Compared) -> list[Cell]:
    labels = [comparison.rows[index].label for index in found.rows]
    pair = evidence.pair(*found.rows)
    better, effect, cases, seeds = math.nan, math.nan, 0, 0
    if pair is not None:
        better = pair.probability if comparison.direction > 0 else 1 - pair.probability
        effect, cases, seeds = comparison.direction * pair.effect, pair.cases, len(pair.difference.seeds)
    word = word_of(found, evidence.margin)
    return [
        *(Cell(label, label) for label in labels),
        Cell(word, word),
        Cell(f"{found.gain:+.4f}", repr(found.gain)),
        Cell(show_interval(found.low, found.high, "+.4f"), _number_key(found.low)),
        Cell(show_p(found.p), _number_key(found.p)),
        *([Cell(show_better(better, cases, seeds), _number_key(better))] if comparison.graded else []),
        Cell(f"{effect:+.2f}" if math.isfinite(effect) else NOTHING, _number_key(effect)),
    ]


def _key(value: object) -> str:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else show_value(value)


def _number_key(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""
