"""Losses; each docstring gives the formula, scale and source."""

from segbench.losses.base import SegmentationLoss
from segbench.losses.boundary import BoundaryCrossEntropy
from segbench.losses.boundary_distance import BoundaryLoss
from segbench.losses.class_balance import FocalLoss, WeightedCrossEntropy
from segbench.losses.cldice import CLDiceLoss
from segbench.losses.combined import BCEDice, CEDice, DiceBoundary, DiceFocal, WeightedCEDice
from segbench.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from segbench.losses.dice import DiceLoss
from segbench.losses.generalised_dice import GeneralisedDiceLoss
from segbench.losses.hard_pixels import OHEMCrossEntropy
from segbench.losses.label_smoothing import SmoothedCrossEntropy
from segbench.losses.lovasz import LovaszLoss
from segbench.losses.tversky import FocalTverskyLoss, TverskyLoss

__all__ = [
    "BCEDice",
    "BinaryCrossEntropy",
    "BoundaryCrossEntropy",
    "BoundaryLoss",
    "CEDice",
    "CLDiceLoss",
    "CrossEntropy",
    "DiceBoundary",
    "DiceFocal",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GeneralisedDiceLoss",
    "LovaszLoss",
    "OHEMCrossEntropy",
    "SegmentationLoss",
    "SmoothedCrossEntropy",
    "TverskyLoss",
    "WeightedCEDice",
    "WeightedCrossEntropy",
]
