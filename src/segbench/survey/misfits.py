"""Masks that fit their image less than the others fit theirs, and would fit it shifted, turned, or another image.

Everything is relative to the data set. A mask is suspect only if its score is low for this set, if the set's contours
follow edges at all, and if the change that mends it brings it to where most others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segbench.survey import fit
from segbench.survey.images import ImageFacts, Pictures

# A mask is looked at if its score is so many robust standard deviations below the median, or nearer to chance than to
# the median; and mended if it is not so far below, and has this part of the median.
_LOW, _NEAR_CHANCE, _MENDED = 2.5, 0.5, 0.6
# The spread of scores is taken to be at least this, so that not every mask of an easy set is odd.
_LEAST_SPREAD = 0.03
_LEAST_GAIN = 0.1
# Shorter contours say nothing: they fit by chance somewhere.
_LEAST_CONTOUR = 40.0
# What mends a mask must fit better than the next best of its kind (another shift, turn or mask) by this part of its
# score: by chance, the best of many is hardly better than the next.
_LEAST_MARGIN = 0.4
# Images that are looked at closely: those that fit least, and a sample that tells what is usual.
_MOST_SUSPECTS, _SAMPLE = 60, 40
# Shifts of one pixel of the small image are inaccuracy, of drawing or of ours.
_LEAST_SHIFT = 2
# What most masks of a set must have for it to tell about others: contours on edges, best where they are.
_TELLING_SCORE, _TELLING_SHARE = 0.1, 0.75
_LEAST_IMAGES = 8


@dataclass(frozen=True)
class Misfit:
    """A mask that would fit better otherwise.

    Attributes:
        kind: ``shifted``, ``turned``, ``swapped`` (with ``other``), or ``other's`` (that of ``other`` fits better).
        image: The image's record.
        score, better: The score as it is and after the change.
        shift: Rows down and columns right, in pixels of the stored image, that bring the mask to its place.
        turn: How the mask is to be turned, of :data:`segbench.survey.fit.TURNS`.
        other: The other image's record.
    """

    kind: Literal["shifted", "turned", "swapped", "other's"]
    image: int
    score: float
    better: float
    shift: tuple[int, int] = (0, 0)
    turn: str = ""
    other: int = -1


@dataclass(frozen=True)
class MaskFits:
    """How the masks of a data set fit their images.

    Attributes:
        told: Whether edges tell about masks here; if not, ``why`` says why.
        why: One clause.
        median, spread: Of the scores: median and robust standard deviation.
        misfits: What was found, the least fitting first.
        lowest: Records of the images whose masks fit least, whatever the reason.
    """

    told: bool
    why: str
    median: float = float("nan")
    spread: float = float("nan")
    misfits: tuple[Misfit, ...] = ()
    lowest: tuple[int, ...] = ()


def find_misfits(pictures: Pictures, facts: Sequence[ImageFacts]) -> MaskFits:
    """Look for masks that are shifted, turned or another image's.

    Args:
        pictures: The images.
        facts: What is known of each.
    """
    usable = [item for item in facts if item.contour >= _LEAST_CONTOUR and np.isfinite(item.fit)]
    if len(usable) < _LEAST_IMAGES:
        return MaskFits(False, f"only {len(usable)} masks have contours long enough")
    scores = np.array([item.fit for item in usable])
    median = float(np.median(scores))
    spread = max(_LEAST_SPREAD, 1.4826 * float(np.median(np.abs(scores - median))))
    order = np.argsort(scores, kind="stable")
    lowest = tuple(usable[place].index for place in order[:6])
    common = {"median": median, "spread": spread, "lowest": lowest}
    if median < _TELLING_SCORE:
        return MaskFits(False, f"their contours hardly follow edges (median {median:.2f})", **common)  # type: ignore[arg-type]
    usual = _Usual.of(pictures, [item for item in usable if abs(item.fit - median) <= _LOW * spread], median, spread)
    if usual.in_place < _TELLING_SHARE:
        share = f"{usual.in_place:.0%}"
        return MaskFits(False, f"only {share} of a sample of masks fit best where they are", **common)  # type: ignore[arg-type]
    fence = max(median - _LOW * spread, _NEAR_CHANCE * median)
    low = [usable[place] for place in order[:_MOST_SUSPECTS] if scores[place] < fence]
    found = _explained(pictures, low, usual)
    return MaskFits(True, "", misfits=tuple(found), **common)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Usual:
    """What is usual in a data set: the score that masks have, what shifting brings them, whether they are in place."""

    enough: float
    gain: float
    in_place: float

    @classmethod
    def of(cls, pictures: Pictures, usual: Sequence[ImageFacts], median: float, spread: float) -> _Usual:
        """Measure a sample, spread evenly over the images."""
        chosen = [usual[place] for place in np.linspace(0, len(usual) - 1, min(_SAMPLE, len(usual))).astype(int)]
        shifts = [_Suspect(pictures, item).shift for item in chosen]
        gains = [shift.score - item.fit for shift, item in zip(shifts, chosen, strict=True)]
        near = [max(abs(shift.rows), abs(shift.columns)) <= _LEAST_SHIFT for shift in shifts]
        enough = max(median - _LOW * spread, _MENDED * median)
        return cls(enough, float(np.quantile(gains, 0.9)), float(np.mean(near)))

    def mends(self, before: float, after: float) -> bool:
        """Return whether a change brings a mask to where most are, and more than it would any."""
        return after >= self.enough and after - before > _LEAST_GAIN + self.gain


class _Suspect:
    """An image that is looked at closely; its edges and contours are computed once."""

    def __init__(self, pictures: Pictures, facts: ImageFacts) -> None:
        self.facts, self._pictures = facts, pictures

    @cached_property
    def edges(self) -> fit.Tensors:
        return fit.image_edges(self._pictures.small(self.facts.index))

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        return self._pictures.target(self.facts.index)

    @cached_property
    def contours(self) -> fit.Contours:
        return fit.mask_contours(self.mask, self._pictures.key)

    @cached_property
    def shift(self) -> fit.Shift:
        return fit.best_shift(self.edges, self.contours)

    def shifted(self) -> Misfit | None:
        """Return the best shift, if it is one."""
        shift, (height, width) = self.shift, self.edges.shape[1:]
        if max(abs(shift.rows), abs(shift.columns)) < _LEAST_SHIFT or not _stands_out(shift.score, shift.margin):
            return None
        scale = (self.facts.size[0] / height, self.facts.size[1] / width)
        pixels = (round(shift.rows * scale[0]), round(shift.columns * scale[1]))
        return Misfit("shifted", self.facts.index, self.facts.fit, shift.score, shift=pixels)

    def turned(self) -> Misfit | None:
        """Return the best way to turn the mask, near its place, if one is best."""
        masks = {turn: fit.turned(self.mask, turn) for turn in fit.TURNS}
        scores = {
            turn: fit.best_shift(self.edges, fit.mask_contours(mask, self._pictures.key), reach=0.03).score
            for turn, mask in masks.items()
            if mask.shape == self.mask.shape
        }
        turn, *others = sorted(scores, key=scores.__getitem__, reverse=True)
        if not _stands_out(scores[turn], scores[turn] - scores[others[0]]):
            return None
        return Misfit("turned", self.facts.index, self.facts.fit, scores[turn], turn=turn)


def _stands_out(score: float, margin: float) -> bool:
    return score > 0 and margin >= _LEAST_MARGIN * score


def _explained(pictures: Pictures, low: Sequence[ImageFacts], usual: _Usual) -> list[Misfit]:
    """Return, for each suspect, the change that mends it most, if there is one that does."""
    suspects = [_Suspect(pictures, item) for item in low]
    across = np.array([[_score(image, mask) for mask in suspects] for image in suspects]).reshape(len(low), len(low))
    found = []
    for place, suspect in enumerate(suspects):
        options = [suspect.shifted(), suspect.turned(), _of_others(place, suspects, across)]
        mending = [option for option in options if option and usual.mends(option.score, option.better)]
        if mending:
            found.append(max(mending, key=lambda option: option.better))
    return _pairs(found, {item.index: place for place, item in enumerate(low)}, across, usual)


def _of_others(place: int, suspects: Sequence[_Suspect], across: NDArray[np.float64]) -> Misfit | None:
    """Return the suspect whose mask fits this image best, if one does."""
    others = np.where(np.arange(len(suspects)) == place, 0, np.nan_to_num(across[place]))
    if len(others) < 2:
        return None
    order = np.argsort(-others)
    best = int(order[0])
    if not _stands_out(others[best], others[best] - others[order[1]]):
        return None
    facts, other = suspects[place].facts, suspects[best].facts
    return Misfit("other's", facts.index, facts.fit, float(others[best]), other=other.index)


def _score(image: _Suspect, mask: _Suspect) -> float:
    return fit.score(image.edges, mask.contours) if image.edges.shape == mask.contours.tensors.shape else float("nan")


def _pairs(found: Sequence[Misfit], places: dict[int, int], across: NDArray[np.float64], usual: _Usual) -> list[Misfit]:
    """Join two images whose masks fit each other's image to one pair.

    Where a mask stands out for one of the images, it is enough that the other way round it fits as well as others do.
    """
    joined, done = list[Misfit](), set[int]()
    for item in sorted(found, key=lambda item: item.kind != "other's"):
        if item.image in done:
            continue
        if item.kind == "other's":
            back = float(across[places[item.other], places[item.image]])
            if usual.mends(float(across[places[item.other], places[item.other]]), back):
                done |= {item.image, item.other}
                item = replace(item, kind="swapped")
        joined.append(item)
    return sorted(joined, key=lambda item: item.score)
