"""The base of data modules for classification: one label per image."""

from __future__ import annotations

from segbench.data.base import ImageData
from segbench.data.dataset import ClassificationDataset


class ClassificationData(ImageData):
    """Images that each have one of ``class_names``; targets are labels uint8 (N,). There is no background."""

    task = "classification"
    dataset_class = ClassificationDataset
