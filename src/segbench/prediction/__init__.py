"""From trained runs and image files to masks, labelled objects, probabilities, areas and overlays."""

from segbench.prediction.procedure import Outcome, predict_files
from segbench.prediction.results import Wanted

__all__ = ["Outcome", "Wanted", "predict_files"]
