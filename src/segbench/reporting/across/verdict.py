"""What is found over data sets, in sentences: the verdict first, then how much so many data sets can show."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, log2

from segbench.reporting.across.gains import ALIKE, BETTER, UNDECIDED, Findings, Pair
from segbench.reporting.across.table import Across
from segbench.reporting.comparison.words import show_p
from segbench.reporting.statistics.data_sets import detectable_gain, smallest_signed_rank
from segbench.reporting.statistics.families import LEVEL
from segbench.words import listed, plural

PLANNED = (5, 10, 20)
MOST_BEATEN = 2


def verdict(found: Across, shown: Findings) -> str:
    """Return the answer over data sets in one sentence, which claims no more than the corrected intervals do."""
    pairs = [pair for pair in shown.pairs if isfinite(pair.total.low)]
    if not shown.pairs:
        return "Undecided: no two networks can be paired in two data sets or more."
    over = _over(pairs or shown.pairs)
    if not pairs:
        return f"Undecided {over}: no two networks have a mean gain with an interval."
    if all(pair.verdict == ALIKE for pair in pairs):
        alike = _all_alike(found, shown, pairs)
        return f"{alike} {over}: no mean gain is beyond {shown.margin:g}{_unit(found)}{_held(pairs)}."
    leader, own = _leader(shown, pairs)
    if any(pair.verdict == BETTER for pair in pairs):
        clauses = [*_clauses(found, leader, own, _held(pairs)), *_better_elsewhere(found, leader, pairs)]
        return f"{'; '.join(clauses)}."
    names = _names(found, leader, [pair for pair in own if pair.verdict == UNDECIDED])
    if not names:
        (clause,) = _clauses(found, leader, own, "")
        another = "one another" if shown.baseline is None else found.networks[shown.baseline].label
        return f"{clause} {over}{_held(pairs)}; how the others compare with {another} is undecided."
    nearest = min(own, key=lambda pair: abs(pair.total.mean))
    return (
        f"Undecided {over}: {found.networks[leader].label} is ahead, over {found.networks[nearest.second].label}"
        f" {_amount(found, nearest)}{_held(pairs)}, which leaves open whether it is better than {listed(names)}."
    )


def power(found: Across, shown: Findings) -> list[str]:
    """Return how much so many data sets can show, one sentence each."""
    lines = []
    count, tests = len(found.sets), max(1, len(shown.pairs))
    least = smallest_signed_rank(count)
    corrected = f" after Holm's correction for {tests} pairs" if tests > 1 else ""
    if min(1.0, least * tests) > LEVEL:
        needed = ceil(1 + log2(tests / LEVEL))
        lines.append(
            f"With {count} data sets a rank test of two networks can never reach 5 %: its smallest p is"
            f" {min(1.0, least * tests):.3g}{corrected}; it takes {needed} data sets."
        )
    if isfinite(shown.deviation) and shown.deviation > 0:
        sizes = [count, *(size for size in PLANNED if size > count)]
        found_with = [f"{detectable_gain(shown.deviation, size, LEVEL / tests):.1g} with {size}" for size in sizes]
        lines.append(
            f"A true mean gain of about {', '.join(found_with)} data sets is found in 80 %, as far as gains vary over"
            f" data sets here (standard deviation {shown.deviation:.2g}{_unit(found)}, itself uncertain)."
        )
    if isfinite(shown.between) and shown.deviation > 0:
        share = shown.between**2 / shown.deviation**2
        advice = "more data sets" if share > 0.5 else "more seeds and images as well as more data sets"
        lines.append(
            f"Of the variance of gains about {100 * min(share, 1):.0f} % is between data sets (tau"
            f" {shown.between:.2g}{_unit(found)}) and the rest that of seeds and images: {advice} would narrow the"
            " intervals."
        )
    return lines


def ranks_line(found: Across, shown: Findings) -> str:
    """Return Friedman's test in words; why there is none where fewer than two networks are in every data set."""
    if shown.ranking is None:
        return "Fewer than two networks are in every data set, so there are no ranks."
    test, count = shown.ranking.test, len(shown.ranking.networks)
    how = "exact" if test.exact else "by Iman and Davenport's F"
    left = len(found.networks) - count
    without = f" ({plural(left, 'network')} that some data set lacks left out)" if left else ""
    p = show_p(test.p)
    return (
        f"Friedman's test of {count} networks over {len(found.sets)} data sets{without}: chi² = {test.statistic:.2f},"
        f" p {'' if p.startswith('<') else '= '}{p} ({how})."
    )


def _members(shown: Findings, pairs: list[Pair]) -> list[int]:
    compared = {index for pair in pairs for index in (pair.first, pair.second)}
    return [index for index in shown.order if index in compared]


def _all_alike(found: Across, shown: Findings, pairs: list[Pair]) -> str:
    labels = [found.networks[index].label for index in _members(shown, pairs) if index != shown.baseline]
    if shown.baseline is None or len(labels) == 1:
        return f"{listed([found.networks[index].label for index in _members(shown, pairs)])} are alike"
    # Two that are alike to a third may differ by more than the margin.
    return f"{listed(labels)} are each alike to {found.networks[shown.baseline].label}"


def _leader(shown: Findings, pairs: list[Pair]) -> tuple[int, list[Pair]]:
    """Return the network that is better than most and worse than none, by verdict and then by mean, and its pairs."""

    def worth(index: int) -> tuple[int, int, int]:
        beaten = sum(pair.verdict == BETTER and pair.second == index for pair in pairs)
        ahead = sum(pair.first == index for pair in pairs)
        return beaten, -ahead, shown.order.index(index)

    leader = min(_members(shown, pairs), key=worth)
    return leader, [pair for pair in pairs if leader in (pair.first, pair.second)]


def _clauses(found: Across, leader: int, own: list[Pair], held: str) -> list[str]:
    """Return what is known of the leader against the others, one clause for each verdict."""
    name, clauses = found.networks[leader].label, []
    by_verdict = {word: [pair for pair in own if pair.verdict == word] for word in (BETTER, ALIKE, UNDECIDED)}
    if won := by_verdict[BETTER]:
        nearest = min(won, key=lambda pair: pair.total.mean)
        least = f", over {found.networks[nearest.second].label}" if len(won) > 1 else ""
        names = listed(_names(found, leader, won))
        clauses.append(f"{name} is better than {names} {_over(won)}{least} {_amount(found, nearest)}{held}")
    if pairs := by_verdict[ALIKE]:
        others = _names(found, leader, pairs)
        # Two that are alike to a third may differ by more than the margin.
        each = f"{name} is alike to each of {listed(others)}"
        clauses.append(each if len(others) > 1 else f"{name} and {others[0]} are alike")
    if pairs := by_verdict[UNDECIDED]:
        clauses.append(f"whether {name} is better than {listed(_names(found, leader, pairs))} is undecided")
    return clauses


def _better_elsewhere(found: Across, leader: int, pairs: list[Pair]) -> list[str]:
    """Return which others are better than which, one clause for each that is beaten; of many, only their number."""
    beaten: dict[int, list[int]] = {}
    for pair in pairs:
        if pair.verdict == BETTER and leader not in (pair.first, pair.second):
            beaten.setdefault(pair.second, []).append(pair.first)
    if len(beaten) > MOST_BEATEN:
        others = [pair for pair in pairs if leader not in (pair.first, pair.second)]
        better = sum(pair.verdict == BETTER for pair in others)
        return [f"of the other {len(others)} pairs {better} are told apart"]
    clauses = []
    for second, winners in beaten.items():
        names = listed([found.networks[index].label for index in winners])
        verb = "are" if len(winners) > 1 else "is"
        clauses.append(f"{names} {verb} better than {found.networks[second].label}")
    return clauses


def _names(found: Across, leader: int, pairs: list[Pair]) -> list[str]:
    """Return the labels of the other network of each of the leader's pairs."""
    return [found.networks[pair.second if pair.first == leader else pair.first].label for pair in pairs]


def _amount(found: Across, pair: Pair) -> str:
    total, metric = pair.total, found.score.name.replace("_", " ")
    return f"by {total.mean:.4f} [{total.low:.4f}, {total.high:.4f}]{_unit(found)} in {metric}"


def _over(pairs: Sequence[Pair]) -> str:
    """Return ``over 5 data sets``, or ``over 4 to 5 data sets`` where some have not both networks of a pair."""
    counts = sorted({len(pair.gains) for pair in pairs})
    return f"over {counts[0]} to {counts[-1]} data sets" if len(counts) > 1 else f"over {counts[0]} data sets"


def _held(pairs: list[Pair]) -> str:
    return f" (95 % for all {len(pairs)} pairs together)" if len(pairs) > 1 else " (95 %)"


def _unit(found: Across) -> str:
    return f" {found.score.unit}".rstrip()
