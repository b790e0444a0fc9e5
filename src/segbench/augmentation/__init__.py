"""Augmentation: albumentations with one seed per sample, and transforms that albumentations lacks."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Set before albumentations is imported, or it would look online for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from segbench.augmentation.copies import Copy, QuarterTurns
from segbench.augmentation.curriculum import Curriculum
from segbench.augmentation.mixing import CutMix, Mix
from segbench.augmentation.pipeline import Augmentation, Augmented
from segbench.augmentation.stages import CurriculumStages, Stage

if TYPE_CHECKING:
    from segbench.augmentation.elastic import Elastic
    from segbench.augmentation.mirror import MirrorTiles
    from segbench.augmentation.scaling import ScaleCrop

# Transforms of albumentations, whose import takes half a second: runs without them, and predictions, do without.
_LATE = {"Elastic": "elastic", "MirrorTiles": "mirror", "ScaleCrop": "scaling"}

__all__ = [
    "Augmentation",
    "Augmented",
    "Copy",
    "Curriculum",
    "CurriculumStages",
    "CutMix",
    "Elastic",
    "MirrorTiles",
    "Mix",
    "QuarterTurns",
    "ScaleCrop",
    "Stage",
]


def __getattr__(name: str) -> Any:
    """Import a transform when it is first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
