"""LightningModules: what is trained and how it is scored."""

from segbench.tasks.base import Task
from segbench.tasks.classification import ClassificationTask
from segbench.tasks.manual_gradients import ByHandTask
from segbench.tasks.multilabel import MultilabelTask
from segbench.tasks.segmentation import SegmentationTask

__all__ = ["ByHandTask", "ClassificationTask", "MultilabelTask", "SegmentationTask", "Task"]
