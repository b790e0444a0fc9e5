"""Losses, each with its formula, scale and source in its docstring."""

from segbench.losses.base import SegmentationLoss
from segbench.losses.combined import BCEDice, CEDice
from segbench.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from segbench.losses.dice import DiceLoss

__all__ = ["BCEDice", "BinaryCrossEntropy", "CEDice", "CrossEntropy", "DiceLoss", "SegmentationLoss"]
