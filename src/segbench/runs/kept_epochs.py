"""What a network made of the same validation images after several epochs, kept in its run directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segbench.runs.archive import Archive, ArchiveWriter

FOLDER = Path("figures") / "epochs"
IMAGES, BEST = "images.zip", "best.zip"
# A few images, as they are; far more than they take.
LIMIT = 2**28


@dataclass(frozen=True)
class KeptEpochs:
    """The predictions of a few validation images after several epochs.

    Attributes:
        images: The images with their truth.
        epochs: Epochs, counted from 1, each with the predictions after it, in their order.
        best: The predictions with the weights that were scored; None before training ended.
    """

    images: Archive
    epochs: tuple[tuple[int, Archive], ...]
    best: Archive | None


def keep_epoch(run: Path, epoch: int | None, panel: Mapping[str, Sequence[Any]], class_names: Sequence[str]) -> None:
    """Write the predictions after an epoch into a run directory, and the images, which are always the same.

    One file an epoch: a run that is resumed finds those of its earlier epochs.

    Args:
        run: The run directory.
        epoch: The epoch, from 1; None for the weights that were scored.
        panel: N of each: ``id``, ``image`` float (H,W,C) in [0, 1], C = 1 or 3, ``truth`` and ``prediction`` (H,W).
        class_names: Names of the classes.

    Raises:
        OSError: If the files cannot be written.
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    images, predictions = ArchiveWriter(LIMIT), ArchiveWriter(LIMIT)
    for name, image, truth, prediction in zip(*(panel[key] for key in _KEYS), strict=True):
        images.add(name, truth, (255 * image).round().astype(np.uint8))
        predictions.add(name, prediction)
    about = {"split": "val", "class_names": list(class_names)}
    images.write(folder / IMAGES, **about)
    predictions.write(folder / (BEST if epoch is None else f"{epoch}.zip"), **about)


_KEYS = ("id", "image", "truth", "prediction")


def open_epochs(run: Path) -> KeptEpochs | None:
    """Return what :func:`keep_epoch` wrote; None where there is nothing, or no images to it."""
    images = Archive.open(run / FOLDER / IMAGES, run)
    if images is None:
        return None
    names = sorted((int(path.stem), path) for path in (run / FOLDER).glob("*.zip") if path.stem.isdecimal())
    found = [(epoch, Archive.open(path, run)) for epoch, path in names]
    best = Archive.open(run / FOLDER / BEST, run)
    # Of other images, of a run from before a setting was changed, they cannot stand beside these.
    fitting = tuple((epoch, part) for epoch, part in found if part is not None and part.ids == images.ids)
    return KeptEpochs(images, fitting, best if best is not None and best.ids == images.ids else None)
