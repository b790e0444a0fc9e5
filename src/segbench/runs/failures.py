"""Why a run stopped: what the operating system or a library says, as a refusal that a user can mend."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import torch

from segbench.errors import ConfigError, DataError, SegbenchError, StorageError
from segbench.runs.directory import RunDirectory

log = logging.getLogger("segbench")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


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
    if isinstance(error, OSError) and error.errno in _DISK:
        place = error.filename or directory
        return StorageError(
            f"paths.outputs: cannot write {place}: {error.strerror}; "
            "free space or choose another folder, then start again"
        )
    if isinstance(error, OSError) and error.errno is None and str(error).startswith("cannot write"):
        return StorageError(f"paths.outputs: {error}; free space or choose another folder, then start again")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return ConfigError("out of memory; lower data.batch_size, data.size or model.width")
    if isinstance(error, RuntimeError) and "DataLoader worker" in str(error):
        line = str(error).splitlines()[0]
        return DataError(f"data.num_workers: {line} (out of memory or of /dev/shm?); try data.num_workers=0")
    return error


def record_failure(run: RunDirectory, error: BaseException) -> None:
    """Write into ``status.json`` why the run stopped; a disk too full even for that is only logged.

    Args:
        run: The run directory.
        error: The refusal, or an error of ours.
    """
    reason = str(error) if isinstance(error, SegbenchError) else f"{type(error).__name__}: {error}"
    try:
        run.fail(reason, getattr(error, "exit_code", 1))
    except OSError as second:
        log.error("%s: status.json could not be written: %s", run.path, second)
