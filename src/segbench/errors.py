"""Errors that a user can fix: a one-line message and an exit code for each kind.

Every error that a user can cause is raised as one of these. The entry points print only the message and exit with
``exit_code``; a traceback appears only with ``debug=true``. Any other exception is a bug of ours and keeps its
traceback.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class SegbenchError(Exception):
    """Base of all errors that a user can fix. The message is one line that names the file or key and the fix."""

    exit_code = 1
    # Whether every run on the same data would end so, whatever is trained.
    of_data = False


class ConfigError(SegbenchError):
    """The configuration is invalid: an unknown key, a wrong type, an impossible combination."""

    exit_code = 2


class DataError(SegbenchError):
    """The data on disk cannot be used. The message lists every fault, not only the first."""

    exit_code = 3


class UnusableDataError(DataError):
    """The data cannot be read, or not be split, so that nothing can be trained on it."""

    of_data = True


@contextmanager
def reading_data() -> Iterator[None]:
    """Raise what data is refused for as :class:`UnusableDataError`: a sweep then starts no other run on it."""
    try:
        yield
    except DataError as error:
        raise UnusableDataError(str(error)) from error


class DivergedError(SegbenchError):
    """The loss or a gradient is no longer finite."""

    exit_code = 4


class PrunedRun(SegbenchError):
    """A trial of a search was stopped, as others were better at the same epoch. It ends as it should."""

    exit_code = 0


class CheckpointError(SegbenchError):
    """A required checkpoint is missing or unusable."""

    exit_code = 5


class BusyError(SegbenchError):
    """Another process is using the run directory (``EX_TEMPFAIL``: try again later)."""

    exit_code = 75


class StorageError(SegbenchError):
    """The disk is full or a result could not be written (``EX_IOERR``); finished results are kept."""

    exit_code = 74


class LostProcess(SegbenchError):
    """One of the processes that train a run together is gone (``EX_OSERR``); the same command goes on."""

    exit_code = 71


class InterruptedRun(SegbenchError):
    """The run was stopped by a signal; its progress is saved, and the same command resumes it.

    Args:
        number: Number of the signal; the exit code is 128 plus it.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}; run the same command again to resume")
        self.exit_code = 128 + number
