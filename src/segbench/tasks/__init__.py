"""LightningModules: what is trained and how it is scored."""

from segbench.tasks.classification import ClassificationTask
from segbench.tasks.segmentation import SegmentationTask

__all__ = ["ClassificationTask", "SegmentationTask"]
