"""What the tasks share: training by a loss, evaluation into a table, and what a checkpoint needs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from segbench.labels import IGNORE_INDEX
from segbench.losses import SegmentationLoss
from segbench.processes import begin_step, end_step, images_in, mean_over_processes, own_share
from segbench.rng import derive_seed
from segbench.runs.directory import SCHEMA
from segbench.runs.run_callback import RunContext
from segbench.scores import Convention
from segbench.tasks.evaluation import EvaluationTable
from segbench.tasks.kind import TaskKind
from segbench.tasks.optimizers import build_optimizer
from segbench.tasks.readings import Readings
from segbench.tasks.stepping import described, followed_scores, tell_steps
from segbench.tasks.together import logarithms
from segbench.tasks.training_loss import TrainingLoss, describe_step, step_weight

TableT = TypeVar("TableT", bound=EvaluationTable)


class Task(TaskKind, pl.LightningModule, Generic[TableT]):
    """Trains a network by a loss and evaluates it into tables, from which every score derives.

    The data module names its task (:attr:`segbench.data.base.ImageData.tasks`); what a task says of itself as a class,
    before it is built, stands in :class:`segbench.tasks.kind.TaskKind`.

    Args:
        network: The network.
        loss: Callable ``(logits, target[, weight]) -> scalar``; None for a task that only predicts.
        optimizer: Function from parameters to an optimiser; None for a task that only predicts.
        scheduler: Function from an optimiser to a learning-rate schedule (:mod:`segbench.tasks.stepping`), or None.
        class_names: Names of all classes.
        seed: The run's seed; every step seeds torch with (seed, epoch, batch).
        ignore_index: Label that counts nowhere.
        channels_last: Whether to feed the network NHWC memory.
        monitor: Score that a plateau schedule follows.
        background: Whether class 0 of a segmentation is a background, which scores leave out.
        frozen: Name of the part of the network that is not trained (:func:`segbench.tasks.initialisation.freeze`).

    Attributes:
        evaluation: The table of each split of the final evaluation, in the order of its loaders.
        readings: How training reads numbers of its device.
        train_loss: The loss of the training steps.
        step_loss: The last batch's loss, of all processes, by the weight that it has in its step.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: SegmentationLoss | None = None,
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        scheduler: Callable[..., Any] | None = None,
        class_names: Sequence[str] = (),
        seed: int = 0,
        ignore_index: int = IGNORE_INDEX,
        channels_last: bool = False,
        monitor: str = "val/loss",
        background: bool = True,
        frozen: str | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        # None is never called: only training and evaluation use it.
        self.loss: Any = loss
        self.class_names = tuple(class_names)
        self.background = background
        self.seed = seed
        self.ignore_index = ignore_index
        self.monitor = monitor
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # missing from its annotations
        self.validation = self.new_table()
        self.evaluation: dict[str, TableT] = {}
        self.readings = Readings()
        self.train_loss = TrainingLoss(self.readings)
        self._make_optimizer, self._make_scheduler = optimizer, scheduler
        self._frozen = frozen
        # Whether what the network draws is drawn for the images of all processes (models.over_processes).
        self.shares_draws = True
        self.step_loss = torch.zeros(())
        self._remembered: dict[str, Any] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute: Lightning notes its current hook 45 times a step, past torch's search for modules."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # -- what a task defines -----------------------------------------------------------------------

    @abstractmethod
    def new_table(self) -> TableT:
        """Return an empty table for a split's evaluation."""

    @abstractmethod
    def batch_loss(self, batch: dict[str, Any]) -> Tensor:
        """Return the training loss of a batch, a scalar."""

    @abstractmethod
    def evaluate(self, batch: dict[str, Any], table: TableT) -> Tensor:
        """Add a batch to a table and return what is predicted, as the batch's labels are."""

    @abstractmethod
    def validation_scores(self, table: TableT) -> dict[str, float]:
        """Return what is logged after each epoch: the values of :meth:`metric_names`."""

    @property
    @abstractmethod
    def convention(self) -> Convention:
        """How :meth:`final_scores` come about."""

    @abstractmethod
    def final_scores(self, table: TableT) -> dict[str, float]:
        """Return the scores of a split for ``summary.json``."""

    @staticmethod
    @abstractmethod
    def probabilities(logits: Tensor) -> Tensor:
        """Return probabilities of all classes, float32, from logits."""

    @staticmethod
    def logits(probabilities: Tensor, outputs: int) -> Tensor:
        """Return logits that have these probabilities, which :meth:`probabilities` gives back; those of a softmax.

        Args:
            probabilities: (B,C,...), float32.
            outputs: K, channels of the logits.
        """
        return logarithms(probabilities)

    # -- what is shown of it, and written for new images --------------------------------------------

    def predict_labels(self, probabilities: Tensor) -> Tensor:
        """Return what is predicted, as :meth:`evaluate` does, from probabilities (B,K,...)."""
        return probabilities.argmax(dim=1)

    def stored_masks(self, labels: Tensor) -> Tensor:
        """Return true or predicted labels of images as data stores them: masks uint8 (B,H,W) that its key reads."""
        return labels.to(torch.uint8)

    @abstractmethod
    def draw_examples(self, context: RunContext, split: str, path: Path, images: int) -> None:
        """Draw images of an evaluated split with what the scored weights make of them, and send them to the loggers.

        Args:
            context: The run.
            split: Name of the split.
            path: The PNG to write.
            images: How many images, or rows of small ones.

        Raises:
            ValueError: If the evaluation is of other images than those of the split.
        """

    # -- training ----------------------------------------------------------------------------------

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Seed whatever the step draws (dropout and the like) by (seed, epoch, batch).

        Several processes draw the same, for all images, unless the network draws by itself for those that it is given.
        """
        if (share := own_share()).count > 1:
            begin_step(images_in(self.trainer, batch, batch_idx))
        own = () if self.shares_draws or not share.rank else (share.rank,)
        seed = derive_seed(self.seed, "step", self.current_epoch, batch_idx, *own)
        # Not torch.manual_seed: for every kind of device that is not there it formats the stack, to tell later who
        # asked, which takes as long as a small network's step.
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the batch's loss, weighted by its share of the images that its step takes (:func:`step_weight`).

        Raises:
            DivergedError: If the loss is not finite; names the step, the learning rate and the images. On a GPU it is
                raised once the loss is known, steps later, but before anything of those is kept.
        """
        loss, images = self.batch_loss(batch), images_in(self.trainer, batch, batch_idx)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        # Before the gradients, as of several processes a part has a share of the loss only.
        every = mean_over_processes(loss)
        self.train_loss.add(
            every, images, partial(describe_step, self.global_step, self.current_epoch, rate, batch["id"])
        )
        if (together := self.trainer.accumulate_grad_batches) == 1:
            self.step_loss = every
            return loss
        weight = step_weight(self.trainer, batch_idx, images)
        self.step_loss = every * weight / together
        return loss * weight

    def on_train_batch_end(self, outputs: Any, batch: dict[str, Any], batch_idx: int) -> None:
        """End the step that all processes take."""
        end_step()

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen part stays in evaluation, so that its batch-norm statistics stay too."""
        super().train(mode)
        if self._frozen is not None:
            self.network.get_submodule(self._frozen).eval()
        return self

    def make_optimizer(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser of these weights."""
        assert self._make_optimizer is not None
        return build_optimizer(self._make_optimizer, weights, self.device)

    def configure_optimizers(self) -> Any:
        """Return the optimiser over the weights that are not frozen, and the schedule if there is one."""
        optimizer = self.make_optimizer([weight for weight in self.network.parameters() if weight.requires_grad])
        if self._make_scheduler is None:
            return optimizer
        schedule = self._make_scheduler(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": described(schedule, self.monitor)}

    def on_train_start(self) -> None:
        """Tell schedules that are stepped with the optimiser how many steps an epoch has."""
        tell_steps(self.trainer)

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        """Step a schedule, but not one that follows a score: :meth:`on_train_epoch_end` has done it."""
        if metric is None:
            super().lr_scheduler_step(scheduler, metric)

    def on_train_epoch_end(self) -> None:
        """Tell schedules that follow a score of it: before the checkpoint is written, where Lightning does it after.

        Raises:
            ConfigError: If the validation did not give the score.
        """
        for schedule, value in followed_scores(self.trainer):
            super().lr_scheduler_step(schedule, value)

    # -- validation and test -----------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin new counts."""
        self.validation.reset()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Add the batch's counts and loss; one without images is of a process for which none was left."""
        if batch["id"]:
            self.evaluate(batch, self.validation)

    def on_validation_epoch_end(self) -> None:
        """Make the loss and the scores known, from counts, so that they do not depend on the batch size."""
        self.log_dict(self.validation_scores(self.validation), logger=False)

    def begin_evaluation(self, splits: Sequence[str]) -> None:
        """Make an empty table for each split of the final evaluation, in the order of its loaders."""
        self.evaluation = {split: self.new_table() for split in splits}

    def on_test_start(self) -> None:
        """Begin new counts for every split that is evaluated."""
        for table in self.evaluation.values():
            table.reset()

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> Tensor | None:
        """Add the batch's counts to the split of its loader (``evaluation`` names the splits in order).

        Returns:
            What is predicted, as the batch's labels are, for callbacks; None of a batch without images.
        """
        return self.evaluate(batch, list(self.evaluation.values())[dataloader_idx]) if batch["id"] else None

    # -- checkpoints -------------------------------------------------------------------------------

    def remember(self, **known: Any) -> None:
        """Keep what is known of the run in every checkpoint from now on: plain types only."""
        self._remembered |= known

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to go on exactly and to predict without the data: plain types only."""
        checkpoint["segbench"] = self._remembered | {
            "schema": SCHEMA,
            "class_names": list(self.class_names),
            "train_loss": self.train_loss.state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the running means."""
        self.train_loss.restore(checkpoint["segbench"]["train_loss"])
