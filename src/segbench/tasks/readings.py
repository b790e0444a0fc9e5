"""Numbers that a graphics card computes, read without waiting for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Readings:
    """Hands numbers to those who asked for them, in the order in which they did.

    A GPU works through what it is given while the host prepares the next step; reading a number at once would make the
    host wait until the GPU is idle, and then the GPU wait for the host. So a number is copied behind the work that
    computes it, and handed over when the copy has arrived: a step later, or when :meth:`settle` asks for it. Other
    devices are read at once.
    """

    def __init__(self) -> None:
        self._pending: deque[tuple[Any, Tensor, Callable[[Any], None]]] = deque()

    def read(self, numbers: Tensor, then: Callable[[Any], None]) -> None:
        """Call ``then`` with a number, or with a list of numbers, once they are known.

        Args:
            numbers: A tensor () or (N,).
            then: Takes a float, or a list of N.
        """
        if numbers.device.type != "cuda":
            then(numbers.tolist())
            return
        self._take()
        # Into pinned memory, as torch chooses for a copy that is not waited for.
        copy, arrived = numbers.detach().to("cpu", non_blocking=True), torch.cuda.Event()
        arrived.record()
        self._pending.append((arrived, copy, then))

    def settle(self) -> None:
        """Wait for all numbers that were asked for."""
        self._take(wait=True)

    def _take(self, wait: bool = False) -> None:
        while self._pending and (wait or self._pending[0][0].query()):
            arrived, copy, then = self._pending.popleft()
            arrived.synchronize()
            then(copy.tolist())
