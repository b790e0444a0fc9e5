"""What happens beside the training step: checkpoints, curves, costs, pictures, progress."""

from segbench.callbacks.checkpoints import RunCheckpoints
from segbench.callbacks.column_scores import ColumnScorer, ColumnScores
from segbench.callbacks.cost import CostMeter
from segbench.callbacks.curves import Curves
from segbench.callbacks.panels import PredictionPanels
from segbench.callbacks.predictions import StoredPredictions
from segbench.callbacks.progress import TerminalBar
from segbench.callbacks.pruning import Pruning, pruning
from segbench.callbacks.rate_picture import RatePicture
from segbench.callbacks.repeatability import Repeatability
from segbench.callbacks.volumes import VolumeScores
from segbench.callbacks.weight_average import WeightAverage

__all__ = [
    "ColumnScorer",
    "ColumnScores",
    "CostMeter",
    "Curves",
    "PredictionPanels",
    "Pruning",
    "RatePicture",
    "Repeatability",
    "RunCheckpoints",
    "StoredPredictions",
    "TerminalBar",
    "VolumeScores",
    "WeightAverage",
    "pruning",
]
