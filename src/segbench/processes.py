"""What several processes that train one run have in common: their numbers, their counts, and the step that they are in.

A process by itself needs nothing of it: every function then returns what it was given. Several belong to torch's
process group (:mod:`segbench.team` makes it), each with its share of every batch. What they compute together must be
what one process would: so a mean is a sum over the images, or the pixels, of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

# What a class of one's own says of itself to be used with several processes.
DECLARATION = "several_processes"


@dataclass(frozen=True)
class Share:
    """A process's part of a batch: every ``count``-th image from the one numbered ``rank``.

    Attributes:
        rank: The process's number, from 0.
        count: Processes.
    """

    rank: int = 0
    count: int = 1

    def of(self, total: int) -> int:
        """Return how many of ``total`` images are its own."""
        return len(range(self.rank, total, self.count))

    def cut(self, items: Any) -> Any:
        """Return its own of all items, a tensor's or an array's rows or a list's members."""
        return items[self.rank :: self.count] if self.count > 1 else items


@dataclass(frozen=True)
class Step:
    """A training step of several processes.

    Attributes:
        images: The images of the batch, of all processes.
        share: This process's part of them.
    """

    images: int
    share: Share


_step: Step | None = None


def own_share() -> Share:
    """Return this process's share of every batch: all of it where there is one process."""
    if distributed.is_available() and distributed.is_initialized():
        return Share(distributed.get_rank(), distributed.get_world_size())
    return Share()


def begin_step(images: int) -> None:
    """Begin a training step that all processes take at the same time, each with its share of so many images.

    Only until :func:`end_step` are means taken over all processes: in validation each has batches of its own. It goes
    on in the backward pass, where parts of the network may be computed again.
    """
    global _step
    share = own_share()
    _step = Step(images, share) if share.count > 1 else None


def end_step() -> None:
    """End the training step."""
    global _step
    _step = None


def current_step() -> Step | None:
    """Return the training step of several processes that this one is in, or None."""
    return _step


def images_in(trainer: Any, batch: Any, batch_idx: int) -> int:
    """Return how many images a training batch has, of all processes.

    Args:
        trainer: Lightning's trainer.
        batch: What this process has of the batch.
        batch_idx: The batch's index in its epoch.
    """
    alone = own_share().count == 1
    return len(batch["image"]) if alone else int(trainer.train_dataloader.images_in(batch_idx))


def mean_count(count: Tensor) -> Tensor:
    """Return what a sum is to be divided by, at least 1: a count, in a step of several processes its mean over them.

    The mean over processes of quotients with it (which is how gradients are joined) is the sum over all processes
    divided by the count of all, however unequal their shares are.
    """
    step = current_step()
    if step is None:
        return count.clamp(min=1)
    total = count.detach().float()
    distributed.all_reduce(total)
    return total.clamp(min=1) / step.share.count


def mean(values: Tensor) -> Tensor:
    """Return the mean of values, one or several an image (B,...), in a step of several processes that over all images.

    As of :func:`mean_count`, the mean over processes of what is returned is the mean over all values.
    """
    if current_step() is None:
        return values.mean()
    return values.sum() / mean_count(torch.tensor(values.numel(), device=values.device))


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a scalar over processes, detached; of one process the scalar."""
    value, share = value.detach(), own_share()
    if share.count == 1:
        return value
    value = value.clone()
    distributed.all_reduce(value)
    return value / share.count


def gathered(value: Any) -> list[Any]:
    """Return a picklable value of every process, in their order; to be called by all of them."""
    share = own_share()
    if share.count == 1:
        return [value]
    found: list[Any] = [None] * share.count
    distributed.all_gather_object(found, value)
    return found


def from_first(value: Any) -> Any:
    """Return the first process's value of something picklable; to be called by all of them."""
    if own_share().count == 1:
        return value
    found = [value]
    distributed.broadcast_object_list(found, src=0)
    return found[0]


class Agreement:
    """The largest of a number that each process gives, asked for at every step and known at the next: nobody waits.

    So all processes learn of a signal that one has got, or that it is time to save, at the same step.
    """

    def __init__(self) -> None:
        self._asked: tuple[Any, Tensor] | None = None

    def next(self, number: int) -> int:
        """Give this process's number, and return the largest of those given at the last call (0 at the first)."""
        if own_share().count == 1:
            return number
        agreed = self._known()
        value = torch.tensor(number)
        self._asked = distributed.all_reduce(value, distributed.ReduceOp.MAX, async_op=True), value
        return agreed

    def now(self, number: int) -> int:
        """Give this process's number, and return the largest of all, of the last call too."""
        if own_share().count == 1:
            return number
        value = torch.tensor(max(number, self._known()))
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return int(value)

    def _known(self) -> int:
        if self._asked is None:
            return 0
        work, value = self._asked
        self._asked = None
        work.wait()
        return int(value)
