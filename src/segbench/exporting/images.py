"""A few real images, as a network's data stores them, to hold an export against its run by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from segbench.augmentation import Augmentation
from segbench.configuration.build import build
from segbench.data.base import ImageData
from segbench.data.input_format import InputFormat
from segbench.data.pictures import is_picture, open_picture
from segbench.errors import CheckpointError, ConfigError, DataError, SegbenchError, reading_data
from segbench.runs.readers import DamagedError, config_file
from segbench.targets import own_class, targets_in
from segbench.words import listed, plural

MOST = 3
_INSTEAD = "images=<folder or file> holds the export against other images"


@dataclass(frozen=True)
class Shown:
    """Images that both networks are given.

    Attributes:
        pixels: Each (H,W,C), as the data set stores them, before normalisation.
        words: What they are.
    """

    pixels: list[NDArray[Any]]
    words: str


def images_given(images: Path, inputs: InputFormat) -> Shown:
    """Return a few of the files in a folder and below, or a file; of a volume the slice in its middle.

    Raises:
        DataError: If there are none, or one of them is no input of this network.
    """
    files = sorted(filter(is_picture, images.rglob("*"))) if images.is_dir() else [images]
    if not files:
        raise DataError(f"images={images}: no images there")
    parts = [open_picture(files[index], inputs).inputs() for index in _spread(len(files))]
    return Shown([part[len(part) // 2] for part in parts], f"{plural(len(parts), 'image')} that were given")


def images_of_run(home: Path, trust: bool) -> Shown:
    """Return a few test images of a run's data, or else of its other images, as its configuration finds them.

    Args:
        home: Its directory.
        trust: Whether the data's classes may be anyone's; their modules are then imported.

    Raises:
        SegbenchError: If there is no configuration, or the data is not here; says that others can be given.
    """
    try:
        data = _data(home, trust)
        with reading_data():
            data.setup()
    except DamagedError as error:
        raise CheckpointError(f"run={home}: {error}; {_INSTEAD}") from error
    except SegbenchError as error:
        raise type(error)(f"run={home}: {error}; {_INSTEAD}") from error
    split = next(name for name in ("test", "val", "train") if data.splits.get(name))
    rows = data.datasets[split].indices
    chosen = [rows[index] for index in _spread(len(rows))]
    images = data.datasets[split].arrays.images
    return Shown([np.array(images[row]) for row in chosen], f"{plural(len(chosen), 'image')} of its {split} split")


def _data(home: Path, trust: bool) -> ImageData:
    plain = config_file(home / "config.yaml")
    section, cache = plain.get("data"), (plain.get("paths") or {}).get("cache")
    if not isinstance(section, dict) or not isinstance(cache, str):
        raise DamagedError("config.yaml: no data or no paths.cache")
    if not trust:
        _refuse_code(section)
        # Nothing is fetched from where a file of anyone says.
        section = {key: value for key, value in section.items() if key != "url"}
    # Alone, so that nothing in it can refer to what was not looked at.
    cfg = OmegaConf.create({"data": section})
    given = {"augmentation": Augmentation(), "seed": plain["seed"], "cache_dir": Path(cache), "scores": {}}
    data: ImageData = build("data", cfg, **given)
    return data


def _refuse_code(section: dict[str, Any]) -> None:
    """Refuse classes that are not data of ours, and what would be another thing when it is read than it is now."""
    others = [name for _, name in targets_in(section, "data") if not own_class("segbench.data", name, ImageData)]
    if others:
        raise ConfigError(f"names {listed(others)}, which is not segbench's; trust=true imports and executes it")
    # A run records what its settings came to, so it has written no interpolation.
    if "${" in json.dumps(section):
        raise ConfigError("data refers to other settings, as no run records it; trust=true resolves and executes that")


def _spread(number: int) -> list[int]:
    """Return which of so many to take: the first, the last, and between."""
    return sorted({round(index) for index in np.linspace(0, number - 1, MOST)})
