"""LightningModules: what is trained and how it is scored."""

from segbench.tasks.base import Task
from segbench.tasks.classification import ClassificationTask
from segbench.tasks.manual_gradients import ManualGradientsTask
from segbench.tasks.multilabel import MultilabelTask
from segbench.tasks.segmentation import SegmentationTask

__all__ = ["ClassificationTask", "ManualGradientsTask", "MultilabelTask", "SegmentationTask", "Task"]
