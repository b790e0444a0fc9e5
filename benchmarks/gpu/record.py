"""Rows of results, written as they come, so that what is interrupted keeps what it has."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch

# Of torch: out of memory, what a compiler cannot take, an operation without a deterministic form.
Failure = (RuntimeError, ValueError, NotImplementedError)


class Record:
    """A file of JSON lines, with the time that is left to fill it.

    Args:
        folder: Where it lies.
        name: Its name, without ``.jsonl``.
        seconds: How long its part may take.
        smoke: Whether everything is tried at toy sizes on the processor.
    """

    def __init__(self, folder: Path, name: str, seconds: float, smoke: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.smoke = folder, smoke
        self.device = torch.device("cpu" if smoke else "cuda")
        self._path = folder / f"{name}.jsonl"
        self._path.unlink(missing_ok=True)
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, 0 or less when the part has to end."""
        return self._until - time.monotonic()

    def add(self, **row: Any) -> None:
        """Write a row and print it."""
        line = json.dumps(row)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")
        print(line, flush=True)

    def synchronize(self) -> None:
        """Wait for the card, as clocks need it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def first_line(error: BaseException) -> str:
    """Return an error's kind and the first line that it says."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
