"""How often each class is in the training sets of an experiment, as bars with the percentages written beside them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure, SubFigure

from segbench.masks import MaskKey
from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.palette import COLOURS, rgb
from segbench.pictures.panels import class_colour
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures.spec import FigureSpec, without_evidence
from segbench.runs.split_scores import TaskRecord

MOST_PANELS = 6
BACKGROUND = (0.65, 0.65, 0.65)
# The foreground gets a scale of its own where its most frequent class is below this share of the longest bar.
ENLARGE_BELOW = 1 / 3
# Training sets are drawn as one if none has more of a class, or more images, than 1.25 times what another has. A class
# that is rarer than a thousandth of the pixels tells nobody apart.
ALIKE, NOTHING = 1.25, 0.001
# A letter of a share in words, and the axes that it stands in, alone and beside another: inches.
LETTER, WIDE, NARROW = 0.062, 6.0, 2.8


@dataclass(frozen=True)
class TrainingSet:
    """The training set of one or several runs, or the mean of several that look alike.

    Attributes:
        name: The data set.
        images: Number of training images, the fewest and the most; empty where the runs do not say.
        frequencies: Share of the labelled pixels of each class, background first.
        users: The runs that trained on it: row and seed.
        key: Tells the colours of the classes, and whether the first is a background.
        alike: Those that this one is the mean of; empty for one alone.
    """

    name: str
    images: tuple[int, ...]
    frequencies: dict[str, float]
    users: tuple[tuple[str, int | None], ...]
    key: MaskKey
    alike: tuple[TrainingSet, ...] = ()

    @property
    def sizes(self) -> tuple[float, ...]:
        """What is compared to see whether two look alike."""
        return (*self.images, *self.frequencies.values())


def draw_frequencies(comparison: Comparison, path: Path) -> None:
    """Draw each class's share of the labelled pixels (or images), a panel for each training set.

    Those that look alike, as folds of one data set do, share a panel: their mean, with the lowest and the highest.

    The scale is linear, so that lengths can be compared; a foreground that would be short bars beside a large
    background is drawn a second time, enlarged.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where no finished run tells its class frequencies; no file is written.
    """
    sets = merged(training_sets(comparison))
    if not sets:
        raise NothingToDrawError("no finished run tells the class frequencies of its training set")
    shown = sets[:MOST_PANELS]
    heights = [len(part.frequencies) * 0.28 + 0.8 for part in shown]
    heights[-1] += 0.25 * (len(sets) > len(shown))
    figure = Figure(figsize=(7.2, sum(heights) + 0.2), dpi=150, layout="constrained")
    parts = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False).ravel()
    for part, data in zip(parts, shown, strict=True):
        part.suptitle(_title(data, comparison, len(sets) > 1), fontsize=9)
        _draw(part, data, comparison.task)
    if len(sets) > len(shown):
        parts[-1].supxlabel(f"{len(sets) - len(shown)} more training sets are not shown", fontsize=8)
    save(figure, path)


def training_sets(comparison: Comparison) -> list[TrainingSet]:
    """Return the training sets that differ in name, number of images or class frequencies, in the order of the rows.

    Runs that tell no frequencies, or none of a foreground, are left out.
    """
    users: dict[Any, list[tuple[str, int | None]]] = {}
    for row in comparison.rows:
        for run in (part for joined in row.done for part in joined.each):
            data = run.summary.get("data", {})
            frequencies = _frequencies(data.get("class_frequencies"))
            if frequencies:
                images = data.get("images")
                count = images.get("train") if isinstance(images, dict) else None
                counts = (count,) if isinstance(count, int) else ()
                key = (str(data.get("name") or "data"), counts, tuple(frequencies.items()), run.mask_key)
                users.setdefault(key, []).append((row.label, run.seed))
    return [
        TrainingSet(name, counts, dict(items), tuple(found), mask_key)
        for (name, counts, items, mask_key), found in users.items()
    ]


def merged(sets: Sequence[TrainingSet]) -> list[TrainingSet]:
    """Return the training sets with those that look alike as one, in their order."""
    groups: list[list[TrainingSet]] = []
    for one in sets:
        home = next((group for group in groups if _look_alike([*group, one])), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return [group[0] if len(group) == 1 else _mean(group) for group in groups]


def _look_alike(parts: Sequence[TrainingSet]) -> bool:
    kinds = {(part.name, len(part.images), tuple(part.frequencies), part.key) for part in parts}
    sizes = zip(*(part.sizes for part in parts), strict=False)
    return len(kinds) == 1 and all(max(each) <= ALIKE * min(each) + NOTHING for each in sizes)


def _mean(parts: Sequence[TrainingSet]) -> TrainingSet:
    images = sorted({count for part in parts for count in part.images})
    names, users = parts[0].frequencies, tuple(user for part in parts for user in part.users)
    mean = {name: fmean(part.frequencies[name] for part in parts) for name in names}
    return TrainingSet(parts[0].name, tuple(images), mean, users, parts[0].key, tuple(parts))


def percent(share: float) -> str:
    """Return a share as a percentage that shows rare classes too: ``82.35 %``, ``5.30 %``, ``0.061 %``."""
    if share <= 0:
        return "none"
    value = 100 * share
    digits = 2 if value >= 0.1 else 1 - math.floor(math.log10(value))
    return f"{value:.{digits}f} %"


def _frequencies(value: Any) -> dict[str, float]:
    """Return the frequencies of a summary as they are, or nothing where they are not shares of two or more classes."""
    if not isinstance(value, dict) or len(value) < 2:
        return {}
    shares = list(value.values())
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares) or not sum(shares):
        return {}
    return {str(name): float(share) for name, share in value.items()}


def _title(data: TrainingSet, comparison: Comparison, several: bool) -> str:
    """Return what the panel shows; of several training sets also whose they are."""
    number = f"{len(data.alike)} training sets" if data.alike else "training set"
    images = " to ".join(f"{count:,}" for count in dict.fromkeys((*data.images[:1], *data.images[-1:])))
    title = f"{data.name}, {number}" + (f" ({images} images{' each' if data.alike else ''})" if images else "")
    if not several:
        return title
    names = []
    for row in comparison.rows:
        seeds = [seed for label, seed in data.users if label == row.label]
        if seeds:
            whole, once = {*seeds} == {run.seed for run in row.done}, [*dict.fromkeys(map(str, seeds))]
            which = f"seed{'s' * (len(once) > 1)} {', '.join(once)}"
            names.append(row.label if whole else f"{row.label}, {which}")
    return f"{title}\n{textwrap.shorten('; '.join(names), 110, placeholder=' …')}"


def _share(data: TrainingSet, name: str) -> str:
    """Return a class's share in words; of several training sets also the lowest and the highest."""
    mean, found = percent(data.frequencies[name]), [part.frequencies[name] for part in data.alike]
    ends = [percent(end(found)) for end in (min, max) if found]
    return mean if set(ends) <= {mean} else f"{mean} ({ends[0]} to {ends[1]})"


def _draw(part: SubFigure, data: TrainingSet, task: TaskRecord) -> None:
    """Draw all classes and, beside them in the same lines, the foreground on a scale of its own where that helps.

    Where classes are not painted into masks all are alike.
    """
    key, labels, grey = data.key, task.masks is None, range(data.key.shown.start)
    shares = [100 * share for share in data.frequencies.values()]
    said = [_share(data, name) for name in data.frequencies]
    enlarged = not labels and len(grey) and len(shares) > 2 and max(shares[1:]) < ENLARGE_BELOW * max(shares)
    grid = part.subplots(1, 2 if enlarged else 1, squeeze=False, sharey=True).ravel()
    for axes, first in zip(grid, (0, 1), strict=False):
        longest = max(shares[first:]) or 1.0
        colours = [BACKGROUND if index in grey else class_colour(index, key) for index in range(first, len(shares))]
        colours = [rgb(COLOURS[0])] * len(shares) if labels else colours
        axes.barh(range(first, len(shares)), shares[first:], 0.72, color=colours)
        for place, share in enumerate(shares[first:], first):
            axes.text(share + 0.015 * longest, place, said[place], va="center", fontsize=8)
        # A fifth of the axes is left to bars, however long the words of a very rare class.
        room = 1 / max(0.98 - LETTER * max(map(len, said)) / (NARROW if enlarged else WIDE), 0.2)
        axes.set_xlim(0, room * longest)
        # No tick beyond the whole, into which only the percentages reach.
        axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= min(room * longest, 100)])
        whole = f"% of {task.counted}"
        axes.set_xlabel(f"foreground, enlarged ({whole})" if first else whole, fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right"]].set_visible(False)
    names = [textwrap.shorten(name, 36, placeholder="…") for name in data.frequencies]
    grid[0].set_yticks(range(len(names)), names, fontsize=8)
    grid[0].set_ylim(len(names) - 0.5, -0.5)


FIGURE = FigureSpec("Class frequencies", "frequencies.png", without_evidence(draw_frequencies))
