"""A trained run and image files to masks and overlays."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from segbench.data.file_names import mask_names
from segbench.data.input_format import InputFormat
from segbench.data.nifti import encode_labels
from segbench.data.pictures import Picture, is_picture, open_picture, unread
from segbench.errors import DataError, SegbenchError, StorageError
from segbench.masks import MaskKey
from segbench.pictures.panels import as_picture, class_colour, overlay
from segbench.predictor import Predictor
from segbench.runs.failures import out_of_memory
from segbench.runs.files import MAX_NAME, atomic_open, shortened, sweep_abandoned, write_json
from segbench.words import first_line, plural

log = logging.getLogger("segbench")
# Bytes of a class's name in those of its masks.
_LONGEST_ENDING = 80


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        masks: The masks written.
        predicted: Of how many files.
        skipped: A line for each file that could not be predicted.
        ignored: How many files are no images (or are labels).
    """

    masks: list[Path] = field(default_factory=list)
    predicted: int = 0
    skipped: list[str] = field(default_factory=list)
    ignored: int = 0


def predict_files(predictor: Predictor, images: Path, out: Path, overlays: bool) -> Outcome:
    """Predict a file or all files of a folder; a bad file is skipped and costs the others nothing.

    ``masks/<name>.png`` (grey, class indices) or ``.nii.gz``, for overlapping classes ``masks/<name>_<class>.png`` each
    (1 inside the class, else 0); ``overlays/<name>.png``, for a volume all its slices in one picture; ``classes.json``
    with the names and colours of the classes, and the endings of their masks' names if each has its own.

    Args:
        predictor: The trained network.
        images: An image or volume, or a folder of them (not of folders).
        out: Where the results go.
        overlays: Whether to draw overlays too.

    Raises:
        DataError: If there is nothing to predict, or nothing could be.
        StorageError: If the results cannot be written; those of the files before stay.
    """
    files, outcome = _find(images)
    names, faults = mask_names(files, _endings(predictor.key))
    outcome.skipped += faults
    for folder in (out, out / "masks", out / "overlays"):
        sweep_abandoned(folder)
    console = Console(stderr=True)
    for path in track([*names], "predicting", console=console, transient=True, disable=not console.is_terminal):
        try:
            picture = open_picture(path, predictor.inputs)
            mask = predictor.mask(picture)
        except Exception as error:
            outcome.skipped.append(_why_skipped(path, error))
            continue
        _say_if_foreign(picture, predictor.inputs)
        with _writing(out, outcome):
            outcome.masks += _write(out, names[path], mask, picture, predictor, overlays)
            outcome.predicted += 1
    if not outcome.masks:
        raise DataError("\n".join([f"images={images}: no file could be predicted:", *outcome.skipped]))
    with _writing(out, outcome):
        write_json(out / "classes.json", _classes(predictor.key))
    return outcome


def _why_skipped(path: Path, error: Exception) -> str:
    """Return the line of a file that could not be predicted; a refusal that is not about the file is raised."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, SegbenchError):
        raise error
    if isinstance(error, OSError):
        return f"{path}: cannot be read ({error.strerror or error})"
    if out_of_memory(error):
        return f"{path}: too large for the memory; window=[512,512] predicts it in parts"
    return f"{path}: not predicted ({type(error).__name__}: {first_line(error)})"


@contextmanager
def _writing(out: Path, outcome: Outcome) -> Iterator[None]:
    """Say what is left where the disk is full or the folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"out={out}: cannot be written ({error.strerror or error}); {plural(outcome.predicted, 'file')} predicted"
            " before stay there; free space or choose another folder"
        ) from error


def _classes(key: MaskKey) -> dict[str, dict[str, str]]:
    """Return names and colours of the classes, and how the names of their masks end if each has its own."""
    found = {
        "classes": {str(index): name for index, name in enumerate(key.names)},
        "colours": {str(index): _hex(class_colour(index, key)) for index in key.shown},
    }
    if key.form.overlapping:
        found["masks"] = {str(index): ending for index, ending in enumerate(_endings(key))}
    return found


def _endings(key: MaskKey) -> list[str]:
    """Return what follows an image's name in those of its masks, all different: nothing, or ``_left_ventricle``."""
    if not key.form.overlapping:
        return [""]
    plain = [shortened("_" + re.sub(r"[^\w.-]+", "_", name), MAX_NAME - _LONGEST_ENDING) for name in key.names]
    return [f"{ending}_{index}" if plain.count(ending) > 1 else ending for index, ending in enumerate(plain)]


def _write(
    out: Path, name: str, mask: NDArray[np.uint8], picture: Picture, predictor: Predictor, overlays: bool
) -> list[Path]:
    """Write the masks of a file, and one overlay of all its classes."""
    (out / "masks").mkdir(parents=True, exist_ok=True)
    layers = zip(predictor.key.layers(mask), _endings(predictor.key), strict=True)
    written = [_write_mask(out / "masks", f"{name}{ending}", layer.mask, picture) for layer, ending in layers]
    if overlays:
        (out / "overlays").mkdir(exist_ok=True)
        _write_overlay(out / "overlays" / f"{name}.png", mask, picture, predictor)
    return written


@functools.cache
def _say_once(line: str) -> None:
    log.warning(line)


def _say_if_foreign(picture: Picture, inputs: InputFormat) -> None:
    """Warn of a picture that is brought to the network otherwise than its training images were."""
    spaced = inputs.plane((64, 64), (2.0, 2.0)) != inputs.plane((64, 64), (1.0, 1.0))
    if picture.volume is not None and not spaced and inputs.size is not None:
        height, width = inputs.size
        _say_once(f"volumes: {inputs.name} has no voxel size; their slices are resized to {height}x{width}")
    elif picture.volume is None and spaced:
        _say_once(f"images: they tell no pixel size; {inputs.name}'s network takes them as they are")


def _find(images: Path) -> tuple[list[Path], Outcome]:
    if images.is_file():
        return [images], Outcome()
    if not images.is_dir():
        raise DataError(f"images={images}: no such file or folder")
    entries = sorted(path for path in images.iterdir() if not path.is_dir())
    named = [path for path in entries if is_picture(path)]
    files = [path for path in named if path.is_file()]
    skipped = [f"{path}: not a file (a broken link, a pipe or a device)" for path in named if not path.is_file()]
    skipped += [fault for path in entries if (fault := unread(path))]
    if not files:
        kinds = "PNG, JPEG, GIF, BMP, TIFF, WebP, NIfTI"
        raise DataError("\n".join([f"images={images}: no images there ({kinds})", *skipped]))
    return files, Outcome(skipped=skipped, ignored=len(entries) - len(files) - len(skipped))


def _write_mask(folder: Path, name: str, mask: NDArray[np.uint8], picture: Picture) -> Path:
    if picture.volume is None:
        path = folder / f"{name}.png"
        with atomic_open(path) as stream:
            Image.fromarray(mask[0]).save(stream, format="PNG")
        return path
    path = folder / f"{name}.nii.gz"
    with atomic_open(path) as stream:
        stream.write(encode_labels(mask.transpose(2, 1, 0), picture.volume, compressed=True))
    return path


def _write_overlay(path: Path, mask: NDArray[np.uint8], picture: Picture, predictor: Predictor) -> None:
    grey = np.clip(picture.pixels.astype(np.float32) / predictor.inputs.scale, 0, 1)
    shown = np.broadcast_to(grey, (*grey.shape[:3], 3)) if grey.shape[3] == 1 else as_picture(grey)
    parts = np.stack([overlay(part, labels, predictor.key) for part, labels in zip(shown, mask, strict=True)])
    with atomic_open(path) as stream:
        Image.fromarray((_montage(parts) * 255).round().astype(np.uint8)).save(stream, format="PNG")


def _montage(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put slices (Z,H,W,3) side by side, in rows of about equal number, with a white line between."""
    if len(parts) == 1:
        return parts[0]
    columns = int(np.ceil(np.sqrt(len(parts))))
    framed = np.pad(parts, ((0, -len(parts) % columns), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    rows = [np.concatenate(list(framed[start : start + columns]), axis=1) for start in range(0, len(framed), columns)]
    return np.concatenate(rows, axis=0)


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02X}" for channel in colour)
