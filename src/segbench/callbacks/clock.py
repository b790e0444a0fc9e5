"""A clock of work that a processor does now, or a graphics card some time later."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import torch


class WorkClock:
    """Adds up how long a device works, and on how many images, between calls of :meth:`start` and :meth:`stop`.

    A GPU is not waited for: it notes the times itself when it comes to them (CUDA events), and they are read later. Its
    seconds are those between the beginning and the end of the work in its queue.

    Attributes:
        seconds, images: The sums, for all work that is finished; :meth:`settle` waits for the rest.
    """

    def __init__(self) -> None:
        self.seconds, self.images = 0.0, 0
        self._cuda = False
        self._began: Any = None
        self._pending: deque[tuple[Any, Any, int]] = deque()

    def use(self, device: torch.device) -> None:
        """Say which device works, before the clock is started for the first time."""
        self._cuda = device.type == "cuda"

    def start(self) -> None:
        """Start the clock."""
        self._began = self._now()

    def stop(self, images: int) -> None:
        """Stop it after work on so many images."""
        ended = self._now()
        if not self._cuda:
            self._add(ended - self._began, images)
            return
        self._pending.append((self._began, ended, images))
        while self._pending and self._pending[0][1].query():
            self._take()

    def settle(self) -> None:
        """Wait for the work that was given to a GPU and counts."""
        while self._pending:
            self._pending[0][1].synchronize()
            self._take()

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _take(self) -> None:
        began, ended, images = self._pending.popleft()
        self._add(began.elapsed_time(ended) / 1000, images)

    def _add(self, seconds: float, images: int) -> None:
        self.seconds += seconds
        self.images += images
