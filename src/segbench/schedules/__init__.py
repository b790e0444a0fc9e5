"""Learning-rate schedules that torch lacks: by epochs, or by steps of the optimiser."""

from segbench.schedules.epochs import EpochTable, ExponentialFloor
from segbench.schedules.range_test import RangeTest
from segbench.schedules.steps import CosineRestarts, OneCycle, Poly, StepSchedule

__all__ = ["CosineRestarts", "EpochTable", "ExponentialFloor", "OneCycle", "Poly", "RangeTest", "StepSchedule"]
