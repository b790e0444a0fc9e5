"""Ways to train a U-Net for a few epochs, from image files to validation scores, for :mod:`benchmarks.peers`."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.steps import copied_dice
from segbench.models import UNet
from segbench.models.upconvolution import as_defined

SIDE, WIDTH, BATCH, TRAIN, VAL = 224, 16, 4, 20, 8
EPOCHS = 3
# What was imported before any of the ways began.
BEGAN = time.process_time()


def make_images(folder: Path) -> None:
    """Write coloured images of noise with a bright disc, and masks of the disc, as PNG."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for part, number in (("train", TRAIN), ("val", VAL), ("test", VAL)):
        for kind in ("images", "masks"):
            (folder / kind / part).mkdir(parents=True)
        for index in range(number):
            (y, x), radius = rng.integers(SIDE // 4, 3 * SIDE // 4, 2), rng.integers(SIDE // 8, SIDE // 4)
            disc = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            image = rng.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8) + 100 * disc[..., None].astype(np.uint8)
            Image.fromarray(image).save(folder / "images" / part / f"{part}{index:03}.png")
            Image.fromarray(disc.astype(np.uint8) * 255).save(folder / "masks" / part / f"{part}{index:03}.png")


def files_of(folder: Path, part: str) -> list[tuple[Path, Path]]:
    """Return the images of a part with their masks."""
    images, masks = (sorted((folder / kind / part).glob("*.png")) for kind in ("images", "masks"))
    return list(zip(images, masks, strict=True))


class Files(Dataset[tuple[Tensor, Tensor]]):
    """Reads image (3,H,W), float32 in [0, 1], and mask (1,H,W), 0 or 1, with Pillow whenever it is asked."""

    def __init__(self, pairs: list[tuple[Path, Path]]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = (np.asarray(Image.open(path)) for path in self.pairs[index])
        truth = torch.from_numpy(mask[None] / np.float32(255))
        return torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255)), truth


def loaders(folder: Path) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return the loaders of the training and validation files."""
    train, val = (Files(files_of(folder, part)) for part in ("train", "val"))
    return DataLoader(train, BATCH, shuffle=True), DataLoader(val, BATCH)


def network() -> UNet:
    """Return the network that all train."""
    torch.manual_seed(0)
    return UNet(3, 1, width=WIDTH)


def in_memory(pairs: list[tuple[Path, Path]]) -> TensorDataset:
    """Return images and masks as tensors."""
    files = Files(pairs)
    images, masks = zip(*(files[index] for index in range(len(files))), strict=True)
    return TensorDataset(torch.stack(images), torch.stack(masks))


def bare(folder: Path) -> Iterator[float]:
    """Train on tensors in memory; the validation loss is all that is measured."""
    train, val = (in_memory(files_of(folder, part)) for part in ("train", "val"))
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.BCEWithLogitsLoss()
    while True:
        model.train()
        for image, mask in DataLoader(train, BATCH, shuffle=True):
            optimizer.zero_grad()
            loss(model(image), mask).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            yield statistics.mean(loss(model(image), mask).item() for image, mask in DataLoader(val, BATCH))


def copied(folder: Path) -> Iterator[float]:
    """Train as is commonly copied."""
    train, val = loaders(folder)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.BCELoss()

    with as_defined():
        while True:
            model.train()
            total, dice = 0.0, 0.0
            for image, mask in train:
                probabilities = torch.sigmoid(model(image))
                value = loss(probabilities.flatten(1), mask.flatten(1))
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                total += value.item()
                dice += copied_dice(probabilities, mask)
            model.eval()
            with torch.no_grad():
                yield statistics.mean(copied_dice(torch.sigmoid(model(image)), mask) for image, mask in val)


class Clock(pl.Callback):
    """Notes the CPU time of each epoch, validation included, that of the preparation in the first."""

    changes_result = False
    seconds: ClassVar[list[float]] = []

    def __init__(self) -> None:
        self._since = BEGAN

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note it."""
        now = time.process_time()
        self.seconds.append(now - self._since)
        self._since = now


class Tutorial(pl.LightningModule):
    """A module as tutorials write it, with metrics of torchmetrics or, if ``smp``, statistics of that library."""

    def __init__(self, smp: bool) -> None:
        super().__init__()
        from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex

        self.model, self.loss, self.smp = network(), nn.BCEWithLogitsLoss(), smp
        names = ("train_dice", "train_iou", "val_dice", "val_iou")
        self.metrics = nn.ModuleDict(
            {name: BinaryF1Score() if name.endswith("dice") else BinaryJaccardIndex() for name in names}
        )
        self.outputs: list[tuple[Tensor, ...]] = []

    def _step(self, batch: list[Tensor], part: str) -> Tensor:
        image, mask = batch
        logits = self.model(image)
        value: Tensor = self.loss(logits, mask)
        said = (logits.sigmoid() > 0.5).long()
        self.log(f"{part}_loss", value)
        if self.smp:
            import segmentation_models_pytorch as smp

            self.outputs.append(smp.metrics.get_stats(said, mask.long(), mode="binary"))
            return value
        for name in ("dice", "iou"):
            metric: Any = self.metrics[f"{part}_{name}"]
            metric(said, mask.long())
            self.log(f"{part}_{name}", metric, on_step=False, on_epoch=True)
        return value

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Return the loss."""
        return self._step(batch, "train")

    def validation_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Return the loss."""
        return self._step(batch, "val")

    def _scores(self, part: str) -> None:
        if self.smp and self.outputs:
            import segmentation_models_pytorch as smp

            counts = [torch.cat(parts) for parts in zip(*self.outputs, strict=True)]
            for name, score in (("iou", smp.metrics.iou_score), ("dice", smp.metrics.f1_score)):
                self.log(f"{part}_{name}", score(*counts, reduction="micro-imagewise"))
            self.outputs.clear()

    def on_train_epoch_end(self) -> None:
        """Log the scores."""
        self._scores("train")

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self._scores("val")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def lightning(folder: Path, smp: bool = False) -> list[float]:
    """Train with Lightning as by default: a checkpoint an epoch, a CSV file of the scores."""
    with tempfile.TemporaryDirectory() as out:
        logger = pl.loggers.CSVLogger(out)
        trainer = pl.Trainer(max_epochs=EPOCHS, accelerator="cpu", logger=logger, callbacks=[Clock()],
                             num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
        trainer.fit(Tutorial(smp), *loaders(folder))
    return Clock.seconds


def monai(folder: Path) -> Iterator[float]:
    """Train with MONAI's data, loss and metric."""
    from monai.data import CacheDataset, decollate_batch
    from monai.metrics import DiceMetric
    from monai.transforms import (
        AsDiscrete,
        AsDiscreted,
        Compose,
        EnsureChannelFirstd,
        LoadImaged,
        ScaleIntensityd,
    )  # fmt: skip

    steps = Compose([LoadImaged(["image", "mask"]), EnsureChannelFirstd(["image", "mask"]),
                     ScaleIntensityd(["image", "mask"]), AsDiscreted("mask", threshold=0.5)])  # fmt: skip
    files = {part: [dict(zip(("image", "mask"), pair, strict=True)) for pair in files_of(folder, part)]
             for part in ("train", "val")}  # fmt: skip
    train, val = (CacheDataset(files[part], steps, num_workers=None, progress=False) for part in ("train", "val"))
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss, metric, discrete = nn.BCEWithLogitsLoss(), DiceMetric(), AsDiscrete(threshold=0.5)
    while True:
        model.train()
        for batch in DataLoader(train, BATCH, shuffle=True, collate_fn=_monai_collate):
            optimizer.zero_grad()
            value = loss(model(batch["image"]), batch["mask"])
            value.backward()
            optimizer.step()
            value.item()
        model.eval()
        with torch.no_grad():
            for batch in DataLoader(val, BATCH, collate_fn=_monai_collate):
                said: Any = [discrete(each) for each in decollate_batch(model(batch["image"]).sigmoid())]
                metric(said, decollate_batch(batch["mask"]))
        yield float(np.asarray(metric.aggregate()).item())
        metric.reset()


def _monai_collate(batch: Any) -> Any:
    from monai.data import list_data_collate

    return list_data_collate(batch)


def segbench(folder: Path) -> list[float]:
    """Train with segbench as by default."""
    from segbench.api import compose, train

    with tempfile.TemporaryDirectory() as out:
        cfg = compose("data=folder", f"data.images={folder}/images", f"data.masks={folder}/masks", "model=unet",
                      f"model.width={WIDTH}", "loss=bce", "augmentation=none", f"data.batch_size={BATCH}",
                      f"trainer.max_epochs={EPOCHS}", "trainer.threads=1", "trainer.accelerator=cpu",
                      f"paths.outputs={out}", f"paths.cache={out}/cache",
                      "+callbacks.clock._target_=benchmarks.ways.Clock")  # fmt: skip
        train(cfg)
    return Clock.seconds


def timed(epochs: Iterator[float]) -> list[float]:
    """Return the CPU seconds of each epoch, the preparation in the first."""
    seconds, since = [], BEGAN
    for _ in itertools.islice(epochs, EPOCHS):
        now = time.process_time()
        seconds.append(now - since)
        since = now
    return seconds


WAYS: dict[str, tuple[str, Callable[[Path], list[float]]]] = {
    "bare": ("a bare loop on tensors in memory", lambda folder: timed(bare(folder))),
    "segbench": ("segbench", segbench),
    "lightning": ("Lightning with torchmetrics", lightning),
    "monai": ("MONAI's transforms, cache and metric", lambda folder: timed(monai(folder))),
    "smp": ("Lightning with segmentation_models_pytorch's statistics", lambda folder: lightning(folder, smp=True)),
    "copied": ("the loop that is commonly copied", lambda folder: timed(copied(folder))),
}
