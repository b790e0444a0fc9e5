"""LightningModules: what is trained and how it is scored."""

from segbench.tasks.segmentation import SegmentationTask

__all__ = ["SegmentationTask"]
