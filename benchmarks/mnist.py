"""Times MNIST: the CNN's epoch against a bare loop, and resident batches against a DataLoader of PIL images."""

from __future__ import annotations

import copy
import gzip
import statistics
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.data import seconds
from benchmarks.steps import TurnTaking
from benchmarks.training import prepare
from segbench.data.loader import EpochOrder
from segbench.data.mnist import MNISTData
from segbench.data.resident import ResidentLoader, ResidentTensors

CNN = ("data=mnist", "model=mnist_cnn", "loss=ce", "optimizer=sgd", "optimizer.momentum=0", "optimizer.lr=0.005")
# Without validation images, an epoch is training only.
ALL_IMAGES = ("data.fit_on=train+val", "trainer.monitor=last", "trainer.max_epochs=1")
_BATCH = 100
# The first includes setup and is not counted; 600 steps in turns are.
_EPOCHS = 2
_ROUNDS = 5


def root(folder: Path, data: str | None) -> tuple[Path, str]:
    """Return the folder of MNIST's files, generated if there are no real ones, and a description of them.

    Args:
        folder: For generated files.
        data: Folder of the real data sets, or None.
    """
    found = Path(data or "") / "mnist"
    if data is not None and found.is_dir():
        return found, "MNIST's own files"
    found = folder / "mnist"
    found.mkdir(parents=True)
    generate(found, train=60_000, test=10_000)
    return found, "generated files of MNIST's size and format (SEGBENCH_DATA has no mnist)"


def generate(folder: Path, train: int, test: int) -> None:
    """Write files in MNIST's format with the given numbers of noise images."""
    chance = np.random.default_rng(0)
    for part, images in (("train", train), ("t10k", test)):
        _write(folder / f"{part}-images-idx3-ubyte.gz", chance.integers(0, 256, (images, 28, 28), np.uint8))
        _write(folder / f"{part}-labels-idx1-ubyte.gz", chance.integers(0, 10, images, np.uint8))


def cnn_epoch(folder: Path, files: Path) -> tuple[float, float]:
    """Return the seconds of the CNN's epoch (batch 100) through the trainer and in a bare loop, taking turns.

    Both train on the same resident tensors in the same order. An epoch includes its steps and the time between it and
    the previous one; the first, which includes setup, is left out, and the mean of the others is taken.
    """
    turns = TurnTaking({})
    settings = (f"trainer.max_epochs={_EPOCHS}", f"data.batch_size={_BATCH}", f"data.root={files}")
    training = prepare(folder, *CNN, *ALL_IMAGES, *settings, also=(turns,))
    tensors = tensors_of(training.data)
    turns.add("bare", bare_step(copy.deepcopy(training.task.network), tensors, _BATCH, lr=0.005))
    training.fit()
    steps = -(-len(tensors.ids) // _BATCH)
    epochs = {name: np.reshape(values, (_EPOCHS, steps)).sum(axis=1) for name, values in turns.seconds.items()}
    return float(np.mean(epochs["segbench"][1:])), float(np.mean(epochs["bare"][1:]))


def bare_step(network: nn.Module, tensors: ResidentTensors, batch_size: int, lr: float) -> Callable[[], None]:
    """Return a function that takes one step of SGD on resident tensors, as in a plain training loop.

    Args:
        network: The network, trained in place.
        tensors: The training images.
        batch_size: Images per batch.
        lr: Learning rate.
    """
    optimizer = torch.optim.SGD(network.train().parameters(), lr)
    batches = bare_batches(tensors, batch_size)

    def step() -> None:
        image, label = next(batches)
        value = functional.cross_entropy(network(image), label)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        value.item()

    return step


def bare_batches(tensors: ResidentTensors, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield shuffled images (B,C,H,W) and labels (B,) endlessly, in the trainer's order."""
    order = EpochOrder(len(tensors.ids), batch_size, seed=0)
    epoch = 0
    while True:
        for indices, _ in order.batches(epoch, 0):
            where = torch.from_numpy(indices)
            yield tensors.image[where], tensors.target[where].long()
        epoch += 1


def tensors_of(data: Any) -> ResidentTensors:
    """Return the training images of a data module after its setup, on the CPU."""
    return ResidentTensors.of(data.datasets["train"], torch.device("cpu"))


class PilImages(Dataset[tuple[Tensor, int]]):
    """MNIST as it is commonly read: each image is converted by PIL and normalised when it is requested."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.uint8], mean: float, std: float) -> None:
        self.images, self.labels = images, labels.tolist()
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index])
        tensor = torch.from_numpy(np.array(picture, np.uint8)).unsqueeze(0).float().div(255)
        return tensor.sub_(self.mean).div_(self.std), self.labels[index]


def data_time(folder: Path, files: Path, batches: int = 40) -> tuple[float, float]:
    """Return the seconds of an epoch's batches, resident and from a DataLoader of PIL images; medians of turns.

    Args:
        folder: For the cache.
        files: Folder of MNIST's files.
        batches: Batches per turn of the DataLoader; its time is scaled to an epoch.
    """
    module = MNISTData(root=str(files), cache_dir=folder / "cache", fit_on="train+val")
    module.setup()
    train = module.datasets["train"]
    loader = ResidentLoader(tensors_of(module), _BATCH, seed=0)
    mean, std = float(module.mean[0]), float(module.std[0])
    pictures = PilImages(train.arrays.images[train.indices][..., 0], train.arrays.targets[train.indices], mean, std)
    pil = iter(DataLoader(pictures, _BATCH, shuffle=True))
    ours, theirs = [], []
    for _ in range(_ROUNDS):
        ours.append(seconds(lambda: [None for _ in loader]))
        theirs.append(seconds(lambda: [next(pil) for _ in range(batches)]) * len(loader) / batches)
    return statistics.median(ours), statistics.median(theirs)


def _write(path: Path, values: NDArray[np.uint8]) -> None:
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes(), compresslevel=1))
