"""The files that hold a trained network: a run's checkpoint, and what is exported for use elsewhere.

Whatever the file, it is opened as a :class:`Trained`: what is known of its images and classes, and the network.
"""

from segbench.model_formats.opened import Trained, open_trained
from segbench.model_formats.sidecar import SIDECAR, Sidecar

__all__ = ["SIDECAR", "Sidecar", "Trained", "open_trained"]
