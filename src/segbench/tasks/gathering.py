"""How tensors, and names as tensors, come together from several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed import get_backend
from torchmetrics.utilities.distributed import gather_all_tensors

Gather = Callable[..., list[Tensor]]


def encode(names: Iterable[str]) -> Tensor:
    """Return names as bytes that can be gathered, uint8 (L,): each in UTF-8, ended by a 0, which no name contains."""
    return torch.from_numpy(np.frombuffer("".join(f"{name}\0" for name in names).encode(), np.uint8).copy())


def decode(encoded: Tensor) -> list[str]:
    """Return the names of bytes that :func:`encode` has made, one after the other, of any number of calls."""
    return bytes(encoded.cpu().numpy()).decode().split("\0")[:-1]


def gather(value: Tensor, group: Any = None) -> list[Tensor]:
    """Return a tensor (L,) of every process, whose lengths may differ.

    Names and sizes lie in main memory; where only graphics cards can gather (NCCL) they go by way of one.
    """
    through = torch.device("cuda", torch.cuda.current_device()) if get_backend(group) == "nccl" else value.device
    return [part.to(value.device) for part in gather_all_tensors(value.to(through), group)]


def in_turn(batches: Sequence[int], images: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the order in which processes take the batches of a split: of each the first, then of each the second.

    Args:
        batches: How many batches each process has, N in all.
        images: How many images each batch has, process by process, N.

    Returns:
        Where in that list each batch stands, and where among all their images each image stands.
    """
    turns = [turn for count in batches for turn in range(count)]
    order: list[int] = np.argsort(turns, kind="stable").tolist()
    starts = np.cumsum([0, *images])
    return order, [row for batch in order for row in range(starts[batch], starts[batch] + images[batch])]
