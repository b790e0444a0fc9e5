"""Augmentation: albumentations with one seed per sample, and transforms that albumentations lacks."""

import os

# Set before albumentations is imported, or it would look online for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from segbench.augmentation.copies import Copy, QuarterTurns
from segbench.augmentation.curriculum import Curriculum
from segbench.augmentation.elastic import Elastic
from segbench.augmentation.mirror import MirrorTiles
from segbench.augmentation.mixing import CutMix, Mix
from segbench.augmentation.pipeline import Augmentation, Augmented
from segbench.augmentation.scaling import ScaleCrop
from segbench.augmentation.stages import CurriculumStages, Stage

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
