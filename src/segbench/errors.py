"""Refusals: what a user can mend, said in one line, each kind with its own exit code.

Every error a user can cause is raised as one of these. The entry points print the message alone and exit
with ``exit_code``; a traceback appears only with ``debug=true``. Anything else that escapes is a bug of ours
and keeps its traceback.
"""

import signal


class SegbenchError(Exception):
    """Base of all refusals. The message is one line that names the file or key and the mend."""

    exit_code = 1


class ConfigError(SegbenchError):
    """The configuration asks for something impossible: an unknown key, a wrong type, a bad combination."""

    exit_code = 2


class DataError(SegbenchError):
    """The data on disk cannot be used. The message lists every fault found, not only the first."""

    exit_code = 3


class DivergedError(SegbenchError):
    """The loss or the gradient stopped being finite."""

    exit_code = 4


class CheckpointError(SegbenchError):
    """No usable checkpoint where one is needed."""

    exit_code = 5


class BusyError(SegbenchError):
    """Another process works on the same run directory (``EX_TEMPFAIL``: try again later)."""

    exit_code = 75


class StorageError(SegbenchError):
    """The disk is full or a result could not be written (``EX_IOERR``); what was finished is kept."""

    exit_code = 74


class InterruptedRun(SegbenchError):
    """The run was asked to stop by a signal; it has been saved and can be started again."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}; start the same command again to go on")
        self.exit_code = 128 + number
