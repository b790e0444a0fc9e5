"""Moments of a command: it counts what it does, and can be killed as it does something for the n-th time.

Three kinds are counted: ``write`` (a file is opened to be written), ``rename`` (a file takes its final name or is
removed) and ``step`` (gradients are computed). The kernel ends the process before the operation takes place.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

KINDS = ("write", "rename", "step")
_RENAMES = ("os.rename", "os.remove", "os.rmdir")


class Counter:
    """Counts what this process does to files below a folder, and its training steps.

    Args:
        folder: The folder.
        kind: The kind of moment at which it dies; None for never.
        number: The how manyeth of its kind that is, from 1.
    """

    def __init__(self, folder: Path, kind: str | None = None, number: int = 0) -> None:
        self.folder, self.kind, self.number = str(folder), kind, number
        self.counts = dict.fromkeys(KINDS, 0)
        self._process = os.getpid()

    def install(self) -> None:
        """Begin to count."""
        import torch

        sys.addaudithook(self._heard)
        backward = torch.Tensor.backward

        def counted(*arguments: Any, **options: Any) -> None:
            self._count("step")
            backward(*arguments, **options)

        torch.Tensor.backward = counted  # type: ignore[method-assign]

    def save(self, path: Path) -> None:
        """Write down how often each kind of moment came; a fork of the process, a job of a sweep say, does not."""
        if os.getpid() == self._process:
            path.write_text(json.dumps(self.counts))

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            self._count_inside("write", arguments[0])
        elif event in _RENAMES:
            self._count_inside("rename", arguments[0])

    def _count_inside(self, kind: str, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self.folder):
            self._count(kind)

    def _count(self, kind: str) -> None:
        # A fork of this process, a loader's worker say, counts for itself: only the run itself is killed.
        if os.getpid() != self._process:
            return
        self.counts[kind] += 1
        if kind == self.kind and self.counts[kind] == self.number:
            os.kill(self._process, signal.SIGKILL)
