"""Areas and counts of the predicted classes, image by image, as a table that spreadsheets open."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segbench.data.formats.volume_file import Volume
from segbench.masks import MaskKey
from segbench.runs.files import write_text
from segbench.words import csv_cell

COLUMNS = ("image", "class", "pixels", "share", "objects", "mm3")
# Pixels that touch at a corner are one object, as in the scores of objects; so are those of neighbouring slices.
_TOUCHING = np.ones((3, 3, 3), int)


def label_objects(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the connected components of a class, and their number.

    Args:
        inside: Where the class is, (Z,H,W).

    Returns:
        The object of every pixel from 1, 0 for none, int32 (Z,H,W); and how many there are.
    """
    labels, count = ndimage.label(inside, _TOUCHING, output=np.int32)
    return np.asarray(labels, np.int32), int(count)


def area_rows(key: MaskKey, image: Path, mask: NDArray[np.uint8], volume: Volume | None) -> list[tuple[str, ...]]:
    """Return an image's rows of the table, one for each shown class.

    Args:
        key: How to read the mask.
        image: What it is called.
        mask: Its mask (Z,H,W).
        volume: The header of a volume, whose voxels have a size; None for an image file, whose pixels have none.
    """
    found, voxel = list[tuple[str, ...]](), None if volume is None else float(np.prod(volume.spacing))
    for index in key.shown:
        inside = key.inside(mask, index)
        pixels = int(inside.sum())
        objects = label_objects(inside)[1] if pixels else 0
        size = "" if voxel is None else f"{pixels * voxel:.6g}"
        row = (image.as_posix(), key.names[index], pixels, f"{pixels / mask.size:.6f}", objects, size)
        found.append(tuple(map(str, row)))
    return found


def write_areas(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Write the rows of all images as CSV, in which no spreadsheet finds a formula; without volumes, without mm3."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    width = len(COLUMNS) if not rows or any(row[-1] for row in rows) else len(COLUMNS) - 1
    writer.writerows([csv_cell(cell) for cell in row[:width]] for row in (COLUMNS, *rows))
    write_text(path, stream.getvalue())
