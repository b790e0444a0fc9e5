"""The pictures of a survey: images with the contours of their masks, small, as data URIs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segbench.data.loader import Draw
from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.pages import data_uri
from segbench.pictures.panels import as_rgb, class_colour, input_picture
from segbench.survey import fit
from segbench.survey.images import Pictures

# Longest side in pixels of a picture of a finding, and of one among many.
LARGE, SMALL = 360, 220
_QUALITY = 82
_WIDTH = 2
_GREY = 0.55


@dataclass(frozen=True)
class Shot:
    """A picture to draw: an image with the contours of a mask.

    Attributes:
        image: Its record.
        caption: What it shows.
        mask: Record of the mask; None for its own.
        shift: Rows down and columns right that the mask is moved by.
        turn: How the mask is turned, of :data:`segbench.survey.fit.TURNS`.
        box: Top, left, height and width of what is shown large; None for all.
    """

    image: int
    caption: str
    mask: int | None = None
    shift: tuple[int, int] = (0, 0)
    turn: str = ""
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Picture:
    """A picture on the page."""

    uri: str
    caption: str
    note: str = ""


def draw(pictures: Pictures, shot: Shot, side: int = LARGE) -> Picture:
    """Draw a picture; an image without mask is drawn as it is."""
    image = as_rgb(pictures.shown(shot.image))
    if not pictures.masks:
        label = pictures.data.class_names[int(pictures.target(shot.image))]
        return Picture(_jpeg(_resized(image, side, cv2.INTER_AREA)), shot.caption, label)
    mask = _moved(pictures.target(shot.image if shot.mask is None else shot.mask), shot)
    if shot.box is not None:
        part = _around(shot.box, mask.shape)
        image, mask = image[part], mask[part]
    return Picture(_jpeg(contoured(image, mask, pictures.key, side)), shot.caption)


def contoured(image: NDArray[Any], mask: NDArray[np.uint8], key: MaskKey, side: int) -> NDArray[np.float32]:
    """Return an image with the contours of its classes, at a size for the page.

    Args:
        image: float (H,W,3) in [0, 1].
        mask: uint8 (H,W); ignored pixels become paler.
        key: How to read it.
        side: Longest side of the result.
    """
    picture = _resized(image, side, cv2.INTER_AREA)
    labels = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    ignored = labels == IGNORE_INDEX
    picture[ignored] = (picture[ignored] + _GREY) / 2
    ring = np.ones((2 * _WIDTH + 1, 2 * _WIDTH + 1), np.uint8)
    for index in key.shown:
        inside = np.asarray(key.inside(labels, index), np.uint8)
        rim = inside - cv2.erode(inside, ring, borderType=cv2.BORDER_CONSTANT, borderValue=1)
        picture[rim > 0] = class_colour(index, key)
    return picture


def augmented(pictures: Pictures, images: int = 6, draws: int = 3) -> list[list[Picture]]:
    """Return training images as they are drawn for the first epochs, with their targets: a row for each image."""
    data = pictures.data
    train = data.datasets["train"]
    rows = []
    for item in _spread(len(train), images):
        found = [train[item], *(train[Draw(epoch, item)] for epoch in range(draws))]
        names = [str(found[0]["id"]), *(f"epoch {epoch + 1}" for epoch in range(draws))]
        rows.append([_item(pictures, values, name) for values, name in zip(found, names, strict=True)])
    return rows


def batch_pictures(pictures: Pictures, batch: dict[str, Any], most: int = 8) -> list[Picture]:
    """Return the first images of a batch with their targets."""
    shown = range(min(most, len(batch["image"])))
    items = [{name: values[place] for name, values in batch.items()} for place in shown]
    return [_item(pictures, item, str(item["id"])) for item in items]


def contact_sheet(pictures: Pictures, places: Sequence[tuple[int, str]], most: int = 24) -> list[Picture]:
    """Return pictures of images spread evenly over the data set.

    Args:
        pictures: The images.
        places: Record and caption of all images.
        most: How many to draw.
    """
    chosen = [places[place] for place in _spread(len(places), most)]
    return [draw(pictures, Shot(index, caption), SMALL) for index, caption in chosen]


def _item(pictures: Pictures, item: dict[str, Any], name: str) -> Picture:
    data = pictures.data
    image = as_rgb(input_picture(item["image"], data.mean, data.std))
    target = item[data.datasets["train"].target]
    if not pictures.masks:
        return Picture(_jpeg(_resized(image, SMALL, cv2.INTER_AREA)), name, data.class_names[int(target)])
    mask = np.asarray(target)
    if mask.ndim == 3:
        bits = (1 << np.arange(len(mask)))[:, None, None]
        mask = np.where((mask == IGNORE_INDEX).any(axis=0), IGNORE_INDEX, ((mask == 1) * bits).sum(axis=0))
    return Picture(_jpeg(contoured(image, np.asarray(mask, np.uint8), pictures.key, SMALL)), name)


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({int(place) for place in np.linspace(0, count - 1, min(wanted, count))}) if count else []


def _moved(mask: NDArray[np.uint8], shot: Shot) -> NDArray[np.uint8]:
    if shot.turn:
        mask = fit.turned(mask, shot.turn)
    rows, columns = shot.shift
    if not (rows or columns):
        return mask
    moved = np.zeros_like(mask)
    height, width = mask.shape
    to = (slice(max(rows, 0), height + min(rows, 0)), slice(max(columns, 0), width + min(columns, 0)))
    source = (slice(max(-rows, 0), height + min(-rows, 0)), slice(max(-columns, 0), width + min(-columns, 0)))
    moved[to] = mask[source]
    return moved


def _around(box: tuple[int, int, int, int], size: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the window around a box, at least 48 pixels and four times as large as the box."""
    window = []
    for start, length, whole in zip(box[:2], box[2:], size, strict=True):
        side = min(whole, max(48, 4 * length))
        first = min(max(0, start + length // 2 - side // 2), whole - side)
        window.append(slice(first, first + side))
    return window[0], window[1]


def _resized(image: NDArray[Any], side: int, shrinking: int) -> NDArray[np.float32]:
    factor = side / max(image.shape[:2])
    size = [max(1, round(length * factor)) for length in image.shape[1::-1]]
    # Pixels of a tiny image are shown as what they are.
    how = shrinking if factor < 1 else cv2.INTER_NEAREST
    return np.array(cv2.resize(np.asarray(image, np.float32), size, interpolation=how), np.float32)


def _jpeg(picture: NDArray[np.float32]) -> str:
    pixels = np.ascontiguousarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8)[..., ::-1])
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data_uri(content.tobytes(), "jpeg")
