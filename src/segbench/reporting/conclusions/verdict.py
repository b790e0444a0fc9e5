"""The verdict on a comparison's question: better, alike or undecided, and one sentence that says so in plain words.

**better**: shown by the decision (:mod:`segbench.reporting.statistics.decision`). **alike**: every row that may be the
best is at most the margin below the best, by simultaneous limits. **undecided**: neither; the sentence then says by how
much a row may still be better, which tells a near tie from ignorance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, isnan
from typing import Literal

from segbench.reporting.comparison.model import Comparison
from segbench.reporting.comparison.words import show_p
from segbench.reporting.conclusions.numbers import Figures, figures
from segbench.reporting.statistics.decision import Compared, Decision, Standing
from segbench.reporting.statistics.margin import Margin
from segbench.reporting.statistics.means import Mean
from segbench.words import listed, plural

Word = Literal["better", "alike", "undecided"]
# So many rows are named with their scores in one sentence.
_NAMED = 4


@dataclass(frozen=True)
class Verdict:
    """What is found.

    Attributes:
        word: In one word.
        sentence: In one sentence.
        detail: The figures behind it, in a second; empty where nothing was tested.
        rows: What it means for single rows (indices), in a word or two: ``may be best``.
        improving: Rows (indices) whose trainings that learned little or nothing were still improving when they ended.
    """

    word: Word
    sentence: str
    detail: str = ""
    rows: Mapping[int, str] = field(default_factory=dict)
    improving: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Asked:
    """A question with everything that its verdict is made of.

    Attributes:
        comparison: What was compared.
        means: Each row's mean.
        decision: What is decided, of the rows that are ranked.
        margin: Within what two rows are alike.
    """

    comparison: Comparison
    means: Sequence[Mean]
    decision: Decision
    margin: Margin

    @cached_property
    def labels(self) -> list[str]:
        """Each row in words."""
        return [row.label for row in self.comparison.rows]

    @cached_property
    def standings(self) -> dict[int, Standing]:
        """The standing of each row that took part, the best mean first."""
        return {one.row: one for one in self.decision.standings if not isnan(one.p)}

    @property
    def left_out(self) -> str:
        """Which ranked rows could not be compared, as a clause behind a sentence's end; empty if none."""
        lost = [self.labels[one.row] for one in self.decision.standings if isnan(one.p)]
        return f" {listed(lost)} could not be compared." if lost else ""

    def numbers(self, found: Compared) -> Figures:
        """Return how the figures of a comparison are written."""
        first, second = (self.means[row].mean for row in found.rows)
        return figures(self.comparison.score, found.gain, found.low, found.high, (first, second))

    def word(self, found: Compared) -> str:
        """Return the word for the first row of a comparison."""
        return word_of(found, self.margin)

    def by(self, found: Compared) -> str:
        """Return ``: Dice 0.86 against 0.83, by 0.03 [0.01, 0.05]``, the better one's first."""
        shown = self.numbers(found)
        first, second = (self.means[row].mean for row in found.rows)
        lower = ", where lower is better" if self.comparison.direction < 0 else ""
        gain = shown.gain(*found.gains)
        if self.comparison.direction * (first - second) * found.gain <= 0:
            # Their means are over other seeds than the comparison, which sees those that both have.
            return f", by {gain} on the seeds that both have{lower}"
        return f": {shown.score(first)} against {shown.amount(second)}{lower}, by {gain}"

    def detail(self, found: Sequence[Compared], limit: bool = True) -> str:
        """Return what stands behind the figures: p, confidence, how much was compared and, where asked, the margin."""
        p = by_chance(found[0].p) if len(found) == 1 else ""
        count = len(self.decision.compared)
        family = f"{'corrected' if p else 'Corrected'} for {count} comparisons" if count > 1 else ""
        seeds = len({run.seed for run in self.comparison.done})
        groups = max((len(set(part.groups)) for part in self.comparison.parts), default=0)
        unit = self.comparison.folds if self.comparison.folds else groups
        every = len({group for part in self.comparison.parts for group in part.groups})
        more = f" a run, {every} in all" if not self.comparison.folds and groups < every else ""
        parts = [p, family, f"{plural(seeds, 'seed')}, {unit} {self.comparison.unit}{more}", self.limit * limit]
        return f"{'; '.join(part for part in parts if part)}."

    @property
    def limit(self) -> str:
        """What counts as alike, as a clause; empty where there is no margin."""
        unit = f" {self.comparison.score.unit}".rstrip()
        noise = f"{self.margin.noise:g}{unit}"
        if isnan(self.margin.value):
            own = f"trained again, one configuration can differ from itself by {noise}, so these runs show no two alike"
            return f"{own} (comparison.margin says which difference matters)" if self.margin.noise else ""
        alike = f"alike means within {self.margin.value:g}{unit}"
        if not self.margin.proposed:
            return f"{alike}, as stated for this experiment (comparison.margin)"
        return f"{alike}, as one configuration trained again can differ by {noise} (comparison.margin sets another)"


def by_chance(p: float) -> str:
    """Return what a p-value says, in words that nobody takes for the probability that the finding is true."""
    # Two digits, but 100 in three: as such it would be 1e+02.
    share = "fewer than 0.1" if p < 0.001 else f"{float(f'{100 * p:.2g}'):g}"
    return (
        f"If rows were equal, {share} % of such experiments would show a difference at least as large ({_equation(p)})"
    )


def _equation(p: float) -> str:
    return f"p = {show_p(p)}".replace("= <", "<")


def word_of(found: Compared, margin: Margin) -> str:
    """Return ``better``, ``worse``, ``alike`` (the whole interval lies within the margin) or ``undecided``."""
    if found.verdict:
        return "better" if found.verdict > 0 else "worse"
    return "alike" if -margin.value < found.low and found.high < margin.value else "undecided"


def verdict(asked: Asked) -> Verdict:
    """Return the verdict of a decision in which at least two rows were compared."""
    if asked.decision.question == "best":
        return _best(asked)
    return _each(asked) if asked.decision.question == "pairs" else _against(asked)


def _best(asked: Asked) -> Verdict:
    decision, standings = asked.decision, asked.standings
    short = [row for row in decision.shortlist if row in standings]
    out = [row for row in decision.ruled_out if row in standings]
    single = len(short) == 1
    rows = dict.fromkeys(short, "best" if single else "may be best") | dict.fromkeys(out, "not best")
    if single:
        nearest = _nearest(asked, short[0])
        return Verdict("better", _winner(asked, nearest) + asked.left_out, asked.detail([nearest], limit=False), rows)
    alike = all(standings[row].low > -asked.margin.value for row in short)
    word: Word = "alike" if alike else "undecided"
    if len(standings) == 2:
        # Twice, both ways, where a row that could not be compared has the best mean.
        found = max((one for one in decision.compared if set(one.rows) == set(short)), key=lambda one: one.gain)
        sentence, behind = _two(asked, found, alike), [found]
    else:
        sentence, behind = _several(asked, short, out, alike), []
    rows |= dict.fromkeys(short, "alike") if alike and not out else {}
    return Verdict(word, sentence + asked.left_out, asked.detail(behind), rows)


def _nearest(asked: Asked, winner: int) -> Compared:
    """Return the winner's comparison with the best of the others by mean."""
    # Where it was tested with few rows, others may have ruled out the rest.
    own = [found for found in asked.decision.compared if found.first == winner] or list(asked.decision.compared)
    order = [one.row for one in asked.decision.standings]
    return min(own, key=lambda found: order.index(found.second))


def _winner(asked: Asked, found: Compared) -> str:
    first, second = (asked.labels[row] for row in found.rows)
    count = len(asked.standings)
    if count == 2:
        return f"{first} is better than {second}{asked.by(found)}."
    return f"{first} is the best of {count}{asked.by(found)} over {second}, the next."


def _two(asked: Asked, found: Compared, alike: bool) -> str:
    first, second = (asked.labels[row] for row in found.rows)
    shown = asked.numbers(found)
    scores = f"{shown.score(asked.means[found.first].mean)} and {shown.amount(asked.means[found.second].mean)}"
    if alike:
        apart = shown.amount(max(abs(found.low), abs(found.high)))
        return f"{first} and {second} are alike: {scores}, at most {apart} apart."
    neither = f"Neither {first} nor {second} is shown to be better: {scores}"
    if found.high - found.low >= asked.comparison.score.largest:
        return f"{neither}; of the difference hardly anything is known."
    ends = f"by up to {shown.amount(found.high)}, or worse by up to {shown.amount(-found.low)}"
    return f"{neither}; {first} may be better {ends}."


def _several(asked: Asked, short: Sequence[int], out: Sequence[int], alike: bool) -> str:
    """Return which of more than two rows may be the best, and by how much a row may still be."""
    lows = [asked.standings[row].low for row in short]
    furthest, lead = -min(lows), asked.standings[short[0]]
    shown = figures(asked.comparison.score, 0.0, lead.low, lead.high)
    named = [f"{asked.labels[row]} ({shown.score(asked.means[row].mean)})" for row in short[:1]]
    named += [f"{asked.labels[row]} ({shown.amount(asked.means[row].mean)})" for row in short[1:]]
    count = len(asked.standings)
    if out:
        are = "are alike, and one of them is the best" if alike else "may be the best"
        rest = "the other is not" if len(out) == 1 else f"the other {len(out)} are not"
        who = f"These {len(short)} of {count} {are}: {listed(named, _NAMED)}; {rest}."
    else:
        are = "are alike" if alike else "may be the best"
        who = f"{'All' if alike else 'Any of the'} {count} {are}: {listed(named, _NAMED)}."
    if not isfinite(furthest):
        return who
    if alike:
        return f"{who} None of them is more than {shown.amount(furthest)} below the best."
    first, last = (asked.labels[row] for row in (short[0], min(short, key=lambda row: asked.standings[row].low)))
    ends = f"ahead of all others by up to {shown.amount(lead.high)}, or behind the best by up to"
    # Which row keeps near ties from being alike.
    more = "" if last == first else f"; {last} may be behind the best by up to {shown.amount(furthest)}"
    return f"{who} {first} may be {ends} {shown.amount(-lead.low)}{more}."


def _against(asked: Asked) -> Verdict:
    """Return what is found of each row against the baseline."""
    decision, baseline = asked.decision, asked.decision.baseline
    assert baseline is not None
    words = {found.first: asked.word(found) for found in decision.compared}
    rows = {baseline: "baseline"} | words
    better = [found for found in decision.compared if words[found.first] == "better"]
    word: Word = "better" if better else "alike" if set(words.values()) == {"alike"} else "undecided"
    if len(decision.compared) == 1:
        return Verdict(*_pair(asked, decision.compared[0]), asked.detail(decision.compared), rows)
    clauses = []
    for kind in ("better", "worse", "alike", "undecided"):
        found = [one for one in decision.compared if words[one.first] == kind]
        by = [f"{asked.labels[one.first]} by {_gain(asked, one, kind)}" for one in found]
        names = [asked.labels[one.first] for one in found]
        if found:
            clauses.append(f"{kind}: {listed(by if kind in ('better', 'worse') else names, _NAMED)}")
    shown = figures(asked.comparison.score, *_widest(decision.compared))
    mean = shown.score(asked.means[baseline].mean)
    sentence = f"Against {asked.labels[baseline]} ({mean}), {'; '.join(clauses)}."
    return Verdict(word, sentence + asked.left_out, asked.detail([]), rows)


def _each(asked: Asked) -> Verdict:
    """Return how many of all pairs differ, and which most clearly."""
    compared = asked.decision.compared
    apart = [found for found in compared if found.verdict]
    alike = [found for found in compared if asked.word(found) == "alike"]
    leader = asked.decision.standings[0].row
    own = [found for found in compared if leader in found.rows]
    if len(compared) == 1:
        return Verdict(*_pair(asked, compared[0]), asked.detail(compared))
    wins = all(found.first == leader and found.verdict > 0 for found in own)
    word: Word = "better" if wins else "alike" if len(alike) == len(compared) else "undecided"
    counts = f"Of {len(compared)} pairs {len(apart)} differ, {len(alike)} are alike"
    sentence = f"{counts} and {len(compared) - len(apart) - len(alike)} are undecided"
    if apart:
        clearest = min(apart, key=lambda found: (found.p, -abs(found.gain)))
        first, second = (asked.labels[row] for row in clearest.rows)
        sentence += f"; most clearly {first} is better than {second}{asked.by(clearest)}"
    return Verdict(word, f"{sentence}.{asked.left_out}", asked.detail([]))


def _pair(asked: Asked, found: Compared) -> tuple[Word, str]:
    """Return the verdict of the only comparison."""
    kind = asked.word(found)
    if kind in ("alike", "undecided"):
        return ("alike" if kind == "alike" else "undecided"), _two(asked, found, kind == "alike")
    turned = found if found.verdict > 0 else _turned(found)
    first, second = (asked.labels[row] for row in turned.rows)
    return "better", f"{first} is better than {second}{asked.by(turned)}."


def _gain(asked: Asked, found: Compared, kind: str) -> str:
    shown = found if kind == "better" else _turned(found)
    return figures(asked.comparison.score, *shown.gains).gain(*shown.gains)


def _turned(found: Compared) -> Compared:
    return Compared(found.second, found.first, -found.gain, -found.high, -found.low, found.p, found.confidence)


def _widest(compared: Sequence[Compared]) -> tuple[float, float, float]:
    """Return the comparison with the widest interval, by which scores beside several are written."""
    widest = max(compared, key=lambda found: found.high - found.low)
    return 0.0, widest.low, widest.high
