"""Multi-label segmentation: classes that may overlap, each predicted independently of the others."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from segbench.errors import ConfigError
from segbench.scores.derive import MICRO, OVERALL_SCORES
from segbench.scores.overlaps import overlap_counts, pack_bits
from segbench.tasks.evaluation import CountsTable
from segbench.tasks.kind import TaskData
from segbench.tasks.segmentation import SegmentationTask
from segbench.tasks.together import log_odds


class MultilabelTask(SegmentationTask):
    """Trains and evaluates any network that maps (B,C,H,W) images to (B,K,H,W) logits, one sigmoid per class.

    A pixel may have several of the K classes, or none; there is no background class. A batch's ``mask`` is int64
    (B,K,H,W): 1 inside the class, 0 outside, 255 for ignored pixels. A class is predicted where its probability exceeds
    1/2. The loss treats each class of each image as an image of its own (:class:`segbench.losses.SegmentationLoss`).
    Classes are counted separately, so there is no confusion between them.

    Args:
        *arguments: Those of :class:`segbench.tasks.segmentation.SegmentationTask`.
        **options: Those of :class:`segbench.tasks.segmentation.SegmentationTask`.

    Raises:
        ConfigError: If the network has a presence head, which takes the first class for background.
    """

    name = losses = "multilabel"
    example_loss = "bce_dice"
    outside = 0.0
    overall = tuple(name for name in OVERALL_SCORES if name.startswith(MICRO))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if getattr(self.network, "presence", None) is not None:
            raise ConfigError(
                "model.classification=true: takes the first class for background, but the classes overlap; use false"
            )

    @classmethod
    def count_outputs(cls, activation: str, data: TaskData) -> int:
        """Return one logit per class; reject a softmax."""
        if activation == "softmax":
            raise ConfigError(
                f"activation=softmax: classes of {data.name} overlap; use activation=auto, one sigmoid each"
            )
        return len(data.class_names)

    @classmethod
    def count_joint_outputs(cls, activation: str, data: TaskData) -> int:
        """Return 1: every logit is a decision of its own."""
        return 1

    def new_table(self) -> CountsTable:
        """Return an empty table of counts, without a confusion matrix."""
        return CountsTable(len(self.class_names), exclusive=False)

    def count(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """Return the counts of each class for the table, int64 (B,K,4).

        Args:
            prediction: 0 and 1, or bool, (B,K,H,W).
            truth: 0, 1 or the label to ignore (B,K,H,W).
        """
        return overlap_counts(prediction, truth, self.ignore_index)

    @staticmethod
    def predict_classes(logits: Tensor) -> Tensor:
        """Return where each class is predicted, bool (B,K,H,W)."""
        return MultilabelTask.probabilities(logits) > 0.5

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return the probability of each class, float32 (B,K,H,W)."""
        return logits.float().sigmoid()

    @staticmethod
    def logits(probabilities: Tensor, outputs: int) -> Tensor:
        """Return the logit of each class's probability, (B,K,H,W)."""
        return log_odds(probabilities)

    def predict_labels(self, probabilities: Tensor) -> Tensor:
        """Return where each class is predicted, bool (B,K,...), from probabilities."""
        return probabilities > 0.5

    def stored_masks(self, labels: Tensor) -> Tensor:
        """Return labels (B,K,H,W) as bit sets, uint8 (B,H,W)."""
        return pack_bits(labels)
