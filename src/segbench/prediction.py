"""A trained run and image files to masks and overlays."""

from __future__ import annotations

import functools
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from rich.console import Console
from rich.progress import track

from segbench.assembly import build_data, build_task
from segbench.data.dataset import Normalise
from segbench.data.file_names import mask_names
from segbench.data.nifti import encode_labels
from segbench.data.pictures import Picture, is_picture, open_picture, unread
from segbench.data.segmentation import SegmentationData
from segbench.errors import CheckpointError, ConfigError, DataError
from segbench.masks import MaskKey
from segbench.pictures.panels import as_picture, class_colour, overlay
from segbench.runs.checkpoint_io import BEST, load_checkpoint
from segbench.runs.directory import SCHEMA, other_schema
from segbench.runs.files import atomic_open, sweep_abandoned, write_json
from segbench.tasks.base import Task
from segbench.tasks.inference import masks_of, predict_on_grid
from segbench.tasks.windows import Windows

log = logging.getLogger("segbench")


@dataclass
class Predictor:
    """A trained network with what it knows of its data.

    Attributes:
        task: The task, in evaluation, on its device.
        data: The data module's class with its settings; its files are not needed.
        normalise: From pixels in the data set's stored scale to the network's.
        precision: As trained: of ``trainer.precision``.
        batch_size: Slices of a volume at a time.
    """

    task: Task[Any]
    data: SegmentationData
    normalise: Normalise
    precision: str
    batch_size: int = 8

    @classmethod
    def load(cls, run: Path, device: torch.device, batch_size: int = 8, windows: Windows | None = None) -> Predictor:
        """Load a run's best weights.

        Args:
            run: A run directory, or one of its checkpoints.
            device: Where to predict.
            batch_size: Slices of a volume at a time.
            windows: Windows by which images are predicted at their own size; None predicts them as they were scored.

        Raises:
            CheckpointError: If there is no whole checkpoint.
        """
        path = run / "checkpoints" / BEST if run.is_dir() else run
        if not path.is_file():
            raise CheckpointError(f"run={run}: no run with a trained network there (looked for {path})")
        stored = load_checkpoint(path)
        known: dict[str, Any] = stored.get("segbench", {})
        if "config" not in known:
            raise CheckpointError(f"run={run}: {path} holds no configuration; it was not written by src/run.py")
        if known.get("schema") != SCHEMA:
            raise CheckpointError(f"run={run}: {other_schema(known, path.name)}; train the run again with rerun=true")
        cfg = _as_trained(known["config"])
        data: Any = build_data(cfg)
        # What the data module has learned of its training images; Lightning keeps it under the class's name.
        if learned := stored.get(type(data).__qualname__):
            data.load_state_dict(learned)
        task = build_task(cfg, data, restored=True, windows=windows)
        if not task.has_masks:
            raise ConfigError(f"run={run}: trained for {task.name}; masks are predicted by segmentation networks only")
        if windows is not None:
            data.keep_sizes()
        task.load_state_dict(stored["state_dict"])
        mean, std = (np.asarray(known[name], np.float64) for name in ("mean", "std"))
        normalise = Normalise(mean, std, data.scale)
        return cls(task.eval().to(device), data, normalise, str(cfg.trainer.precision), batch_size)

    def probabilities(self, picture: Picture) -> NDArray[np.float32]:
        """Return the probabilities of all classes on the file's own grid, (Z,K,H,W), a background first."""
        images = torch.stack([self.normalise(part) for part in picture.inputs()])
        return predict_on_grid(self.task, images, picture.plane, self.precision, self.batch_size)

    def mask(self, picture: Picture) -> NDArray[np.uint8]:
        """Return the mask of every slice on the file's own grid, uint8 (Z,H,W), as the data's key reads it."""
        return masks_of(self.task, self.probabilities(picture))


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
    """
    files, outcome = _find(images)
    names, faults = mask_names(files)
    outcome.skipped += faults
    for folder in (out, out / "masks", out / "overlays"):
        sweep_abandoned(folder)
    console = Console(stderr=True)
    for path in track([*names], "predicting", console=console, transient=True, disable=not console.is_terminal):
        name = names[path]
        try:
            picture = open_picture(path, predictor.data)
            mask = predictor.mask(picture)
        except DataError as error:
            outcome.skipped.append(str(error))
            continue
        except OSError as error:
            outcome.skipped.append(f"{path}: cannot be read ({error.strerror or error})")
            continue
        _say_if_foreign(picture, predictor.data)
        outcome.masks += _write(out, name, mask, picture, predictor.data, overlays)
        outcome.predicted += 1
    if not outcome.masks:
        raise DataError("\n".join([f"images={images}: no file could be predicted:", *outcome.skipped]))
    write_json(out / "classes.json", _classes(predictor.data.mask_key))
    return outcome


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
    plain = ["_" + re.sub(r"[^\w.-]+", "_", name) for name in key.names]
    return [f"{ending}_{index}" if plain.count(ending) > 1 else ending for index, ending in enumerate(plain)]


def _write(
    out: Path, name: str, mask: NDArray[np.uint8], picture: Picture, data: SegmentationData, overlays: bool
) -> list[Path]:
    """Write the masks of a file, and one overlay of all its classes."""
    (out / "masks").mkdir(parents=True, exist_ok=True)
    layers = zip(data.mask_key.layers(mask), _endings(data.mask_key), strict=True)
    written = [_write_mask(out / "masks", f"{name}{ending}", layer.mask, picture) for layer, ending in layers]
    if overlays:
        (out / "overlays").mkdir(exist_ok=True)
        _write_overlay(out / "overlays" / f"{name}.png", mask, picture, data)
    return written


@functools.cache
def _say_once(line: str) -> None:
    log.warning(line)


def _say_if_foreign(picture: Picture, data: SegmentationData) -> None:
    """Warn of a picture that is brought to the network otherwise than its training images were."""
    spaced = data.prediction_plane((64, 64), (2.0, 2.0)) != data.prediction_plane((64, 64), (1.0, 1.0))
    if picture.volume is not None and not spaced and data.size is not None:
        height, width = data.size
        _say_once(f"volumes: {data.name} has no voxel size; their slices are resized to {height}x{width}")
    elif picture.volume is None and spaced:
        _say_once(f"images: they tell no pixel size; {data.name}'s network takes them as they are")


def _as_trained(text: str) -> DictConfig:
    """Return a run's configuration without what only its training needed."""
    cfg = OmegaConf.create(text)
    assert isinstance(cfg, DictConfig)
    cfg.init_from = cfg.freeze = cfg.comparison = None
    cfg.scores = {}
    return cfg


def _find(images: Path) -> tuple[list[Path], Outcome]:
    if images.is_file():
        return [images], Outcome()
    if not images.is_dir():
        raise DataError(f"images={images}: no such file or folder")
    entries = sorted(path for path in images.iterdir() if path.is_file())
    files = [path for path in entries if is_picture(path)]
    skipped = [fault for path in entries if (fault := unread(path))]
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


def _write_overlay(path: Path, mask: NDArray[np.uint8], picture: Picture, data: SegmentationData) -> None:
    grey = np.clip(picture.pixels.astype(np.float32) / data.scale, 0, 1)
    shown = np.broadcast_to(grey, (*grey.shape[:3], 3)) if grey.shape[3] == 1 else as_picture(grey)
    parts = np.stack([overlay(part, labels, data.mask_key) for part, labels in zip(shown, mask, strict=True)])
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


def choose_device(accelerator: str) -> torch.device:
    """Return the device of ``auto``, ``cpu`` or ``gpu``.

    Raises:
        ConfigError: If it is not there.
    """
    if accelerator == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("accelerator=gpu: there is no GPU here; use accelerator=cpu")
    if accelerator not in ("cpu", "gpu"):
        raise ConfigError(f"accelerator={accelerator}: choose auto, cpu or gpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")
