"""What a judged claim says in words: what was measured, and how to read the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from segbench.reporting.conclusions.claims import JudgedClaim, Place, Rival
from segbench.reporting.statistics.intervals import Difference
from segbench.scores.training import SHOWN_BY_TRAINING
from segbench.words import listed, plural

MOST_SHOWN = 3
_HOLDS = (
    "A claim holds if every interval lies above 0 and does not hold if one lies below; few seeds make wide intervals,"
    " so undecided does not mean equal. Several rivals of a claim are corrected for (Bonferroni), several claims are"
    " not. The intervals do not cover what was chosen on the same images, such as the best epoch, nor other training"
    " images."
)
_ALIKE = (
    "A claim that configurations are alike holds if every interval lies within the margin that it names, and does not"
    " hold if one lies beyond it."
)
_BEST = (
    "A claim that one row is the best of several is answered by the decision, with its figure: the interval over the"
    " next row or over the one that is better, or, while both may be the best, the limits against the best of the"
    " others."
)
_MARGIN = "A claim that one is better is alike where every interval not above 0 lies within {} (comparison.margin)."


def measured(claim: JudgedClaim, unit: str = "group") -> str:
    """Return what was measured for a claim: each rival's difference, or of many the strongest one's and a count.

    A score that is not the comparison's is named first.

    Args:
        claim: The claim.
        unit: What images come together in, as :attr:`segbench.reporting.comparison.model.Comparison.single_unit`.
    """
    # Images of groups of images are said to be of groups.
    unit = unit.partition(" of ")[0]
    if claim.place is not None:
        return _placed(claim, claim.place, unit)
    named = f"{claim.metric.replace('_', ' ')}: " if claim.metric and claim.rivals else ""
    if len(claim.rivals) <= MOST_SHOWN:
        level = f"; each interval {claim.confidence:.1%}" if len(claim.rivals) > 1 else ""
        return named + "; ".join(_figures(claim, rival, unit) for rival in claim.rivals) + level
    signs = [rival.difference.sign for rival in claim.rivals]
    count = f"{claim.winner} is shown to be better than {signs.count(1)} of {len(signs)} rivals"
    text = f"{count} and worse than {signs.count(-1)}; the strongest: {_figures(claim, claim.strongest, unit)}"
    return f"{named}{text}; each interval {claim.confidence:.1%}"


def _placed(claim: JudgedClaim, place: Place, unit: str) -> str:
    """Return the one figure of a claim to be the best of several."""
    counted = f"({_counted(next(each.difference for each in claim.rivals if each.label == place.rival), unit)})"
    if not place.open:
        which = "the next" if claim.verdict == "holds" else "which is better"
        return f"{place.gain:+.4f} [{place.low:+.4f}, {place.high:+.4f}] over {place.rival}, {which} {counted}"
    known = (
        "hardly anything is known"
        if isnan(place.low)
        else (f"it may be ahead of all others by up to {place.high:.4f}, or behind the best by up to {-place.low:.4f}")
    )
    return f"{place.gain:+.4f} over {place.rival}; {known} {counted}"


def explanation(claims: Sequence[JudgedClaim], metric: str, split: str, unit: str) -> list[str]:
    """Return how to read the verdicts, a note for each kind of claim there is; empty where no claim was tested.

    A page shows once what several of its experiments say in the same words, so each note says one thing.
    """
    if not any(claim.tested for claim in claims):
        return []
    scores = {claim.metric or metric: claim.lower_is_better for claim in claims if claim.tested}
    shown = [name for name in scores if name in SHOWN_BY_TRAINING]
    margins = sorted({claim.margin for claim in claims} - {0.0})
    return [
        f"Claims: mean difference in {listed(list(scores))} ({split} split{_turned(scores)}) over equal seeds and the"
        f" same images, with the 95 % confidence interval for other seeds and other {unit}.",
        _HOLDS,
        *(
            f"{name}: {SHOWN_BY_TRAINING[name]}; its interval is for other seeds alone, and less is better."
            for name in shown
        ),
        *([_ALIKE] if any(claim.within for claim in claims) else []),
        *([_BEST] if any(claim.place for claim in claims) else []),
        *(_MARGIN.format(f"{margin:g}") for margin in margins),
    ]


def _turned(scores: Mapping[str, bool]) -> str:
    """Say of which scores (name to whether lower is better) a difference is the rival's minus the winner's, if any."""
    turned = [score for score, lower in scores.items() if lower]
    which = f" of {listed(turned)}" if turned and len(turned) < len(scores) else ""
    return f", rival minus winner{which}, as lower is better" if turned else ""


def _counted(found: Difference, unit: str) -> str:
    """Return ``3 seeds, 20 images``; what training shows has no images to vary over."""
    images = plural(found.images, "image") + (f" of {plural(found.groups, unit)}" * (found.groups < found.images))
    return ", ".join([plural(len(found.seeds), "seed"), *([images] if found.images else [])])


def _figures(claim: JudgedClaim, rival: Rival, unit: str) -> str:
    """Return ``+0.0120 [-0.0040, +0.0280] over ce (3 seeds, 20 images)``, and how that compares to the claimed gain."""
    found = rival.difference
    known = not isnan(found.low)
    interval = f"[{found.low:+.4f}, {found.high:+.4f}]" if known else "[no interval]"
    text = f"{found.mean:+.4f} {interval} over {rival.label} ({_counted(found, unit)})"
    if claim.within:
        return f"{text}; alike means within {claim.within:g}"
    if claim.by is None or not known:
        return text
    where = "above" if found.low > claim.by[1] else "below" if found.high < claim.by[0] else "overlaps"
    relation = "overlaps" if where == "overlaps" else f"lies {where}"
    return f"{text}; the interval {relation} the claimed {claim.by[0]:g} to {claim.by[1]:g}"
