"""Stop signals while a run is in progress: whatever it is doing, it ends as interrupted and never as done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(BaseException):
    """A stop signal has come. No ``Exception``, so that no library takes it for a failure of its own.

    Args:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class StopSignals:
    """The handler: the first signal raises :class:`StopRequested`, the same one again raises it again."""

    def __init__(self) -> None:
        self._settled = False
        self._first: int | None = None
        self._process = os.getpid()

    def settle(self, settled: bool = True) -> None:
        """Let no signal stop what follows: the end of the run is being recorded, which takes a moment."""
        self._settled = settled

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle one signal."""
        if os.getpid() != self._process:
            # A data loader's worker: it behaves as without us, the run's own process says what happened.
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        # Ctrl-C in a sweep sends SIGINT to every process, and the sweep then SIGTERM: only a repetition is impatience.
        if self._settled or self._first not in (None, number):
            return
        self._first = number
        raise StopRequested(number)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Take SIGTERM and SIGINT over for the block (in the main thread; elsewhere Python forbids it).

    Lightning keeps a handler that it finds and calls it after its own, so this holds in ``fit`` and ``test`` too.
    """
    handler = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    previous = {number: signal.signal(number, handler) for number in _NUMBERS}
    try:
        yield handler
    finally:
        for number, former in previous.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)
