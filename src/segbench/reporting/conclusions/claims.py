"""The claims of a report, judged by the runs: each holds, does not hold, or cannot be told apart from chance.

A claim names the configuration that wins and those it beats. It holds when the interval of the difference
(:mod:`segbench.reporting.statistics.intervals`; the seeds' part by all rows that vary alike,
:mod:`segbench.reporting.statistics.pooling`) lies above 0 for every rival, and does not hold when it lies below 0 for
one, or if a rival predicts the same on every image. One that says by how much (``by``) does not hold either when an
interval lies below the least gain that it names. It is *alike* when the intervals that are not above 0 lie within
the margin that the experiment states. With m rivals each interval has confidence 1 - 0.05 / m (Bonferroni), so that
with 95 % all m hold together. That is needed to refute a claim, as each rival is another chance to find one above the
winner; to hold it asks more than it must, since a winner that must beat every rival is already hard to call by chance.
Several claims of one experiment are not corrected for each other. Where looks are planned, a claim has the error rate
of the look. A claim can also be about what training shows (:mod:`segbench.reporting.statistics.measures`), which varies
over seeds alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any, Literal

from pydantic import ValidationError

from segbench.configuration.schema import Claim
from segbench.errors import ConfigError
from segbench.reporting.collection.factors import fits, show_value
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.statistics.decision import Decision
from segbench.reporting.statistics.degenerate import same_images
from segbench.reporting.statistics.families import LEVEL
from segbench.reporting.statistics.intervals import Difference, Shared, UnpairedError, paired_difference
from segbench.reporting.statistics.measures import measured_difference
from segbench.reporting.statistics.pooling import Pool
from segbench.scores.training import SHOWN_BY_TRAINING, TRAIN_GAP

_DECIDED = "by the decision on which row is best"
Verdict = Literal["holds", "does not hold", "alike", "undecided", "cannot be judged", "not judged"]


@dataclass(frozen=True)
class Rival:
    """A configuration that a claim says is beaten; ``difference`` is the winner's score minus this one's.

    Of a metric that is better when lower it is this one's minus the winner's, so that it is how much the winner gains.
    """

    label: str
    difference: Difference


@dataclass(frozen=True)
class Place:
    """Where the decision on the best row puts the winner of a claim to be that: one figure instead of one a rival.

    Attributes:
        rival: Label of the next row; of a winner that is ruled out, of the row that does it.
        gain: How much better the winner scores than it.
        low: Lower end of what the decision leaves possible; where it is open, against the best of the others.
        high: Its upper end.
        open: Whether it is open.
    """

    rival: str
    gain: float
    low: float
    high: float
    open: bool


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and what the runs say about it.

    Attributes:
        text: The claim as the report makes it.
        verdict: ``holds``, ``does not hold``, ``alike`` (no difference beyond the experiment's margin),
            ``undecided``; ``cannot be judged`` where runs are missing or cannot be paired; ``not judged`` for a claim
            that does not say in a readable form who beats whom.
        reason: Why there is no clear verdict, where that is more than the figures show; else empty.
        winner: Label of the row that is said to win; empty if there is none.
        rivals: Those it is said to beat that could be compared, by label in the order of the rows.
        by: Least and largest gain that the report gives, in units of the score, if it does.
        confidence: Of each rival's interval; 0 where none was to be computed.
        lower_is_better: Whether the winner is said to score lower, by a metric that is a distance.
        within: Difference below which a claim counts configurations as alike; 0 for a claim that one is better. The
            winner is then only the first that it names.
        metric: The score it is about where that is not the comparison's; else empty.
        margin: Within what the experiment counts rows as alike, of a claim that one is better; 0 where it states none.
        place: Of a claim that one row is the best of several, what was decided of it; None where the claim's own
            intervals judge it.
    """

    text: str
    verdict: Verdict
    reason: str = ""
    winner: str = ""
    rivals: tuple[Rival, ...] = ()
    by: tuple[float, float] | None = None
    confidence: float = 0.0
    lower_is_better: bool = False
    within: float = 0.0
    metric: str = ""
    margin: float = 0.0
    place: Place | None = None

    @property
    def tested(self) -> bool:
        """Whether there are figures behind the verdict."""
        return self.verdict in ("holds", "does not hold", "alike", "undecided")

    @property
    def strongest(self) -> Rival:
        """The rival that scores highest; where some are distinguishably above the winner, the highest of those."""
        return min(self.rivals, key=lambda rival: (rival.difference.sign >= 0, rival.difference.mean))


def judge(
    comparison: Comparison,
    entries: Sequence[Any],
    pool: Pool | None = None,
    rate: float = LEVEL,
    decision: Decision | None = None,
) -> tuple[JudgedClaim, ...]:
    """Judge claims by the rows of a comparison.

    Args:
        comparison: The rows, of which only finished runs count, and the split and convention; its deciding metric is
            that of claims that name no other.
        entries: ``comparison.claims`` as a run's configuration holds it.
        pool: Which rows share their variance between seeds, in the deciding metric; None for none.
        rate: Error rate of each claim; of one of several looks its share.
        decision: What is decided of the rows: where it asks which is best, it answers a claim that one is, too.
    """
    judged = tuple(_judge(comparison, entry, pool or Pool(), rate) for entry in entries)
    return judged if decision is None else tuple(_as_decided(claim, decision, comparison.rows) for claim in judged)


def _as_decided(claim: JudgedClaim, decision: Decision, rows: Sequence[Row]) -> JudgedClaim:
    """Let the decision answer what the claim's own intervals leave open: it corrects less, and holds as surely."""
    if claim.verdict == "alike" or not claim.tested or claim.metric or claim.within or decision.question != "best":
        return claim
    places = {row.label: index for index, row in enumerate(rows)}
    winner, others = places[claim.winner], {places[rival.label] for rival in claim.rivals}
    if len(others) < 2 or {winner, *others} != {standing.row for standing in decision.standings}:
        return claim
    out = winner in decision.ruled_out
    verdict: Verdict = "holds" if {*decision.shortlist} == {winner} else "does not hold" if out else "undecided"
    # A claimed gain asks more than which row is best; and a rival that predicts the same is seen by no test.
    if claim.verdict not in ("undecided", verdict) or (claim.by and not out):
        return claim
    place = _place(winner, decision, rows)
    # The claim's own figures would not show why.
    reason = _DECIDED if place is None and claim.verdict != verdict else claim.reason
    return replace(claim, verdict=verdict, reason=reason, place=place)


def _place(winner: int, decision: Decision, rows: Sequence[Row]) -> Place | None:
    """Return what the decision says of a row: against what rules it out, or else against the best of the others."""
    standing = next(one for one in decision.standings if one.row == winner)
    following = next(one.row for one in decision.standings if one.row != winner)
    against = (one for one in decision.compared if one.second == winner and one.verdict > 0)
    found = next(against, None) if standing.ruled_out else decision.between(winner, following)
    if found is None:
        return None
    first = found.first == winner
    gain, low, high = found.gains if first else (-found.gain, -found.high, -found.low)
    open_ = not standing.ruled_out and decision.winner is None
    low, high = (standing.low, standing.high) if open_ else (low, high)
    return Place(rows[found.second if first else found.first].label, gain, low, high, open_)


def _judge(comparison: Comparison, entry: Any, pool: Pool, rate: float) -> JudgedClaim:
    try:
        claim = Claim.model_validate(entry)
    except ValidationError:
        return JudgedClaim(str(entry.get("text") or entry), "not judged", "it does not name who beats whom")
    by = (min(claim.by), max(claim.by)) if claim.by else None
    other = claim.metric if claim.metric and claim.metric != comparison.metric else ""
    rows = comparison.rows
    first, *others = claim.alike or [claim.better or {}, *claim.than]
    winners = _fitting(rows, first)
    if len(winners) != 1 or not winners[0].done:
        return JudgedClaim(claim.text, "cannot be judged", _lacking(winners, first), by=by, metric=other)
    winner = winners[0]
    rivals, missing = _rivals(others, winner, rows)
    confidence = 1 - rate / max(1, len(rivals) + len(missing))
    # A margin is in units of the deciding metric, and so is the gap of two of its scores.
    margin = 0.0 if other not in ("", TRAIN_GAP) or claim.within else comparison.margin or 0.0
    found, reasons = [], [f"no finished run of {', '.join(missing)}"] if missing else []
    lower = False
    for rival in rivals:
        try:
            lower = other in SHOWN_BY_TRAINING or comparison.metric_named(other or comparison.metric).lower_is_better
            sides = (rival.done, winner.done) if lower else (winner.done, rival.done)
            shared = None if other else pool.between(rows.index(winner), rows.index(rival))
            found.append(Rival(rival.label, _difference(comparison, other, sides, confidence, shared)))
        except UnpairedError as error:
            reasons.append(f"{winner.label} and {rival.label}: {error}")
        except ConfigError as error:
            # The deciding metric all runs have; another score may be younger than some of them.
            reasons.append(f"{winner.label} and {rival.label}: {error}")
    if reasons:
        verdict: Verdict = "cannot be judged"
    else:
        same = [] if other in SHOWN_BY_TRAINING else _identical(winner, rivals, comparison)
        verdict, reasons = _verdict([rival.difference for rival in found], claim.within, margin, bool(same), by)
        reasons += same
    reason, within = "; ".join(reasons), claim.within or 0.0
    return JudgedClaim(
        claim.text, verdict, reason, winner.label, tuple(found), by, confidence, lower, within, other, margin
    )


def _difference(
    comparison: Comparison,
    other: str,
    sides: tuple[Sequence[Run], Sequence[Run]],
    confidence: float,
    shared: Shared | None,
) -> Difference:
    """Return the difference of two sides in another score than the deciding one, or in that if there is no other."""
    if other in SHOWN_BY_TRAINING:
        return measured_difference(other, *sides, comparison, confidence)
    name = comparison.metric_named(other or comparison.metric).name
    return paired_difference(*sides, comparison.split, name, comparison.convention, confidence, shared)


def _fitting(rows: Sequence[Row], where: dict[str, Any]) -> list[Row]:
    """Return the rows of these factor values."""
    return [row for row in rows if fits(row.runs[0], where)]


def _rivals(named: Sequence[dict[str, Any]], winner: Row, rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Return the rows with finished runs that a claim says are beaten (or alike), and the names of those without."""
    if not named:
        others = [row for row in rows if row is not winner]
        missing = [row.label for row in others if not row.done] or ([] if others else ["any other row"])
    else:
        fitting = [[row for row in _fitting(rows, where) if row is not winner] for where in named]
        others = [row for row in rows if any(row is member for members in fitting for member in members)]
        lost = [where for where, members in zip(named, fitting, strict=True) if not members]
        missing = [*(row.label for row in others if not row.done), *(_settings(where) for where in lost)]
    return [row for row in others if row.done], missing


def _verdict(
    differences: Sequence[Difference],
    within: float | None,
    margin: float,
    same: bool,
    by: tuple[float, float] | None = None,
) -> tuple[Verdict, list[str]]:
    reasons = []
    if any(len(difference.seeds) < 2 for difference in differences):
        reasons.append("with one shared seed the interval is for these trained networks only")
    if any(isnan(difference.low) and difference.images for difference in differences):
        reasons.append("one group of images decides the score, so there is no interval")
    if reasons:
        return "cannot be judged", reasons
    if within is not None:
        if any(difference.low > within or difference.high < -within for difference in differences):
            return "does not hold", []
        return ("holds" if all(_inside(each, within) for each in differences) else "undecided"), []
    signs = [difference.sign for difference in differences]
    if min(signs) < 0 or same:
        return "does not hold", []
    if by is not None and any(difference.high < by[0] for difference in differences):
        return "does not hold", ["it gains less than claimed"]
    if min(signs) > 0:
        return "holds", []
    alike = margin and all(each.sign > 0 or _inside(each, margin) for each in differences)
    return ("alike" if alike else "undecided"), []


def _inside(difference: Difference, margin: float) -> bool:
    return -margin < difference.low and difference.high < margin


def _identical(winner: Row, rivals: Sequence[Row], comparison: Comparison) -> list[str]:
    """Name the rivals that are the same as the winner, which no other seed or image would tell from it."""
    alike = [(rival, same_images(winner, rival, comparison.split)) for rival in rivals]
    made = comparison.task.same
    return [f"{rival.label}: identical {made} on all {images} images" for rival, images in alike if images]


def _lacking(rows: Sequence[Row], where: dict[str, Any]) -> str:
    """Say why rows that should be one finished row are not."""
    if len(rows) > 1:
        return f"{len(rows)} rows are {_settings(where)}"
    return f"no finished run of {rows[0].label if rows else _settings(where)}"


def _settings(where: dict[str, Any]) -> str:
    return ", ".join(f"{key}={show_value(value)}" for key, value in where.items())
