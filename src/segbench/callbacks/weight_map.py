"""The weight map that a run was trained with, over an image, for its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segbench.errors import SegbenchError
from segbench.pictures.panels import as_picture
from segbench.pictures.weight_map import border_part, border_weight, draw_weight_map
from segbench.runs.files import atomic_open
from segbench.words import first_line

log = logging.getLogger("segbench")
# Images that are looked through for two near objects.
MOST_IMAGES = 32


def draw_weights(data: Any, path: Path) -> None:
    """Draw the weights between the two nearest objects of the validation images, where the loss asks for weights.

    Without validation images those of training are taken. A picture that fails is only warned of.

    Args:
        data: The data module, set up.
        path: The PNG to write; what lies there is removed where there is nothing to draw.
    """
    path.unlink(missing_ok=True)
    if data.pixel_weights is None:
        return
    try:
        dataset = data.scored("val" if "val" in data.datasets and len(data.datasets["val"]) else "train")
        items = [dataset[index] for index in range(min(len(dataset), MOST_IMAGES))]
        borders = [border_weight(item["mask"].numpy(), item["weight"].numpy()) for item in items]
        # Near objects of one image stand for all; those with the heaviest part, as far as it is shown.
        sums = [border[border_part(border)].sum() for border in borders]
        if not max(sums) > 0:
            log.info("%s: not drawn, as no pixel between two objects weighs more than others of its class", path.name)
            return
        item = items[int(np.argmax(sums))]
        mean, std = (torch.as_tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
        image = as_picture((item["image"] * std + mean).clamp(0, 1).permute(1, 2, 0).numpy())
        settings = "".join(f"; {key} {value}" for key, value in _flat(data.pixel_weights.weight_settings()))
        figure = draw_weight_map(image, item["mask"].numpy(), item["weight"].numpy(), f"part of {item['id']}{settings}")
        with atomic_open(path) as stream:
            figure.savefig(stream, format="png")
    except SegbenchError:
        raise
    except Exception as error:
        line = first_line(error)
        log.warning("%s: not drawn (%s: %s)", path.name, type(error).__name__, line)


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the innermost keys with their values."""
    found = []
    for key, value in settings.items():
        found += _flat(value) if isinstance(value, Mapping) else [(key, value)]
    return found
