"""The weight map that a run was trained with, over an image, for its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segbench.pictures.panels import as_picture
from segbench.pictures.weight_map import border_part, border_weight, draw_weight_map
from segbench.runs.files import atomic_open
from segbench.runs.run_callback import RunCallback, RunContext, only_warning

log = logging.getLogger("segbench")
# Images that are looked through for two near objects.
MOST_IMAGES = 32


class WeightPicture(RunCallback):
    """Draws a finished run's weights of pixels into ``figures/weights.png``, between the two nearest objects.

    Validation images are looked through, without them those of training. A picture that fails is only warned of.

    Args:
        settings: What shapes the weights; it stands above the picture.
    """

    changes_result = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def finish(self, context: RunContext) -> None:
        """Draw the picture; what lies in its place is removed where there is nothing to draw."""
        path = context.run.figures / "weights.png"
        path.unlink(missing_ok=True)
        with only_warning(path.name):
            self._draw(context.data, path)

    def _draw(self, data: Any, path: Path) -> None:
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
        words = "".join(f"; {key} {value}" for key, value in _flat(self.settings))
        mask, weight = item["mask"].numpy(), item["weight"].numpy()
        figure = draw_weight_map(image, mask, weight, data.mask_key, f"part of {item['id']}{words}")
        with atomic_open(path) as stream:
            figure.savefig(stream, format="png")


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the innermost keys with their values."""
    found = []
    for key, value in settings.items():
        found += _flat(value) if isinstance(value, Mapping) else [(key, value)]
    return found
