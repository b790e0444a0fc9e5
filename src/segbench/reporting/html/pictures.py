"""Pictures inside the page: figures and prediction panels as data URIs, as many as a page of sensible size holds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from segbench.pages import data_uri
from segbench.pictures.panels import TITLES_KEY
from segbench.reporting.comparison.model import Comparison
from segbench.reporting.figures import FIGURES
from segbench.runs.bounded import parse_json, read_bytes
from segbench.runs.unfolding import open_picture

# A page that is opened from a mail or on a phone: all its pictures together, in characters of text.
BUDGET = 12_000_000
# A slider over more runs than this cannot be set by hand, and a thousand pictures take minutes to cut.
MOST_RUNS = 48
# Beyond this a drawing is so rich that its pixels are smaller and quicker to show.
LARGEST_DRAWING = 500_000
# Figures that hold images of the data set: across the page, as each image is a small part of them.
IMAGES = frozenset(spec.file for spec in FIGURES if spec.shows_data)
PANELS = Path("figures") / "predictions.png"
# Rows of pixels: captions are lower, images higher.
_LEAST_IMAGE = 40
_LINE_GAP = 3


class Budget:
    """Counts down the characters that a page's pictures may still take."""

    def __init__(self, size: int = BUDGET) -> None:
        self.left = size

    def take(self, uris: Sequence[str]) -> bool:
        """Take all of these, or none if they do not fit."""
        size = sum(map(len, uris))
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass(frozen=True)
class Picture:
    """A picture: what it shows (empty where only the picture says it), itself as a data URI, whether it wants width."""

    title: str
    uri: str
    wide: bool = False


@dataclass(frozen=True)
class RunPanels:
    """A run's prediction panels, one picture for each image, and the legend of the classes (empty where unknown)."""

    row: str
    seed: str
    pictures: tuple[Picture, ...]
    legend: str = ""


@dataclass
class Gallery:
    """What goes into the page, and in words what does not.

    ``whole`` says that a run's picture shows the images that it is wrong about, and is not to be cut into panels.
    """

    whole: bool = False
    figures: list[Picture] = field(default_factory=list)
    panels: list[RunPanels] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    # Of the panels' images.
    splits: list[str] = field(default_factory=list)

    @property
    def images(self) -> int:
        """The largest number of images that a run shows."""
        return max((len(panels.pictures) for panels in self.panels), default=0)


def gallery(comparison: Comparison, figures: Sequence[tuple[str, str]], budget: int = BUDGET) -> Gallery:
    """Collect a page's pictures: all figures first, then panels, the first seed of every row before the second.

    Args:
        comparison: The experiment.
        figures: Title and file name, inside the report's folder, of the figures that the report wrote.
        budget: How many characters they may take together.
    """
    found, room = Gallery(whole=not comparison.graded), Budget(budget)
    for title, name in figures:
        uri = _figure(comparison.folder / name)
        if uri and room.take([uri]):
            found.figures.append(Picture(title, uri, wide=name in IMAGES))
        elif uri:
            found.left_out.append(f"The figure {name} is too large for this page; it lies beside it.")
    seeds = max((len(row.done) for row in comparison.rows), default=0)
    order = [(row, row.done[turn]) for turn in range(seeds) for row in comparison.rows if turn < len(row.done)]
    missing = 0
    for row, run in order:
        # Of a cross-validation the first fold's.
        folder = run.each[0].directory
        content = _content(folder / PANELS, folder)
        # Cut pictures take about the space of the whole; what will hardly fit is not worth the time of cutting it.
        if content and (len(found.panels) == MOST_RUNS or len(content) > room.left):
            missing += 1
            continue
        panels = _panels(content, row.label, f"{run.seed}{', first fold' if run.folds else ''}", whole=found.whole)
        if panels is None:
            continue
        if room.take([panels.legend, *(picture.uri for picture in panels.pictures)]):
            found.panels.append(panels)
            # A run draws the last split that it was scored on.
            split = "test" if "test" in run.counts else "val"
            found.splits += [split] if split not in found.splits else []
        else:
            missing += 1
    if missing:
        found.left_out.append(
            f"Predictions of {missing} runs are left out to keep this page small; each run's are in its directory,"
            f" {PANELS}."
        )
    labels = {row.label: index for index, row in enumerate(comparison.rows)}
    found.panels.sort(key=lambda panels: labels[panels.row])
    return found


def split_panels(content: bytes) -> tuple[list[Image.Image], Image.Image | None]:
    """Cut a picture of :func:`segbench.pictures.panels.draw_panels` into its images, each with the caption above it.

    The cuts are where whole rows of pixels are white. A picture that cannot be cut so is returned as one.

    Args:
        content: The PNG.

    Returns:
        The images from top to bottom, and the legend below them if there is one.

    Raises:
        ValueError: If it is no picture, or too large.
    """
    with open_picture(content) as opened:
        whole = opened.convert("RGB")
    inked = (np.asarray(whole) < 255).any(axis=(1, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inked, [False]]).astype(np.int8)))
    bands: list[tuple[int, int]] = []
    for top, bottom in edges.reshape(-1, 2).tolist():
        lines = bands and max(bottom - top, bands[-1][1] - bands[-1][0]) < _LEAST_IMAGE
        if lines and top - bands[-1][1] <= _LINE_GAP:
            # An underscore lies apart from the letters of its line.
            bands[-1] = (bands[-1][0], bottom)
        else:
            bands.append((top, bottom))
    cuts: list[tuple[int, int]] = []
    for above, (top, bottom) in zip([None, *bands], bands, strict=False):
        if bottom - top < _LEAST_IMAGE:
            continue
        if cuts and above is not None and above[1] == cuts[-1][1]:
            # No caption between: a white stripe inside one image.
            cuts[-1] = (cuts[-1][0], bottom)
        else:
            # An image that is white at its top begins above its first ink, so the caption may be far away.
            cuts.append((above[0] if above is not None else top, bottom))
    if not cuts:
        return [whole], None
    below = [band for band in bands if band[0] > cuts[-1][1]]
    legend = whole.crop((0, below[0][0] - 2, whole.width, below[-1][1] + 2)) if below else None
    return [whole.crop((0, max(0, top - 2), whole.width, bottom)) for top, bottom in cuts], legend


def _figure(path: Path) -> str:
    """Return a figure as a data URI, drawn (SVG) rather than in pixels; empty where there is none."""
    for file, kind in ((path.with_suffix(".svg"), "svg+xml"), (path.with_suffix(".png"), "png")):
        content = _content(file, path.parent)
        if content and (kind == "png" or len(content) <= LARGEST_DRAWING or not path.with_suffix(".png").exists()):
            return data_uri(content, kind)
    return ""


def _content(path: Path, root: Path) -> bytes:
    """Return a picture's file; empty where there is none that may be read."""
    try:
        return read_bytes(path, root)
    except (OSError, ValueError):
        return b""


def _panels(content: bytes, row: str, seed: str, whole: bool) -> RunPanels | None:
    if not content:
        return None
    if whole:
        return RunPanels(row, seed, (Picture("", data_uri(content, "png")),))
    try:
        images, legend = split_panels(content)
        titles = _titles(content)
    except (TypeError, ValueError):
        # A picture is not worth the page.
        return None
    if len(titles) != len(images):
        titles = [""] * len(images)
    pictures = tuple(Picture(title, _png(image)) for title, image in zip(titles, images, strict=True))
    return RunPanels(row, seed, pictures, _png(legend) if legend is not None else "")


def _titles(content: bytes) -> list[str]:
    """Return the images' titles that the picture carries in its text; none if another program has saved it."""
    with open_picture(content) as opened:
        opened.load()
        titles = parse_json(opened.info.get(TITLES_KEY, "[]"))
    return [" ".join(str(title).split()) for title in titles]


def _png(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return data_uri(stream.getvalue(), "png")
