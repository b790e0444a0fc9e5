"""LightningModules: what is trained and how it is scored."""

from segbench.tasks.by_hand import ByHandTask
from segbench.tasks.classification import ClassificationTask
from segbench.tasks.segmentation import SegmentationTask

__all__ = ["ByHandTask", "ClassificationTask", "SegmentationTask"]
