"""What a run made of the images of one split: the one interface from which reports derive every score.

A task is one file ``split_*.py`` beside this one: a class that offers :class:`SplitScores`, with a
:class:`TaskRecord` as ``RECORD``, by which it is found. Nothing that reads runs asks which task it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, ClassVar, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.masks import INDICES, MaskForm
from segbench.runs.rows import Rows
from segbench.scores.additive import Additive
from segbench.scores.arithmetic import Floats
from segbench.scores.columns import ColumnScore
from segbench.scores.convention import Convention
from segbench.scores.score import Metric, Score, resolve, spellings


@dataclass(frozen=True)
class About:
    """What a scores file says of itself.

    Attributes:
        task: Name of the task that made it.
        background: Whether class 0 is a background.
        scores: The scores of its further columns.
    """

    task: str
    background: bool = True
    scores: tuple[ColumnScore, ...] = ()


@dataclass(frozen=True)
class TaskRecord:
    """What files, tables and figures ask of a task, whatever its runs scored.

    Attributes:
        name: What data modules and scores files call it.
        read: From the rows of a scores file, and what the file says of itself, to its splits by name; raises
            ``ValueError`` for rows that cannot be.
        convention: From the convention that is asked for (None: none in particular) and the splits that are compared
            to the one that holds; raises ``ConfigError`` for one that would play no role.
        scores: Those that every run of the task has, by name.
        metrics: Names of those that are shown whatever decides; the first decides where nothing else is asked for.
        class_score: The score that is shown of each class where the deciding one is of all classes together.
        counted: What is counted: ``labelled pixels`` or ``images``.
        masks: How kept truths and predictions say which classes a pixel has; None where they are no masks, which
            pictures could show.
        exclusive: Whether all that is counted has one class and is given one; micro scores then coincide.
        many_classes: Whether there may be more classes than columns of a table that is printed.
        bars: Scores of each class that are drawn as bars up to 1, with their titles.
        shortfalls: Scores of each class, all near 1, of which what is missing to 1 is drawn, with its titles.
        same: What is equal where :meth:`SplitScores.same` says so, in words.
    """

    name: str
    read: Callable[[Rows, About], Mapping[str, SplitScores]]
    convention: Callable[[Convention | None, Sequence[SplitScores]], Convention]
    scores: Mapping[str, Score]
    metrics: tuple[str, ...]
    class_score: str
    counted: str = "labelled pixels"
    masks: MaskForm | None = INDICES
    exclusive: bool = True
    many_classes: bool = False
    bars: Mapping[str, str] = field(default_factory=dict)
    shortfalls: Mapping[str, str] = field(default_factory=dict)
    same: str = "counts of right and wrong pixels"


@dataclass(frozen=True)
class ConfidentError:
    """A misclassified image: its place in the split, both classes, and the prediction's probability."""

    index: int
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Overview:
    """What is printed of a split when its run ends.

    Attributes:
        columns: Heads of the columns beside the class.
        classes: Each class with its cells.
        mean: The cells of the mean over classes.
        lines: What stands below, in sentences.
    """

    columns: tuple[str, ...]
    classes: tuple[tuple[str, tuple[str, ...]], ...]
    mean: tuple[str, ...]
    lines: tuple[str, ...]


class SplitScores(Protocol):
    """The scores of the N images of one split, and what they are made of.

    Each is itself and equal to no other (``@dataclass(frozen=True, eq=False)``): what was derived of it is kept by it.
    """

    record: ClassVar[TaskRecord]

    @property
    def ids(self) -> tuple[str, ...]:
        """The N image ids, sorted."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The N groups (car, patient, ...) of the images."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The C class names."""

    @property
    def background(self) -> bool:
        """Whether class 0 is a background, which is left out by default."""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The distinct sizes (height, width) at which images were scored, sorted; none where they play no role."""

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """Which class was taken for which in all images, int64 (C,C), rows the truth; None if it is not known."""

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """Which images are right as a whole, bool (N,); None where an image can be more or less right."""

    @property
    def scores(self) -> Mapping[str, Score]:
        """Every score that these images have, by name."""

    def scored_classes(self, score: Score) -> Sequence[str]:
        """Return the names of the classes that have a score of their own; none for a score of all classes together."""

    def bound(self, score: Score) -> float:
        """Return the most that a score of theirs can be in these images."""

    @property
    def shown_scores(self) -> tuple[str, ...]:
        """Names of the scores that tables show beside the deciding one."""

    @property
    def shown_classes(self) -> tuple[str, ...]:
        """Names of the classes that tables show."""

    def additive(self, metric: Metric, convention: Convention) -> Additive:
        """Return what adds up over the images, and the score of such sums; ``metric`` is of :func:`metric_of`."""

    def image_scores(self, metric: Metric, convention: Convention) -> Floats:
        """Return the score of every image, float64 (N,); NaN where it has none."""

    def same_images(self, other: Any) -> bool:
        """Whether another run of the task was scored on the same images with the same truth."""

    def same(self, other: Any, columns: bool = True) -> bool:
        """Whether another run of the task made the same of them, too; without columns by the predictions alone."""

    def constants(self) -> Mapping[str, Any]:
        """Return the split as networks would have made it that wrongly predict one thing everywhere, by its name."""

    @property
    def agreement(self) -> float:
        """How far the run agrees with the truth beyond chance, as :func:`segbench.scores.constant.agreement` has it."""

    def joined(self, others: Sequence[Any]) -> SplitScores:
        """Return these images and those of other runs of the task as one split.

        Raises:
            ValueError: If an image is in two of them, or their classes differ.
        """

    def confident_errors(self, most: int) -> Sequence[ConfidentError]:
        """Return the images that are wrong as a whole, the most confident first; none where :attr:`right` is None."""

    def overview(self) -> Overview:
        """Return what is printed when the run ends."""


def joined_order(parts: Sequence[SplitScores]) -> list[int]:
    """Return the order by id of the images of several splits, one after another.

    Raises:
        ValueError: If an image is in two of them, or their classes differ.
    """
    if len({part.class_names for part in parts}) > 1:
        raise ValueError("they are scored on different classes")
    ids = [name for part in parts for name in part.ids]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    if twice := [ids[a] for a, b in pairwise(order) if ids[a] == ids[b]]:
        raise ValueError(f"{twice[0]} is scored twice")
    return order


def in_order(order: Sequence[int], parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of several splits, one after another, in an order of :func:`joined_order`."""
    together = [name for part in parts for name in part]
    return tuple(together[index] for index in order)


def metric_of(split: SplitScores, name: str) -> Metric:
    """Return what a metric's name means for a split.

    Args:
        split: The scores of one split of one run.
        name: ``<score>`` or ``<score>_<class>`` of its scores and classes.

    Raises:
        ConfigError: If there is no such metric.
    """
    found = resolve(name, split.scores.values(), split.scored_classes)
    if found is None:
        known = [form for score in split.scores.values() for label in split.scored_classes(score)
                 for form in spellings(score.name, label)]  # fmt: skip
        close = get_close_matches(name, [*split.scores, *known], n=1, cutoff=0.75)
        further = "; start the run again with scores=<name> to add one, without training" if split.record.masks else ""
        hint = f"; did you mean {close[0]}?" if close else further
        raise ConfigError(
            f"no score {name!r} of a {split.record.name}; there are {', '.join(split.scores)}, <score>_<class>{hint}"
        )
    return replace(found, bound=split.bound(found.score))


def has_metric(split: SplitScores, name: str) -> bool:
    """Say whether a split has such a metric."""
    return resolve(name, split.scores.values(), split.scored_classes) is not None


def derive(split: SplitScores, name: str, convention: Convention) -> float:
    """Return one score of a split; worked out once.

    Args:
        split: The scores of one split of one run.
        name: As for :func:`metric_of`.
        convention: How; of a task that knows one way only it plays no role.

    Raises:
        ConfigError: If there is no such metric.
    """
    known = _KNOWN.setdefault(split, {})
    if (name, convention) not in known:
        known[name, convention] = split.additive(metric_of(split, name), convention).total
    return known[name, convention]


# Tables, figures and pages ask for the same scores.
_KNOWN: WeakKeyDictionary[SplitScores, dict[tuple[str, Convention], float]] = WeakKeyDictionary()
