"""Augmentation: albumentations behind a seed for every sample, and what albumentations lacks."""

from segbench.augmentation.copies import Copy, Moved, QuarterTurns
from segbench.augmentation.pipeline import Augmentation

__all__ = ["Augmentation", "Copy", "Moved", "QuarterTurns"]
