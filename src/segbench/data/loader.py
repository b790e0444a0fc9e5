"""A training loader whose order is a function of (seed, epoch), so that a resumed run equals an uninterrupted one.

It keeps no state of its own. At the first batch of an epoch it asks the trainer where training stands and goes
on from there without replaying what came before. Items are asked for by (epoch, index), so workers need no
random state either and any number of them gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from segbench.rng import generator

Position = Callable[[], tuple[int, int]]
# ``all``: a data set is one batch.
BatchSize = int | Literal["all"]


def images_per_batch(batch_size: BatchSize, dataset: Dataset[Any]) -> int:
    """Return how many images a batch of a data set holds; never more than there are where all are asked for."""
    return len(dataset) if batch_size == "all" else batch_size  # type: ignore[arg-type]  # Dataset declares no __len__


def progress_of(trainer: pl.Trainer) -> tuple[int, int]:
    """Return the epoch and the batch at which a trainer goes on.

    These counters are not Lightning's public interface: its minor version is pinned and the tests of resumed runs
    guard it.

    Args:
        trainer: The trainer, at the first batch of an epoch or of a resumed one.
    """
    loop: Any = trainer.fit_loop
    return loop.epoch_progress.current.processed, loop.epoch_loop.batch_progress.current.ready


class EpochOrder:
    """The shuffled order of an epoch, cut into batches: a function of (seed, epoch).

    Args:
        length: Number of samples.
        batch_size: Samples a batch; the last may be smaller.
        seed: The run's seed.
    """

    def __init__(self, length: int, batch_size: int, seed: int) -> None:
        self._length, self._batch_size, self._seed = length, batch_size, seed

    def __len__(self) -> int:
        return -(-self._length // self._batch_size)

    def batches(self, epoch: int, start: int) -> Iterator[NDArray[np.int64]]:
        """Yield the sample numbers of each batch of an epoch, from batch ``start`` on."""
        order = generator(self._seed, "order", epoch).permutation(self._length)
        for batch in range(start, len(self)):
            yield order[batch * self._batch_size : (batch + 1) * self._batch_size]


class _Batches:
    """Batch sampler for one epoch from one batch on."""

    def __init__(self, order: EpochOrder) -> None:
        self._order = order
        self.epoch, self.start = 0, 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for indices in self._order.batches(self.epoch, self.start):
            yield [(self.epoch, int(index)) for index in indices]


class ReplayLoader:
    """Shuffled training batches that can begin anywhere.

    Args:
        dataset: Map-style data set that takes (epoch, index).
        batch_size: Images a batch; the last batch of an epoch may be smaller.
        seed: The run's seed.
        position: Returns (epoch, batch) at which to go on, asked once at the first batch of every epoch.
        num_workers: Worker processes.
        worker_init: Called in each worker with its number.
        pin_memory: Whether to copy into pinned memory, for a GPU.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        seed: int,
        position: Position,
        num_workers: int = 0,
        worker_init: Callable[[int], None] | None = None,
        pin_memory: bool = False,
    ) -> None:
        self._batches = _Batches(EpochOrder(len(dataset), batch_size, seed))  # type: ignore[arg-type]  # Dataset declares no __len__
        self._position = position
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._batches,
            num_workers=num_workers,
            worker_init_fn=worker_init if num_workers else None,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        # A generator: the position is read at the first batch, after the trainer has restored its counters.
        # Lightning calls iter() before that.
        self._batches.epoch, self._batches.start = self._position()
        yield from self._loader

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the position belongs to the trainer. Tells Lightning that resuming is safe."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, for the same reason."""
