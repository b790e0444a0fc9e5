"""A training loader whose order is a function of (seed, epoch), so that a resumed run equals an uninterrupted one.

It keeps no state. At the first batch of an epoch it asks the trainer for its position and continues there, without
replaying earlier batches. Items are requested by :class:`Draw`, so workers need no random state either, and any number
of workers gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from segbench.data.sampling import occurrences, weighted_pass
from segbench.processes import Share
from segbench.rng import generator
from segbench.runs.signals import held_back

Position = Callable[[], tuple[int, int]]
# ``all``: the whole data set is one batch.
BatchSize = int | Literal["all"]


class Draw(NamedTuple):
    """A request for a training item, with everything that its augmentation depends on.

    Attributes:
        epoch: The epoch, from 0.
        item: The item's index in the data set.
        repeat: How often the item was drawn before in this epoch, which may be longer than one pass.
        stage: The curriculum's stage, from 0.
    """

    epoch: int
    item: int
    repeat: int = 0
    stage: int = 0

    @property
    def counters(self) -> tuple[int, ...]:
        """The counters that seed its random numbers; the first pass draws as if it were the only one."""
        return (self.epoch, self.item, *((self.repeat,) if self.repeat else ()))


def images_per_batch(batch_size: BatchSize, dataset: Dataset[Any]) -> int:
    """Return the number of images per batch; for ``all``, the length of the data set."""
    return len(dataset) if batch_size == "all" else batch_size  # type: ignore[arg-type]  # Dataset declares no __len__


def progress_of(trainer: pl.Trainer) -> tuple[int, int]:
    """Return the epoch and the batch at which a trainer continues.

    These counters are not part of Lightning's public API: its minor version is pinned, and the tests of resumed runs
    guard this.

    Args:
        trainer: The trainer, at the first batch of an epoch or of a resumed one.
    """
    loop: Any = trainer.fit_loop
    return loop.epoch_progress.current.processed, loop.epoch_loop.batch_progress.current.ready


def steps_of(trainer: pl.Trainer) -> int | None:
    """Return the number of batches per epoch if ``trainer.limit_train_batches`` is an integer, else None."""
    limit = trainer.limit_train_batches
    return limit if isinstance(limit, int) else None


class EpochOrder:
    """The shuffled order of an epoch, cut into batches: a function of (seed, epoch).

    An epoch with more steps than one pass continues with further passes, each in its own order; its batches are then
    all full, and may span the end of one pass and the beginning of the next.

    Args:
        length: Number of samples.
        batch_size: Samples per batch; the last batch of a single pass may be smaller.
        seed: The run's seed.
        steps: Batches per epoch; None for one pass, fewer for the beginning of one.
        share: What this process has of each batch, which may be nothing of a small one.
        weights: How often each sample is drawn beside the others (N,); None for once in every pass.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        steps: int | None = None,
        share: Share | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self._length, self._batch_size, self._seed, self._weights = length, batch_size, seed, weights
        self._share = share or Share()
        one_pass = -(-length // batch_size)
        self._steps = steps or one_pass
        self._samples = length if self._steps <= one_pass else self._steps * batch_size

    def __len__(self) -> int:
        return self._steps

    def images_in(self, batch: int) -> int:
        """Return how many samples a batch has, of all processes."""
        return min((batch + 1) * self._batch_size, self._samples) - batch * self._batch_size

    def batches(self, epoch: int, start: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield each batch's sample indices and how often each was drawn before, int64 (B,), from batch ``start`` on.

        Of several processes, B is what this one has of the batch.
        """
        passes = -(-self._samples // self._length)
        purposes = [("order", epoch), *(("order", epoch, number) for number in range(1, passes))]
        order = np.concatenate([self._pass(generator(self._seed, *purpose)) for purpose in purposes])
        before = occurrences(order)
        for batch in range(start, self._steps):
            positions = self._share.cut(batch * self._batch_size + np.arange(self.images_in(batch)))
            yield order[positions], before[positions]

    def _pass(self, chance: np.random.Generator) -> NDArray[np.int64]:
        return chance.permutation(self._length) if self._weights is None else weighted_pass(self._weights, chance)


class QuietLoader(DataLoader[Any]):
    """A loader whose workers are started while no signal can hit them."""

    def __iter__(self) -> Any:
        """Start an epoch, with workers in the first or in each."""
        with held_back():
            return super().__iter__()


class _Batches:
    """Batch sampler of one epoch, starting at any batch."""

    def __init__(self, order: EpochOrder) -> None:
        self.order = order
        self.epoch, self.start, self.stage = 0, 0, 0

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[list[Draw]]:
        for indices, repeats in self.order.batches(self.epoch, self.start):
            yield [
                Draw(self.epoch, int(index), int(repeat), self.stage)
                for index, repeat in zip(indices, repeats, strict=True)
            ]


class BatchesInOrder:
    """Batch sampler of a data set in its order: of several processes each has every n-th batch, whole.

    So each batch is what it is in one process. All have as many batches; the last one of some may be empty.

    Args:
        length: Number of images.
        batch_size: Images per batch; the last may be smaller.
        share: What this process has.
    """

    def __init__(self, length: int, batch_size: int, share: Share) -> None:
        self._length, self._batch_size, self._share = length, batch_size, share

    def __len__(self) -> int:
        return -(-self._length // (self._batch_size * self._share.count))

    def __iter__(self) -> Iterator[range]:
        """Yield the positions of each batch."""
        for number in range(len(self)):
            first = (number * self._share.count + self._share.rank) * self._batch_size
            yield range(min(first, self._length), min(first + self._batch_size, self._length))


def in_order(dataset: Dataset[Any], batch_size: int, share: Share, **options: Any) -> QuietLoader:
    """Return a loader of a process's share of the batches of a data set, in its order.

    Args:
        dataset: Map-style data set.
        batch_size: Images per batch; the last may be smaller.
        share: The process's share.
        **options: Those of :class:`torch.utils.data.DataLoader`.
    """
    length = len(dataset)  # type: ignore[arg-type]  # Dataset declares no __len__
    return QuietLoader(
        dataset,
        batch_sampler=BatchesInOrder(length, batch_size, share),  # type: ignore[arg-type]  # any iterable will do
        collate_fn=partial(_collated, dataset, 0),
        **options,
    )


def _collated(dataset: Dataset[Any], example: Any, items: list[Any]) -> Any:
    """Return a batch of items; of none, one of no images with the shapes of an example's."""
    if items:
        return default_collate(items)
    return {name: values[:0] for name, values in default_collate([dataset[example]]).items()}


class ReplayLoader:
    """Shuffled training batches that can start anywhere in an epoch.

    Args:
        dataset: Map-style data set that takes a :class:`Draw`.
        batch_size: Images per batch; the last batch of a single pass may be smaller.
        seed: The run's seed.
        position: Returns the (epoch, batch) to continue at; called once, at the first batch of every epoch.
        steps: Batches per epoch; None for one pass.
        stage: Returns the stage of the curriculum; called at the same time.
        num_workers: Worker processes.
        worker_init: Called in each worker with its number.
        pin_memory: Whether to copy batches into pinned memory, for a GPU.
        share: What this process has of each batch.
        weights: How often each image is drawn beside the others (N,); None for once in every pass.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int,
        seed: int,
        position: Position,
        steps: int | None = None,
        stage: Callable[[], int] = lambda: 0,
        num_workers: int = 0,
        worker_init: Callable[[int], None] | None = None,
        pin_memory: bool = False,
        share: Share | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        length = len(dataset)  # type: ignore[arg-type]  # Dataset declares no __len__
        self._batches = _Batches(EpochOrder(length, batch_size, seed, steps, share, weights))
        self._position, self._stage = position, stage
        self._loader = QuietLoader(
            dataset,
            batch_sampler=self._batches,
            collate_fn=partial(_collated, dataset, Draw(0, 0)),
            num_workers=num_workers,
            worker_init_fn=worker_init if num_workers else None,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
        )

    def __len__(self) -> int:
        return len(self._batches)

    def images_in(self, batch: int) -> int:
        """Return how many images a batch of an epoch has."""
        return self._batches.order.images_in(batch)

    def __iter__(self) -> Iterator[Any]:
        # A generator: the position is read at the first batch, after the trainer has restored its counters.
        # Lightning calls iter() before that.
        self._batches.epoch, self._batches.start = self._position()
        self._batches.stage = self._stage()
        yield from self._loader

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: the trainer holds the position. Its presence tells Lightning that resuming is safe."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, for the same reason."""
