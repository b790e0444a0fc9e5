"""What happens beside the training step: checkpoints, curves, costs, pictures, progress."""

from segbench.callbacks.checkpoints import RunCheckpoints
from segbench.callbacks.cost import CostMeter
from segbench.callbacks.curves import Curves
from segbench.callbacks.objects import DECLARED, ObjectScores
from segbench.callbacks.panels import PredictionPanels
from segbench.callbacks.predictions import StoredPredictions
from segbench.callbacks.progress import TerminalBar
from segbench.callbacks.stopping import ResumableEarlyStopping
from segbench.callbacks.volumes import VolumeScores

__all__ = [
    "DECLARED",
    "CostMeter",
    "Curves",
    "ObjectScores",
    "PredictionPanels",
    "ResumableEarlyStopping",
    "RunCheckpoints",
    "StoredPredictions",
    "TerminalBar",
    "VolumeScores",
]
