"""Stop signals while a run is in progress: whatever it is doing, it ends as interrupted and never as done."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

# The last three are what cluster schedulers send before they kill.
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
# Taken even where they were ignored, as those of a script's background jobs are: who sends them means the run.
_ALWAYS = (signal.SIGTERM, signal.SIGINT)


class StopRequested(BaseException):
    """A stop signal has come. No ``Exception``, so that no library takes it for a failure of its own.

    Args:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class StopSignals:
    """The handler: the first signal raises :class:`StopRequested`, an impatient one raises it again."""

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
            # A fork of the run: it behaves as without us, the run's own process says what happened.
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        leave_lost_terminal()
        if self._settled or (self._first is not None and not impatient(self._first, number)):
            return
        self._first = number
        raise StopRequested(number)


def impatient(first: int, number: int) -> bool:
    """Say whether a further signal asks to end at once: a second Ctrl-C does.

    All others may come several times: in a sweep from a scheduler that signals every process, then from the sweep.
    """
    return first == number == signal.SIGINT


def take(handler: Handler) -> dict[signal.Signals, object]:
    """Let a function handle the stop signals, but those that were ignored when the program began (``nohup``).

    Returns:
        The former handler of each, for :func:`give_back`.
    """
    chosen = [number for number in _STOPPING if number in _ALWAYS or signal.getsignal(number) != signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in chosen}


def give_back(former: dict[signal.Signals, object]) -> None:
    """Undo :func:`take`."""
    for number, handler in former.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]  # what it gave


def as_at_the_start() -> None:
    """In a fork: treat stop signals as a program does that has just been started by the forking one."""
    for number in _STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Take the stop signals over for the block (in the main thread; elsewhere Python forbids it).

    Lightning keeps a handler that it finds and calls it after its own, so this holds in ``fit`` and ``test`` too.
    """
    handler = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    former = take(handler)
    try:
        yield handler
    finally:
        give_back(former)


def leave_lost_terminal() -> None:
    """Write no more to a terminal that was closed: every line would be an error, and one of them end the run."""
    for descriptor in (1, 2):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, descriptor)
                os.close(sink)


def end_with_parent(number: int, parent: int) -> None:
    """Ask the kernel for a signal when the process that started this one is gone (Linux), so that no job is orphaned.

    Args:
        number: The signal.
        parent: That process. It may be gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, int(number))
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


# In a process of its own, as code between fork and exec would hang where threads of this one hold locks (Ray's do).
_TIE = (
    "import ctypes, os, sys; number, parent = map(int, sys.argv[1:3]); ctypes.CDLL(None).prctl(1, number);"
    " os.kill(os.getpid(), number) if os.getppid() != parent else os.execv(sys.argv[3], sys.argv[3:])"
)


def tied(command: Sequence[str], number: int) -> list[str]:
    """Return a command that also gets a signal when the process that starts it is gone (:func:`end_with_parent`).

    Args:
        command: The program's full path and its arguments.
        number: The signal.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIE, str(int(number)), str(os.getpid()), *command]


@contextmanager
def held_back() -> Iterator[None]:
    """Let no stop signal come during the block, nor ever to the processes that it starts; it comes after the block.

    A worker that is hit before :func:`leave_stopping_to_parent` would die.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def leave_stopping_to_parent() -> None:
    """In a data loader's worker: go on where a scheduler or a terminal signals every process of the run.

    The run needs its workers for the step that it finishes. A signal of the run itself ends the worker, as does the end
    of the run, however that comes.
    """
    parent = os.getppid()
    end_with_parent(signal.SIGKILL, parent)
    if hasattr(signal, "sigwaitinfo"):  # macOS has none
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        threading.Thread(target=_end_on_word_of, args=(parent,), daemon=True).start()


def _end_on_word_of(parent: int) -> None:
    while signal.sigwaitinfo(_STOPPING).si_pid != parent:
        pass
    os._exit(0)
