"""H1299 cells: 16-bit fluorescence frames with a class for cell boundaries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segbench.data.frames import FrameData
from segbench.data.plane import resample_labels
from segbench.data.reading import read_mask
from segbench.data.records import Record, find_files, pair, require_root
from segbench.data.splits import split_by_part
from segbench.scores.objects import components

PARTS = {"train": "Train", "val": "Val"}
_EXPECTED = "Train and Val, each with Raw/*.png and Seg/ of the same names"
_FRAME = re.compile(r".*_t_(\d+)_y_1_x_1")


class CellsData(FrameData):
    """Frames of H1299 lung cancer cells, 640x512, with the classes background, cell and boundary.

    ``{Train,Val}/Raw/*.png`` (16-bit grey) and ``{Train,Val}/Seg`` with the same names (0 background, 1 cell, 2 the rim
    that separates a cell from its neighbours); a course's set, ``Alon_Lab_H1299_t_T_y_1_x_1.png``, T the frame.

    The official split is the only one: ``Train`` trains, ``Val`` validates and, as there is no test split, comparisons
    are scored on ``Val`` too, after the best epoch was chosen on it. All frames belong to one sequence, so there is
    nothing to group by and each is its own group: intervals treat frames as independent although they show the same
    cells again, and ``Val`` lies between frames of ``Train`` in time.

    Instances are the connected components of the class cell (8-connected, as in
    :func:`segbench.scores.objects.components`), found at the file's own size, so that resizing merges none.

    Args:
        **options: See :class:`segbench.data.frames.FrameData`.
    """

    name = "cells"
    class_names = ("background", "cell", "boundary")
    label_map = {0: 0, 1: 1, 2: 2}  # noqa: RUF012 - ClassVar in the base
    # An 8-bit copy has lost most of the 11 bits that these frames use.
    depths = (16,)

    def find_records(self) -> tuple[list[Record], list[str]]:
        """Pair frames and labels of both parts.

        Raises:
            DataError: If the folder is missing or empty.
        """
        root = require_root(self.root, f"expected {_EXPECTED}")
        records, faults = [], []
        for part in PARTS.values():
            images, labels = (find_files(root / part / kind, (".png",), _EXPECTED) for kind in ("Raw", "Seg"))
            pairs, more = pair(images, labels, _frame, _frame)
            records += [Record(f"{part}/{key}", f"{part}/{key}", image, label) for key, image, label in pairs]
            faults += more
        return records, faults

    def split(self, records: Sequence[Record]) -> dict[str, list[int]]:
        """Return the official split: ``train`` and ``val``."""
        return split_by_part([record.id for record in records], PARTS)

    def instances(self, record: Record) -> NDArray[np.int32]:
        """Return the cell number of every pixel, int32 (H,W), 0 for none, on the grid of the stored mask.

        Raises:
            DataError: If the file is unusable.
        """
        assert record.mask is not None
        cells = components(read_mask(record.mask, self.label_map) == 1)
        return cells if self.size is None else resample_labels(cells, self.size)


def _frame(path: Path) -> str:
    """Return the name of a frame: its number if the file is named in the set's own scheme, else the file's name."""
    found = _FRAME.fullmatch(path.stem)
    return f"t_{int(found[1]):03d}" if found else path.stem
