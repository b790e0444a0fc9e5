"""What the configurations make of the same images: the best, the median, the worst and the most disputed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from segbench.labels import IGNORE_INDEX as IGNORE
from segbench.pictures.canvas import NothingToDrawError, save
from segbench.pictures.overlays import draw_line, shortened, shrunk
from segbench.pictures.panels import class_legend
from segbench.pictures.styles import colour, wrapped
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison, Row
from segbench.reporting.conclusions.evidence import Evidence
from segbench.reporting.figures.images import image_values, row_values
from segbench.reporting.figures.spec import FigureSpec, masks, without_evidence
from segbench.runs.archive import PREDICTIONS, Archive, JoinedArchive, Kept, images_name

MOST_COLUMNS = 8
WIDTH = 7.2
LEAST_CELL = 1.0


@dataclass(frozen=True)
class Shown:
    """A configuration in the figure: its row, the run whose predictions are shown, and its file."""

    index: int
    row: Row
    run: Run
    archive: Kept


def draw_examples(comparison: Comparison, path: Path) -> None:
    """Draw image, truth and each configuration's prediction, a line for each of four images.

    The images are chosen by their mean score over configurations and seeds; the most disputed one is that on which the
    configurations' scores lie farthest apart. Predictions are those of one seed, the same for all if they share one.
    Of more than :data:`MOST_COLUMNS` configurations those with the best scores are shown.

    Args:
        comparison: The experiment.
        path: The PNG to write; the SVG lies beside it.

    Raises:
        NothingToDrawError: Where predictions or images were not kept, or the runs are scored on different images or at
            different sizes.
    """
    shown = find_shown(comparison)
    images = kept_images(comparison, [(part.run, part.archive.ids) for part in shown])
    chosen = choose(comparison, [part.row for part in shown], images, shown)
    across = 2 + len(shown)
    cell = max(WIDTH / across, LEAST_CELL)
    first = shrunk(images.image(chosen[0][1]))
    line_inches = cell * first.shape[0] / first.shape[1] + 0.2
    figure = Figure(figsize=(cell * across, len(chosen) * line_inches + 0.9), dpi=150, layout="constrained")
    # The type is that of any layout; this one is constrained, which has these.
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.01)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(len(chosen), across, squeeze=False)
    size = 7.5 if len(shown) <= 5 else 6.5
    titles = ["image", "truth", *(wrapped(part.row.label, int(cell * 12), 4) for part in shown)]
    ignored, key = False, shown[0].run.mask_key
    for number, (line, (rank, name)) in enumerate(zip(grid, chosen, strict=True)):
        truth, values = images.mask(name), [score_of(comparison, part, name) for part in shown]
        ignored |= bool((truth == IGNORE).any())
        draw_line(line, images.image(name), masks_of(truth, shown, name), key)
        line[0].set_ylabel(rank, fontsize=size + 1, fontweight="bold")
        line[0].set_xlabel(shortened(name, int(cell * 14)), fontsize=size - 0.5)
        for axes, value in zip(line[2:], values, strict=True):
            axes.set_xlabel(f"{value:.3f}" if np.isfinite(value) else "no score", fontsize=size)
        if number == 0:
            for axes, title in zip(line, titles, strict=True):
                axes.set_title(title, fontsize=size, fontweight="bold" if title in ("image", "truth") else None)
        for axes, part in zip(line[2:], shown, strict=True):
            axes.spines[:].set(color=colour(part.index), linewidth=1.5)
    class_legend(figure, key, ignored)
    seeds = sorted({part.run.seed for part in shown if part.run.seed is not None})
    which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    words = f"{comparison.score.title_with_unit} below the predictions; {comparison.split} split, {which}"
    figure.suptitle(words, fontsize=8, color="0.3")
    save(figure, path)


def find_shown(comparison: Comparison) -> list[Shown]:
    """Return the configurations to show, by the one seed of which all have predictions, or each by its first."""
    rows = [(index, row) for index, row in enumerate(comparison.rows) if row.done]
    if not rows:
        raise NothingToDrawError("no run is finished")
    kept = {index: _archives(comparison, row) for index, row in rows}
    rows = [(index, row) for index, row in rows if kept[index]]
    if not rows:
        raise NothingToDrawError("no finished run kept its predictions of this split")
    if len(rows) > MOST_COLUMNS:
        gains = {index: comparison.direction * row.scores[comparison.metric].mean for index, row in rows}
        best = sorted(rows, key=lambda item: -np.nan_to_num(gains[item[0]], nan=-np.inf))
        rows = sorted(best[:MOST_COLUMNS], key=lambda item: item[0])
    shared = set.intersection(*({run.seed for run, _ in kept[index]} for index, _ in rows))
    wanted = min((seed for seed in shared if seed is not None), default=None)
    found = []
    for index, row in rows:
        run, archive = next((item for item in kept[index] if item[0].seed == wanted), kept[index][0])
        found.append(Shown(index, row, run, archive))
    return found


def best_shown(comparison: Comparison, evidence: Evidence) -> Shown:
    """Return the configuration with the best mean of those that kept predictions, with the one run that is shown of it.

    Raises:
        NothingToDrawError: Where none has both.
    """
    shown = find_shown(comparison)
    worth = {part.index: comparison.direction * evidence.means[part.index].mean for part in shown}
    known = [part for part in shown if np.isfinite(worth[part.index])]
    if not known:
        raise NothingToDrawError("no configuration that kept its predictions has a score")
    best = max(known, key=lambda part: worth[part.index])
    # Its one run: the images are ranked by what is drawn.
    return replace(best, row=replace(best.row, runs=(best.run,)))


def _archives(comparison: Comparison, row: Row) -> list[tuple[Run, Kept]]:
    """Return the row's runs that kept predictions of the deciding split, by seed."""
    found = []
    for run in row.done:
        opened = [Archive.open(each.directory / PREDICTIONS) for each in run.each]
        kept = tuple(archive for archive in opened if archive is not None and archive.split == comparison.split)
        # Of a cross-validation those of each fold; without one of them the worst image may be hidden.
        if len(kept) == len(opened):
            found.append((run, kept[0] if len(kept) == 1 else JoinedArchive(kept)))
    return found


def kept_images(comparison: Comparison, runs: Sequence[tuple[Run, Sequence[str]]]) -> Kept:
    """Return the images of the first run that has them.

    They lie beside the run, also where it is a link to another experiment's. Whichever run they are of, the images that
    all runs share are among them, and no others are drawn. Those of a cross-validation lie in a file for each fold.

    Args:
        comparison: The experiment.
        runs: Runs, at least one, each with the ids of the images that it was scored on.

    Raises:
        NothingToDrawError: If none has them.
    """
    for run, ids in runs:
        members = [(each, each.counts[comparison.split].ids if run.folds else ids) for each in run.each]
        found = tuple(kept for member in members if (kept := _images_of(comparison.split, *member)) is not None)
        if len(found) == len(members):
            return found[0] if len(found) == 1 else JoinedArchive(found)
    raise NothingToDrawError("the images were not kept beside the runs")


def _images_of(split: str, run: Run, ids: Sequence[str]) -> Archive | None:
    name = images_name(split, str(run.summary.get("data", {}).get("fingerprint") or ""), ids)
    places = (run.directory.parent, run.directory.resolve().parent)
    return next((found for folder in places if (found := Archive.open(folder / name)) is not None), None)


def masks_of(truth: NDArray[np.uint8], shown: Sequence[Shown], name: str) -> list[NDArray[np.uint8]]:
    """Return an image's truth and its predictions, without what counts nowhere."""
    masks = [part.archive.mask(name) for part in shown]
    for part, mask in zip(shown, masks, strict=True):
        if mask.shape != truth.shape:
            sizes = [f"{width}x{height}" for height, width in (mask.shape, truth.shape)]
            raise NothingToDrawError(f"{part.row.label} predicts {name} at {sizes[0]}, where the truth is {sizes[1]}")
    return [truth, *(np.where(truth == IGNORE, IGNORE, mask) for mask in masks)]


def choose(comparison: Comparison, rows: list[Row], images: Kept, shown: list[Shown]) -> list[tuple[str, str]]:
    """Return rank in words and id of the images to show."""
    scores = [row_values(comparison, row) for row in rows]
    drawable = set(images.ids).intersection(*(part.archive.ids for part in shown))
    ids = [name for name in scores[0].ids if all(name in part.ids for part in scores) and name in drawable]
    table = np.array([[dict(zip(part.ids, part.values, strict=True))[name] for name in ids] for part in scores])
    if not len(ids) or not np.isfinite(table).all(axis=0).any():
        raise NothingToDrawError("no image is scored and kept by all configurations")
    known = np.flatnonzero(np.isfinite(table).all(axis=0))
    order = known[np.argsort(-comparison.direction * table[:, known].mean(axis=0), kind="stable")]
    picks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    spread = np.ptp(table, axis=0)
    rest = [index for index in known if index not in picks.values()]
    if rest and len(rows) > 1:
        picks["most disputed"] = max(rest, key=lambda index: spread[index])
    unique = {int(index): rank for rank, index in reversed(picks.items())}
    return [(rank, ids[index]) for index, rank in reversed(unique.items())]


def score_of(comparison: Comparison, part: Shown, name: str) -> float:
    """Return what the shown prediction itself scores."""
    counts = part.run.counts[comparison.split]
    return float(image_values(counts, comparison.metric, comparison.convention)[counts.ids.index(name)])


FIGURE = FigureSpec("Predictions", "panels.png", without_evidence(draw_examples), shows_data=True, needs=masks)
