"""Why a run stopped: what the operating system or a library says, as a refusal that a user can mend."""

from __future__ import annotations

import errno
import logging
import signal
from pathlib import Path

import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from segbench.errors import ConfigError, DataError, InterruptedRun, SegbenchError, StorageError
from segbench.runs.directory import RunDirectory
from segbench.runs.signals import StopRequested
from segbench.words import first_line

log = logging.getLogger("segbench")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)
# A file where a folder belongs, or the reverse.
_SHAPE = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


def as_refusal(error: BaseException, directory: Path) -> BaseException:
    """Turn an exception into a refusal where the user can mend it.

    Args:
        error: What was raised.
        directory: The run directory.

    Returns:
        The refusal, or the exception itself if it is an error of ours.
    """
    if isinstance(error, SegbenchError):
        return error
    if (number := _stop_signal(error)) is not None:
        return InterruptedRun(number)
    if (lost := _lost_worker(error)) is not None:
        line = first_line(lost)
        return DataError(f"data.num_workers: {line} (out of memory or of /dev/shm?); try data.num_workers=0")
    if isinstance(error, OSError) and error.errno in _DISK:
        place = error.filename or directory
        return StorageError(
            f"paths.outputs: cannot write {place}: {error.strerror}; "
            "free space or choose another folder, then start again"
        )
    if isinstance(error, OSError) and error.errno in _SHAPE and error.filename:
        place = error.filename2 or error.filename
        return StorageError(f"paths.outputs: {place}: {error.strerror}; delete what lies there, then start again")
    if (scarce := _scarce(error)) is not None:
        return scarce
    if out_of_memory(error):
        return ConfigError("out of memory; lower data.batch_size, data.size or model.width")
    return error


def _lost_worker(error: BaseException) -> BaseException | None:
    """Return what torch said of a loader's process that died.

    It says so wherever the main process is just then, even where a file is written, which may have made it another
    exception.
    """
    for said in (error, error.__cause__):
        if isinstance(said, RuntimeError) and "DataLoader worker" in str(said):
            return said
    return None


def _scarce(error: BaseException) -> ConfigError | None:
    """Return the refusal for what the system has too few of: open files, processes."""
    number = error.errno if isinstance(error, OSError) else None
    # torch says it in words where a worker's tensors come as files.
    if number in (errno.EMFILE, errno.ENFILE) or (
        isinstance(error, RuntimeError) and "Too many open files" in str(error)
    ):
        return ConfigError("too many open files; raise the limit by ulimit -n, or lower data.num_workers")
    if number == errno.EAGAIN:
        return ConfigError("no further process can be started; raise the limit by ulimit -u, or lower data.num_workers")
    return None


def _stop_signal(error: BaseException) -> int | None:
    """Return the signal that an exception stands for, or None."""
    asked: BaseException | None = error
    while asked is not None:
        # Also where something failed on the way out, as a worker that got the signal too.
        if isinstance(asked, StopRequested):
            return asked.number
        asked = asked.__context__
    if isinstance(error, SIGTERMException):
        return signal.SIGTERM
    # Lightning turns a KeyboardInterrupt into exit code 1.
    interrupted = isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    return signal.SIGINT if interrupted or isinstance(error, KeyboardInterrupt) else None


def out_of_memory(error: BaseException) -> bool:
    """Say whether an exception means that the processor's or the graphics card's memory is used up."""
    # torch has a class of its own for the graphics card only.
    on_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    resizing = type(error).__module__ == "cv2" and "Insufficient memory" in str(error)
    return on_cpu or resizing or isinstance(error, torch.OutOfMemoryError | MemoryError)


def record_failure(run: RunDirectory, error: BaseException) -> None:
    """Write into ``status.json`` why the run stopped; a disk too full even for that is only logged.

    Args:
        run: The run directory.
        error: The refusal, or an error of ours.
    """
    reason = str(error) if isinstance(error, SegbenchError) else f"{type(error).__name__}: {error}"
    try:
        run.fail(reason, getattr(error, "exit_code", 1), getattr(error, "of_data", False))
    except OSError as second:
        log.error("%s: status.json could not be written: %s", run.path, second)
