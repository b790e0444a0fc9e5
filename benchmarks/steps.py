"""Times a training step of segbench against rivals: a bare PyTorch loop in several ways, or the commonly copied one.

The compared steps take turns within one run: the rivals' steps follow each step of the trainer, so that other load on
the machine affects all of them equally. Medians of CPU time, one thread.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from segbench import callbacks
from segbench.data.loader import ReplayLoader, progress_of
from segbench.losses import SegmentationLoss
from segbench.tasks import SegmentationTask

# Steps of each that are not counted.
WARM_UP = 1


class Generated(Dataset[dict[str, Any]]):
    """Random images and masks in memory, so that only the step is timed, not the disk."""

    def __init__(self, length: int, channels: int, size: int, classes: int, mask_size: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randn(length, channels, size, size, generator=generator)
        self.masks = torch.randint(0, classes, (length, mask_size, mask_size), generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        index = key if isinstance(key, int) else key[1]
        return {"image": self.images[index], "mask": self.masks[index], "id": str(index)}


class TurnTaking(pl.Callback):
    """After every step of the trainer, takes one step of each rival, and records all times."""

    def __init__(self, rivals: dict[str, Callable[[], None]]) -> None:
        self.rivals = rivals
        self.seconds: dict[str, list[float]] = {"segbench": [], **{name: [] for name in rivals}}
        self._since = time.process_time()

    def add(self, name: str, step: Callable[[], None]) -> None:
        """Add a rival, before training begins."""
        self.rivals[name], self.seconds[name] = step, []

    def on_train_batch_end(self, *_: Any) -> None:
        """Record the trainer's time since the rivals finished, then let them step."""
        self.seconds["segbench"].append(time.process_time() - self._since)
        for name, step in self.rivals.items():
            begin = time.process_time()
            step()
            self.seconds[name].append(time.process_time() - begin)
        self._since = time.process_time()

    def medians(self) -> dict[str, float]:
        """Return everyone's median seconds per step, without the first steps."""
        return {name: statistics.median(values[WARM_UP:]) for name, values in self.seconds.items()}


def bare_step(
    network: nn.Module,
    loss: nn.Module,
    data: Dataset[Any],
    batch_size: int,
    bf16: bool = False,
    channels_last: bool = False,
    fused: bool = False,
) -> Callable[[], None]:
    """Return a function that takes one training step, as in a plain training loop.

    Args:
        network: The network, trained in place.
        loss: The loss.
        data: The same images as the trainer's.
        batch_size: Images per batch.
        bf16: Whether to run in bfloat16 autocast.
        channels_last: Whether to run on channels_last memory.
        fused: Whether the optimiser is fused, as segbench's is.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.train()
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing from torch's annotations
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)
    loader = DataLoader(data, batch_size=batch_size, shuffle=True)
    batches = iter(loader)
    total = 0.0

    def step() -> None:
        nonlocal batches, total
        try:
            batch = next(batches)
        except StopIteration:
            batches = iter(loader)
            batch = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(batch["image"].contiguous(memory_format=layout))
            value = loss(logits, batch["mask"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += value.item()

    return step


def copied_dice(probabilities: Tensor, truth: Tensor) -> float:
    """Return the Dice of a batch as it is commonly copied: read from the device at once, all images together."""
    said, there = probabilities > 0.5, truth > 0.5
    both, each = (said & there).sum().item(), said.sum().item() + there.sum().item()
    return 2 * both / (each + 1e-6)


def copied_step(network: nn.Module, image: Tensor, mask: Tensor) -> Callable[[], None]:
    """Return a step as it is commonly copied: probabilities, flattened, and loss and scores read in every step."""
    network = network.to(image.device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loss, truth = nn.BCELoss(), mask.float().unsqueeze(1)
    total, dice = 0.0, 0.0

    def step() -> None:
        nonlocal total, dice
        probabilities = torch.sigmoid(network(image))
        value = loss(probabilities.flatten(1), truth.flatten(1))
        network.zero_grad()
        value.backward()
        optimizer.step()
        total += value.item()
        dice += copied_dice(probabilities, truth)

    return step


def compare(
    network: nn.Module,
    loss: SegmentationLoss,
    data: Dataset[Any],
    batch_size: int,
    steps: int,
    folder: Path,
    rivals: dict[str, Callable[[], None]],
) -> dict[str, float]:
    """Return the median seconds per step of ``segbench`` (with default logging) and of rivals.

    Args:
        network: The network; each rival trains a copy.
        loss: The loss.
        data: The images.
        batch_size: Images per batch.
        steps: Number of steps of each that are counted.
        folder: Folder for the run's files.
        rivals: Their steps by their names.
    """
    turns = TurnTaking(rivals)
    task = SegmentationTask(
        network, loss, lambda parameters: torch.optim.Adam(parameters, lr=1e-3), None, ["background", "object"]
    )
    trainer = pl.Trainer(
        max_steps=WARM_UP + steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=pl.loggers.TensorBoardLogger(str(folder)),
        callbacks=[callbacks.CostMeter(), callbacks.Curves(folder / "metrics.csv"), turns],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        limit_val_batches=0,
    )
    loader = ReplayLoader(data, batch_size, 0, lambda: progress_of(trainer))
    trainer.fit(task, train_dataloaders=loader)
    return turns.medians()
