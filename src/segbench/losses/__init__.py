"""Losses; each docstring gives the formula, scale and source."""

from segbench.losses.base import SegmentationLoss
from segbench.losses.boundary import BoundaryCrossEntropy
from segbench.losses.class_balance import FocalLoss, WeightedCrossEntropy
from segbench.losses.combined import BCEDice, CEDice, DiceFocal, WeightedCEDice
from segbench.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from segbench.losses.dice import DiceLoss

__all__ = [
    "BCEDice",
    "BinaryCrossEntropy",
    "BoundaryCrossEntropy",
    "CEDice",
    "CrossEntropy",
    "DiceFocal",
    "DiceLoss",
    "FocalLoss",
    "SegmentationLoss",
    "WeightedCEDice",
    "WeightedCrossEntropy",
]
