"""The picture of the pixel weights that a run was trained with, for its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segbench.pictures.panels import input_picture
from segbench.pictures.weight_map import border_part, border_weight, draw_weight_map
from segbench.runs.files import atomic_open
from segbench.runs.run_callback import RunCallback, RunContext, only_warning

log = logging.getLogger("segbench")
# Number of images searched for two near objects.
MOST_IMAGES = 32


class WeightPicture(RunCallback):
    """Draws a finished run's pixel weights into ``figures/weights.png``, around two near objects.

    They are searched for in the validation images, or in the training images if there are none. A failure is only a
    warning.

    Args:
        settings: The settings that the weights depend on, for the heading.
    """

    changes_result = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def finish(self, context: RunContext) -> None:
        """Draw the picture; without anything to draw, remove an earlier one."""
        path = context.run.figures / "weights.png"
        path.unlink(missing_ok=True)
        with only_warning(path.name):
            self._draw(context.data, path)

    def _draw(self, data: Any, path: Path) -> None:
        dataset = data.scored("val" if "val" in data.datasets and len(data.datasets["val"]) else "train")
        items = [dataset[index] for index in range(min(len(dataset), MOST_IMAGES))]
        borders = [border_weight(item["mask"].numpy(), item["weight"].numpy()) for item in items]
        # One image represents all: the one with the largest border weights in the part that would be shown.
        sums = [border[border_part(border)].sum() for border in borders]
        if not max(sums) > 0:
            log.info("%s: not drawn, as no pixel between two objects has a larger weight than its class", path.name)
            return
        item = items[int(np.argmax(sums))]
        image = input_picture(item["image"], data.mean, data.std)
        words = "".join(f"; {key} {value}" for key, value in _flat(self.settings))
        mask, weight = item["mask"].numpy(), item["weight"].numpy()
        figure = draw_weight_map(image, mask, weight, data.mask_key, f"part of {item['id']}{words}")
        with atomic_open(path) as stream:
            figure.savefig(stream, format="png")


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the innermost keys and their values."""
    found = []
    for key, value in settings.items():
        found += _flat(value) if isinstance(value, Mapping) else [(key, value)]
    return found
