"""Cityscapes labels: names, ids, train ids and colours, from the official tools (``cityscapesscripts``)."""

from __future__ import annotations

from typing import NamedTuple

from segbench.errors import ConfigError
from segbench.labels import IGNORE_INDEX


class Label(NamedTuple):
    """One label.

    Attributes:
        name: Its name.
        id: The value in ``labelIds`` files; the position in :data:`LABELS`.
        train_id: Class index in the benchmark, None if ignored there.
        colour: ``#RRGGBB``.
    """

    name: str
    id: int
    train_id: int | None
    colour: str


LABELS = (
    Label("unlabeled", 0, None, "#000000"),
    Label("ego vehicle", 1, None, "#000000"),
    Label("rectification border", 2, None, "#000000"),
    Label("out of roi", 3, None, "#000000"),
    Label("static", 4, None, "#000000"),
    Label("dynamic", 5, None, "#6F4A00"),
    Label("ground", 6, None, "#510051"),
    Label("road", 7, 0, "#804080"),
    Label("sidewalk", 8, 1, "#F423E8"),
    Label("parking", 9, None, "#FAAAA0"),
    Label("rail track", 10, None, "#E6968C"),
    Label("building", 11, 2, "#464646"),
    Label("wall", 12, 3, "#66669C"),
    Label("fence", 13, 4, "#BE9999"),
    Label("guard rail", 14, None, "#B4A5B4"),
    Label("bridge", 15, None, "#966464"),
    Label("tunnel", 16, None, "#96785A"),
    Label("pole", 17, 5, "#999999"),
    Label("polegroup", 18, None, "#999999"),
    Label("traffic light", 19, 6, "#FAAA1E"),
    Label("traffic sign", 20, 7, "#DCDC00"),
    Label("vegetation", 21, 8, "#6B8E23"),
    Label("terrain", 22, 9, "#98FB98"),
    Label("sky", 23, 10, "#4682B4"),
    Label("person", 24, 11, "#DC143C"),
    Label("rider", 25, 12, "#FF0000"),
    Label("car", 26, 13, "#00008E"),
    Label("truck", 27, 14, "#000046"),
    Label("bus", 28, 15, "#003C64"),
    Label("caravan", 29, None, "#00005A"),
    Label("trailer", 30, None, "#00006E"),
    Label("train", 31, 16, "#005064"),
    Label("motorcycle", 32, 17, "#0000E6"),
    Label("bicycle", 33, 18, "#770B20"),
)
VOID = ("void", "#000000")


def choose_labels(labels: str) -> tuple[tuple[str, ...], dict[int, int], tuple[str, ...]]:
    """Return the class names, the map from id to class index (255 is ignored) and the colours.

    Args:
        labels: ``train_ids`` (19 classes), ``train_ids_void`` (20) or ``ids`` (34).

    Raises:
        ConfigError: If ``labels`` is something else.
    """
    if labels == "ids":
        return (
            tuple(label.name for label in LABELS),
            {label.id: label.id for label in LABELS},
            tuple(label.colour for label in LABELS),
        )
    if labels not in ("train_ids", "train_ids_void"):
        raise ConfigError(f"data.labels={labels}: choose train_ids, train_ids_void or ids")
    classes = [label for label in LABELS if label.train_id is not None]
    void = labels == "train_ids_void"
    rest = len(classes) if void else IGNORE_INDEX
    names, colours = tuple(label.name for label in classes), tuple(label.colour for label in classes)
    index = {label.id: rest if label.train_id is None else label.train_id for label in LABELS}
    return (*names, VOID[0]) if void else names, index, (*colours, VOID[1]) if void else colours
