"""Outlines as masks: COCO's JSON, and GeoJSON as QuPath exports it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon

from segbench.data.formats.mask_file import MaskFile
from segbench.errors import DataError
from segbench.words import first_line

# The value of pixels that count nowhere: COCO's crowds.
IGNORED = 65535
_Ring = NDArray[np.float64]
_Size = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """An annotated object.

    Attributes:
        name: Its class.
        parts: Polygons, of which the object is the union; each an outline and perhaps holes, as points (x, y) in
            pixels, (0, 0) the corner of the first pixel.
        runs: COCO's run lengths, column by column, of an object without polygons.
        crowd: Whether it is many objects that are not told apart: its pixels count nowhere.
    """

    name: str
    parts: tuple[tuple[_Ring, ...], ...] = ()
    runs: tuple[int, ...] | None = None
    crowd: bool = False

    def inside(self, size: _Size) -> NDArray[np.bool_]:
        """Return the pixels whose centres are inside, bool (H,W)."""
        if self.runs is not None:
            return _from_runs(self.runs, size)
        found = np.zeros(size, bool)
        for rings in self.parts:
            part = np.zeros(size, bool)
            for ring in rings:
                # What lies in an odd number of rings is inside: holes, and islands in holes.
                part[polygon(ring[:, 1] - 0.5, ring[:, 0] - 0.5, size)] ^= True
            found |= part
        return found


@dataclass(frozen=True)
class Annotations:
    """The shapes of files.

    Attributes:
        names: All classes, in the order of their values, from 1.
        shapes: The shapes of each image, in the order in which they are drawn: later ones cover earlier ones.
        numbered: Whether masks number the objects instead of storing their classes.
    """

    names: tuple[str, ...]
    shapes: Mapping[Path, Sequence[Shape]]
    numbered: bool

    def read(self, mask: Path, image: Path, size: _Size) -> list[MaskFile]:
        """Return the mask of an image, drawn on its grid.

        Raises:
            DataError: If run lengths do not fit the image.
        """
        values = np.zeros(size, np.uint16)
        for number, shape in enumerate(self.shapes.get(image, ()), start=1):
            value = IGNORED if shape.crowd else number if self.numbered else self.names.index(shape.name) + 1
            try:
                values[shape.inside(size)] = value
            except ValueError as error:
                raise DataError(f"{mask}: {image.name}: {first_line(error)}") from None
        return [MaskFile(mask, values, None, "outlines")]


def read_coco(path: Path) -> tuple[dict[str, list[Shape]], list[str]] | None:
    """Read a file of COCO's object detection format; None if it is another JSON file.

    T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014; cocodataset.org/#format-data.

    Returns:
        The shapes of each image by its file name, and the names of the categories by their numbers.

    Raises:
        DataError: If it is damaged.
    """
    content = load_json(path)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        return None
    try:
        names = {item["id"]: str(item["name"]) for item in content.get("categories") or ()}
        files = {item["id"]: str(item["file_name"]) for item in content["images"]}
        found: dict[str, list[Shape]] = {name: [] for name in files.values()}
        for item in content["annotations"]:
            found[files[item["image_id"]]].append(_coco_shape(item, names[item["category_id"]]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not valid COCO JSON ({type(error).__name__}: {first_line(error)})") from None
    return found, [names[number] for number in sorted(names)]


def _coco_shape(item: Any, name: str) -> Shape:
    drawn, crowd = item.get("segmentation"), bool(item.get("iscrowd"))
    if isinstance(drawn, dict):
        counts = drawn["counts"]
        runs = _unpacked(counts) if isinstance(counts, str) else [int(count) for count in counts]
        return Shape(name, runs=tuple(runs), crowd=crowd)
    if not drawn:
        raise ValueError(f"annotation {item.get('id')} has no outline (a box alone is no mask)")
    return Shape(name, tuple((np.asarray(points, np.float64).reshape(-1, 2),) for points in drawn), crowd=crowd)


def read_geojson(path: Path) -> list[Shape]:
    """Read the polygons of a GeoJSON file (RFC 7946); a feature's class is QuPath's ``classification``, or ``object``.

    Raises:
        DataError: If it is damaged, or has lines or points, which have no area.
    """
    content = load_json(path)
    features = content.get("features", [content]) if isinstance(content, dict) else content
    try:
        return [_feature(feature) for feature in features]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not valid GeoJSON ({type(error).__name__}: {first_line(error)})") from None


def _feature(feature: Any) -> Shape:
    properties = feature.get("properties") or {}
    kind = properties.get("classification")
    name = kind.get("name") if isinstance(kind, dict) else kind or properties.get("label") or properties.get("class")
    geometry = feature["geometry"]
    drawn = {"Polygon": lambda parts: [parts], "MultiPolygon": list}.get(geometry["type"])
    if drawn is None:
        raise ValueError(f"a {geometry['type']} has no area; draw polygons")
    parts = [tuple(np.asarray(ring, np.float64)[:, :2] for ring in rings) for rings in drawn(geometry["coordinates"])]
    return Shape(str(name or "object"), tuple(parts))


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: If it is none.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a JSON file ({first_line(error)})") from None


def class_names(shapes: Iterable[Shape]) -> list[str]:
    """Return the classes of shapes, sorted."""
    return sorted({shape.name for shape in shapes})


def _unpacked(text: str) -> list[int]:
    """Return the run lengths of COCO's compressed form: numbers of 5 bits a character, from the third on as
    differences to the last but one.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _from_runs(runs: Sequence[int], size: _Size) -> NDArray[np.bool_]:
    if sum(runs) != size[0] * size[1] or min(runs, default=0) < 0:
        raise ValueError(f"run lengths of {sum(runs)} pixels for an image of {size[1]}x{size[0]}")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(size[::-1]).T
