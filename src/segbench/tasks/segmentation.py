"""The segmentation task: a network, a loss, an optimiser and the counts that every score derives from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import DivergedError
from segbench.losses import SegmentationLoss
from segbench.models import TrainingOutputs
from segbench.rng import derive_seed
from segbench.scores import Convention, class_scores, mean_score
from segbench.scores.counts import confusion_matrices
from segbench.tasks.evaluation import CountsTable

VALIDATION_SCORES = ("dice", "iou", "pixel_accuracy")
# Weight of the newest step in the running loss that the progress bar shows.
_NEWEST = 0.05


class SegmentationTask(pl.LightningModule):
    """Trains and evaluates any network that maps (B,C,H,W) images to (B,K,H,W) logits.

    Args:
        network: The network. Its attribute ``stride`` (default 1) is what image sides must be divisible by;
            images are padded and logits cropped here, once, for every network. In training it may return
            :class:`segbench.models.TrainingOutputs`: the loss is then the mean over its logits, plus the binary cross
            entropy of which classes are present.
        loss: Callable ``(logits, target[, weight]) -> scalar``.
        optimizer: Function from parameters to an optimiser.
        scheduler: Function from an optimiser to a learning-rate schedule stepped once an epoch, or None.
        class_names: Names of all classes, background first (2 for binary data).
        seed: The run's seed; every step seeds torch with (seed, epoch, batch).
        ignore_index: Label that counts nowhere.
        channels_last: Whether to feed the network NHWC memory.
        monitor: Score that a plateau schedule follows.

    K = 1 is a sigmoid over one foreground class, K > 1 a softmax.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: SegmentationLoss,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None,
        class_names: Sequence[str],
        seed: int = 0,
        ignore_index: int = 255,
        channels_last: bool = False,
        monitor: str = "val/loss",
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.class_names = tuple(class_names)
        self.seed = seed
        self.ignore_index = ignore_index
        self.monitor = monitor
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing from its annotations
        self.validation = CountsTable()
        self.evaluation: dict[str, CountsTable] = {}
        self.extra_state: dict[str, Any] = {}
        self.running_loss: float | None = None
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self._loss_sum, self._loss_images = 0.0, 0

    # -- forward -----------------------------------------------------------------------------------

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B,K,H,W) for images (B,C,H,W) of any size."""
        return self._outputs(image).logits

    def _outputs(self, image: Tensor) -> TrainingOutputs:
        stride = getattr(self.network, "stride", 1)
        height, width = image.shape[-2:]
        bottom, right = -height % stride, -width % stride
        if bottom or right:
            image = functional.pad(image, (0, right, 0, bottom), mode="replicate")
        outputs = self.network(image.contiguous(memory_format=self.memory_format))
        outputs = outputs if isinstance(outputs, TrainingOutputs) else TrainingOutputs(outputs)
        if not (bottom or right):
            return outputs
        sides = tuple(logits[..., :height, :width] for logits in outputs.side_logits)
        return outputs._replace(logits=outputs.logits[..., :height, :width], side_logits=sides)

    @staticmethod
    def predict_classes(logits: Tensor) -> Tensor:
        """Return class indices (B,H,W) int64: sigmoid at 0.5 for K = 1, arg max otherwise."""
        return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)

    @staticmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return probabilities of all classes (B,C,H,W) float32, background first: C = 2 for K = 1, else K."""
        logits = logits.float()
        if logits.shape[1] > 1:
            return logits.softmax(dim=1)
        foreground = logits.sigmoid()
        return torch.cat((1 - foreground, foreground), dim=1)

    # -- training ----------------------------------------------------------------------------------

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Seed whatever the step draws (dropout and the like) by (seed, epoch, batch)."""
        torch.manual_seed(derive_seed(self.seed, "step", self.current_epoch, batch_idx))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the batch's loss.

        Raises:
            DivergedError: If the loss is not finite; names the step, the learning rate and the images.
        """
        loss = self._loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            rate = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]  # a list only where several are
            raise DivergedError(
                f"loss is {value} at step {self.global_step} (epoch {self.current_epoch}), learning rate {rate:g}, "
                f"images {', '.join(batch['id'])}; lower optimizer.lr or look at these images"
            )
        images = len(batch["image"])
        self._loss_sum += value * images
        self._loss_images += images
        self.running_loss = (
            value if self.running_loss is None else self.running_loss + _NEWEST * (value - self.running_loss)
        )
        return loss

    @property
    def train_loss(self) -> float:
        """Mean training loss per image since the epoch began."""
        return self._loss_sum / max(self._loss_images, 1)

    def reset_train_loss(self) -> None:
        """Begin the mean of a new epoch."""
        self._loss_sum, self._loss_images = 0.0, 0

    def train(self, mode: bool = True) -> SegmentationTask:
        """Switch to training; a frozen part stays in evaluation, so that its batch-norm statistics stay too."""
        super().train(mode)
        for module in self.network.modules():
            if getattr(module, "frozen", False):
                module.eval()
        return self

    def configure_optimizers(self) -> Any:
        """Return the optimiser over the weights that are not frozen, and the schedule if there is one."""
        optimizer = self._make_optimizer([weight for weight in self.network.parameters() if weight.requires_grad])
        if self._make_scheduler is None:
            return optimizer
        schedule = self._make_scheduler(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": self.monitor}}

    # -- validation and test -----------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin new counts."""
        self.validation = CountsTable()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Add the batch's counts and loss."""
        self._evaluate(batch, self.validation)

    def on_validation_epoch_end(self) -> None:
        """Make the loss and the scores known, from counts, so that they do not depend on the batch size."""
        self.log_dict(self._scores(self.validation), logger=False)

    def on_test_start(self) -> None:
        """Begin new counts for every split that is evaluated."""
        for table in self.evaluation.values():
            table.clear()

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Add the batch's counts to the split of its loader (``evaluation`` names the splits in order).

        Returns:
            The predicted class indices (B,H,W), for callbacks.
        """
        return self._evaluate(batch, list(self.evaluation.values())[dataloader_idx])

    def metric_names(self) -> list[str]:
        """Return what can be monitored."""
        names = [f"val/{name}" for name in ("loss", *VALIDATION_SCORES)]
        return names + [f"val/dice_{name}" for name in self.class_names[1:]]

    # -- checkpoints -------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to go on exactly and to predict without the data: plain types only."""
        checkpoint["segbench"] = self.extra_state | {
            "class_names": list(self.class_names),
            "train_loss": [self._loss_sum, self._loss_images, self.running_loss],
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the running means up again."""
        self._loss_sum, self._loss_images, self.running_loss = checkpoint["segbench"]["train_loss"]

    # -- helpers -----------------------------------------------------------------------------------

    def _loss(self, batch: dict[str, Any]) -> Tensor:
        outputs, mask = self._outputs(batch["image"]), batch["mask"]
        results = (outputs.logits, *outputs.side_logits)
        loss = torch.stack([self.loss(logits, mask, batch.get("weight")) for logits in results]).mean()
        if outputs.presence is None:
            return loss
        present = torch.stack([(mask == index).flatten(1).any(dim=1) for index in range(1, len(self.class_names))], 1)
        return loss + functional.binary_cross_entropy_with_logits(outputs.presence.float(), present.float())

    def _evaluate(self, batch: dict[str, Any], table: CountsTable) -> Tensor:
        logits = self(batch["image"])
        mask, prediction = batch["mask"], self.predict_classes(logits)
        confusion = confusion_matrices(prediction, mask, len(self.class_names), self.ignore_index)
        table.add(batch["id"], confusion, tuple(mask.shape[-2:]), self.loss(logits, mask))
        return prediction

    def _scores(self, table: CountsTable) -> dict[str, float]:
        convention = Convention()
        scores = {"val/loss": table.mean_loss}
        scores |= {f"val/{name}": mean_score(table.counts, name, convention) for name in VALIDATION_SCORES}
        per_class = class_scores(table.counts, "dice", convention)
        scores |= {f"val/dice_{name}": float(per_class[i]) for i, name in enumerate(self.class_names) if i > 0}
        return scores
