"""Jobs that begin as forks of the sweep's process, which has imported what a run needs.

Importing takes several times as long as a short training. A fork has it done, and is a process of its own all the
same: what it does, ends with, or is killed by stays its own.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import multiprocessing
import os
import runpy
import signal
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from segbench.runs.signals import as_at_the_start, end_with_parent, held_back
from segbench.sweep.job import Process

# Whatever a run is about, it needs these.
_ALWAYS = (
    "segbench.starting",
    "segbench.reporting.single",
    "torch.utils.tensorboard",
    "matplotlib.backends.backend_agg",
)
# A process that has one of these open has asked CUDA or ROCm for its devices, which its forks then cannot use.
_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dxg")
_OPEN_FILES = Path("/proc/self/fd")
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_source_files: dict[str, tuple[int, int]] = {}


def begin(arguments: Sequence[str], environment: Mapping[str, str], folder: Path, console: IO[bytes] | None) -> Process:
    """Begin a job as a fork of this process.

    Arguments and errors are those of :func:`segbench.sweep.job.begin_fresh`, which begins it from nothing.
    """
    return _Fork(arguments[1:], environment, folder, console)


def can_begin(config: DictConfig) -> bool:
    """Import what a job needs, and say whether a fork would be like a fresh interpreter.

    It would not where a device or a thread is in use, which a fork does not have, or where a source file has been
    changed since it was imported.

    Args:
        config: The job's configuration.
    """
    if sys.platform != "linux":  # elsewhere the system's own libraries do not bear it
        return False
    _import(config)
    return threading.active_count() == 1 and not _uses_device() and not _is_outdated()


class _Fork:
    """A job that begins as a copy of this process."""

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, console: IO[bytes] | None
    ) -> None:
        tied = partial(end_with_parent, signal.SIGTERM, os.getpid())
        work = (list(argv), dict(environment), folder, None if console is None else console.fileno(), tied)
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=work)
        # What has been imported is shared with the forks for as long as no collection writes to it.
        gc.collect()
        gc.freeze()
        # A signal in the fork's first moments would be taken by the sweep's handler.
        with held_back():
            self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            assert self._process.pid is not None
            os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _run(argv: list[str], environment: dict[str, str], folder: Path, console: int | None, tied: Any) -> None:
    """Become the program with other arguments, as if it had just been started."""
    # What the sweep wants done at its end is not for its jobs to do.
    atexit._clear()
    atexit.register(logging.shutdown)
    as_at_the_start()
    tied()
    if console is not None:
        _write_to(console)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _use_threads(environment)
    logging.getLogger().handlers.clear()
    GlobalHydra.instance().clear()
    sys.argv = argv
    runpy.run_path(argv[0], run_name="__main__")


def _write_to(console: int) -> None:
    for number, name in enumerate(("stdout", "stderr"), start=1):
        os.dup2(console, number)
        former = getattr(sys, name)
        setattr(sys, name, os.fdopen(number, "w", 1, former.encoding, former.errors, closefd=False))


def _use_threads(environment: Mapping[str, str]) -> None:
    """Compute with as many threads as a fresh interpreter would: the number was read when torch was loaded."""
    import torch

    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if first.isdecimal() and 0 < int(first) != torch.get_num_threads():
        torch.set_num_threads(int(first))


def _import(config: DictConfig) -> None:
    """Import what a run needs. What fails here is for the job to tell."""
    for name in [*_ALWAYS, *sorted(set(_modules(OmegaConf.to_container(config, resolve=False))))]:
        _import_once(name)


@cache
def _import_once(name: str) -> None:
    with suppress(Exception):
        importlib.import_module(name)


def _modules(node: Any) -> Iterator[str]:
    """Return the modules of the classes that a configuration names."""
    if isinstance(node, dict):
        if isinstance(target := node.get("_target_"), str):
            yield target.rpartition(".")[0]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _modules(child)


def _uses_device() -> bool:
    for entry in _OPEN_FILES.iterdir():
        with suppress(OSError):  # closed by now
            if str(entry.readlink()).startswith(_DEVICES):
                return True
    return False


def _is_outdated() -> bool:
    """Say whether a source file outside the installed packages is another than when this was first asked of it."""
    changed = False
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        # Of torch, some modules are not files, whatever they say.
        if file and Path(file).is_absolute() and not file.startswith(_INSTALLED):
            try:
                status = Path(file).stat()
            except OSError:  # gone: a fresh interpreter would fail by it, and say so
                return True
            now = (status.st_mtime_ns, status.st_size)
            changed |= _source_files.setdefault(file, now) != now
    return changed
