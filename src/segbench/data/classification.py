"""The base of data modules whose images have one label each."""

from __future__ import annotations

from segbench.data.base import ImageData
from segbench.data.dataset import ClassificationDataset


class ClassificationData(ImageData):
    """Images with one of ``class_names`` each; targets are labels uint8 (N,). There is no background."""

    task = "classification"
    dataset_class = ClassificationDataset
