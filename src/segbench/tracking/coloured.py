"""Masks as pictures in the colours of their classes, for dashboards that have no colours of ours for masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from segbench.masks import MaskKey
from segbench.pictures.panels import as_rgb, overlay


def coloured(panel: dict[str, Any], key: MaskKey) -> dict[str, np.ndarray]:
    """Return images, and what lies over them, uint8 (N,H,W,3) each: ``image``, ``truth`` and ``prediction``.

    Args:
        panel: ``image`` float (N,H,W,C) in [0,1], ``truth`` and ``prediction`` int (N,H,W).
        key: How to read the masks, and their colours.
    """
    pictures = [as_rgb(image) for image in panel["image"]]
    drawn = {"image": pictures}
    for name in ("truth", "prediction"):
        drawn[name] = [overlay(picture, mask, key) for picture, mask in zip(pictures, panel[name], strict=True)]
    return {name: (np.stack(each) * 255).round().astype(np.uint8) for name, each in drawn.items()}
