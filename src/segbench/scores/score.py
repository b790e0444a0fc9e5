"""What a score states of itself, and which score (and which class's) the name of a metric means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol


class Score(Protocol):
    """What tables, figures and tests ask of a score, whatever it is made of."""

    @property
    def name(self) -> str:
        """What configurations and tables call it, ``dice``."""

    @property
    def title(self) -> str:
        """What figures call it, ``Dice``; without its unit."""

    @property
    def unit(self) -> str:
        """Its unit, ``px`` say; empty for a share."""

    @property
    def lower_is_better(self) -> bool:
        """Whether of two values the lower one is better."""

    @property
    def largest(self) -> float:
        """The most that it can be in any image: 1 for a share, infinity for a distance. None is below 0."""

    @property
    def empty(self) -> str:
        """What a class scores that only truth or only prediction has, where a convention must be told; else empty."""


@dataclass(frozen=True)
class Share:
    """A score of 0 to 1, 1 at best.

    Attributes:
        name: What configurations and tables call it, ``pixel_accuracy``.
        title: What figures call it, ``pixel accuracy``.
    """

    name: str
    title: str
    unit: ClassVar[str] = ""
    lower_is_better: ClassVar[bool] = False
    largest: ClassVar[float] = 1.0
    empty: ClassVar[str] = ""


@dataclass(frozen=True)
class Metric:
    """What a name such as ``dice`` or ``dice_left ventricle`` means for the scores and classes that there are.

    Attributes:
        name: As it was asked for: ``<score>``, or ``<score>_<class>`` with the spaces of the class as underscores or
            not.
        score: The score.
        label: The class that it is of; None for the mean over classes, or for a score of all classes together.
        bound: The most that it can be in the images at hand, which its meaning does not depend on.
    """

    name: str
    score: Score
    label: str | None = None
    bound: float = field(default=float("inf"), compare=False)

    @property
    def title(self) -> str:
        """What figures call it: ``Dice left ventricle``."""
        return f"{self.score.title} {self.label or ''}".strip()

    @property
    def title_with_unit(self) -> str:
        """What stands at an axis: ``object Hausdorff distance in px``."""
        return f"{self.title} in {self.score.unit}" if self.score.unit else self.title

    @property
    def unit(self) -> str:
        """Its unit; empty for a share."""
        return self.score.unit

    @property
    def lower_is_better(self) -> bool:
        """Whether of two values the lower one is better."""
        return self.score.lower_is_better

    @property
    def direction(self) -> int:
        """1 where of two values the higher one is better, -1 where the lower one is."""
        return -1 if self.score.lower_is_better else 1

    @property
    def largest(self) -> float:
        """The most that it can be."""
        return min(self.score.largest, self.bound)


def empty_rules(scores: Iterable[Score]) -> list[str]:
    """Return ``<title>: <what a class on one side only scores>`` of the scores that state it, each once."""
    return list(dict.fromkeys(f"{score.title}: {score.empty}" for score in scores if score.empty))


def resolve(name: str, scores: Iterable[Score], classes: Callable[[Score], Iterable[str]]) -> Metric | None:
    """Return what a metric's name means; None where it is neither a score nor one of a class.

    A score's own name comes first. Of several readings of ``<score>_<class>`` the one with the longest score holds
    (``seg_cell_wall`` is ``seg_cell`` of the class ``wall``, should there be both), then the class as it is written.

    Args:
        name: The name.
        scores: All scores that there are.
        classes: Returns the names of the classes that have a score of their own.
    """
    known = list(scores)
    for score in known:
        if score.name == name:
            return Metric(name, score)
    # A comparison of a thousand runs asks a hundred thousand times: most scores are no beginning of the name.
    possible = [score for score in known if name.startswith(f"{score.name}_")]
    found = [
        Metric(name, score, label)
        for score in possible
        for label in classes(score)
        if name in spellings(score.name, label)
    ]
    return max(
        found, key=lambda metric: (len(metric.score.name), name == f"{metric.score.name}_{metric.label}"), default=None
    )


def spellings(score: str, label: str) -> tuple[str, str]:
    """Return the names by which the score of a class is asked for: ``dice_left ventricle``, ``dice_left_ventricle``."""
    return f"{score}_{label}", f"{score}_{label.replace(' ', '_')}"
