"""The decision on an experiment's question: which rows may be the best, or are better than a baseline.

Only the comparisons that the question needs are corrected for each other:

- **best**: each row against every other, whether that is better: multiple comparisons with the best (J. C. Hsu, Ann.
  Stat. 12 (1984) 1136-1144; Multiple Comparisons, 1996, chapter 4). A row that another is shown to be better than is
  ruled out, the rest is the **shortlist**. In 95 % of experiments the true best is on it. A row is never ruled out by
  a comparison that a two-sided test at 5 % would not find, so that of two equal rows, too, one is called better in 5 %.
  Where many rows are equal and the best, each of them is on it in 95 %, but not all at once.
- **baseline**: every other row against one, both ways (Dunnett).
- **pairs**: all pairs, both ways (Tukey; pairs of rows that share no variance by Bonferroni).

What is printed is what is decided: an interval leaves out 0 if and only if its p-value is below 5 %. The seeds' part of
every error comes from all rows that vary alike (:mod:`segbench.reporting.statistics.pooling`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from segbench.configuration.schema import Family
from segbench.reporting.statistics.families import LEVEL
from segbench.reporting.statistics.pooling import Pool


@dataclass(frozen=True)
class Compared:
    """A comparison that the question asks for.

    Attributes:
        first: Index of a row; of the best and of pairs the one that scores better, of a baseline the other row.
        second: Index of another; of a baseline the baseline.
        gain: How much better the first scores, in units of the score; positive also where lower is better.
        low: Lower end of the interval that belongs to the decision.
        high: Its upper end.
        p: The corrected p-value; below 0.05 if and only if the interval leaves out 0. At one of several looks it is
            corrected for these too.
        confidence: Of this interval alone, at least 0.95; all of a family hold together with 95 %, of the best those of
            the ends that rule out.
    """

    first: int
    second: int
    gain: float
    low: float
    high: float
    p: float
    confidence: float

    @property
    def rows(self) -> tuple[int, int]:
        """Both rows."""
        return self.first, self.second

    @property
    def gains(self) -> tuple[float, float, float]:
        """The gain and the ends of its interval."""
        return self.gain, self.low, self.high

    @property
    def verdict(self) -> int:
        """1 where the first is shown to be better, -1 where worse, else 0."""
        return (1 if self.gain > 0 else -1) if self.p < LEVEL else 0


@dataclass(frozen=True)
class Standing:
    """What the question's comparisons say of one row.

    Attributes:
        row: Index of the row.
        ruled_out: Whether another row is shown to be better (question ``best``).
        low: Lower limit of how much better it is than the best of the others, at most 0 (Hsu's constrained intervals,
            which hold for all rows together with 95 %); NaN where it was not compared with all that remain.
        high: Upper limit of the same, at least 0; 0 for a row that is ruled out.
        p: Corrected p-value of the clearest comparison that speaks against the row; NaN where nothing was tested.
        rival: The row of that comparison; None where nothing was tested.
    """

    row: int
    ruled_out: bool
    low: float
    high: float
    p: float
    rival: int | None


@dataclass(frozen=True)
class Decision:
    """What is decided.

    Attributes:
        question: What was asked.
        baseline: Index of the baseline's row, of that question; else None.
        standings: One per row that has a score, the best first; empty limits unless the question is ``best``.
        compared: The comparisons, best row first.
        levels: Error rate of each comparison alone, two-sided, from the strictest to the least strict.
        pool: Which rows share their variance between seeds, and which do not, and why.
    """

    question: Family
    baseline: int | None = None
    standings: tuple[Standing, ...] = ()
    compared: tuple[Compared, ...] = ()
    levels: tuple[float, float] = (LEVEL, LEVEL)
    pool: Pool = field(default_factory=Pool)

    @property
    def shortlist(self) -> tuple[int, ...]:
        """Rows that may be the best, the best mean first; empty unless that was asked."""
        asked = self.question == "best"
        return tuple(standing.row for standing in self.standings if not standing.ruled_out) if asked else ()

    @property
    def ruled_out(self) -> tuple[int, ...]:
        """Rows that are shown not to be the best, the best mean first."""
        return tuple(standing.row for standing in self.standings if standing.ruled_out)

    @property
    def winner(self) -> int | None:
        """The row that alone remains of several; None where more do, or the best was not asked for."""
        return self.shortlist[0] if len(self.shortlist) == 1 and len(self.standings) > 1 else None

    @property
    def pooled(self) -> bool:
        """Whether rows share their variance between seeds."""
        return bool(self.pool.own)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the shared variance between seeds; NaN where none is shared."""
        return self.pool.freedom if self.pooled else float("nan")

    def between(self, one: int, other: int) -> Compared | None:
        """Return the comparison of two rows, whichever is named first; None where it is not part of the question."""
        return next((found for found in self.compared if set(found.rows) == {one, other}), None)
