"""Augmentation: albumentations behind a seed for every sample, and what albumentations lacks."""

import os

# Set before albumentations is imported: it would otherwise ask the network for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from segbench.augmentation.copies import Copy, QuarterTurns
from segbench.augmentation.curriculum import Curriculum
from segbench.augmentation.elastic import Elastic
from segbench.augmentation.mirror import MirrorTiles
from segbench.augmentation.pipeline import Augmentation, Moved
from segbench.augmentation.scaling import ScaleCrop
from segbench.augmentation.stages import CurriculumStages, Stage

__all__ = [
    "Augmentation",
    "Copy",
    "Curriculum",
    "CurriculumStages",
    "Elastic",
    "MirrorTiles",
    "Moved",
    "QuarterTurns",
    "ScaleCrop",
    "Stage",
]
