"""Whether a training, done again on the same device, gives the same bits."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytorch_lightning as pl
import torch

_WARNING = r".*does not have a deterministic implementation"
_OPERATION = re.compile(r"(\S+) does not have a deterministic implementation")


class Repeatability(pl.Callback):
    """Notes the operations of a training that add or write in an order that is never the same.

    On a GPU torch runs with deterministic operations where it has them, and warns where it has none; such warnings are
    collected here. On a processor there are no such operations.

    Attributes:
        reasons: What bits of its own the training has, sorted.
    """

    changes_result = False

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._shown: Any = None

    @property
    def reasons(self) -> list[str]:
        """What makes a repeated training differ in its last bits: operations of torch, or how they are chosen."""
        return sorted(self._found)

    def report(self) -> dict[str, Any]:
        """Return what ``summary.json`` says of it."""
        return {"to_the_bit": not self._found, "because": self.reasons}

    def state_dict(self) -> dict[str, Any]:
        """Return the reasons so far."""
        return {"reasons": self.reasons}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Add those of earlier attempts."""
        self._found |= set(state_dict["reasons"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to warnings."""
        device = trainer.strategy.root_device.type
        if device == "cuda":
            self._shown, warnings.showwarning = warnings.showwarning, self._note
            warnings.filterwarnings("always", _WARNING)
            if torch.backends.cudnn.benchmark:
                self._found.add("kernels chosen by time (trainer.cudnn_benchmark)")
        elif device != "cpu":
            self._found.add(f"a device that was never tried ({device})")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave warnings to others again."""
        if self._shown is not None:
            warnings.showwarning, self._shown = self._shown, None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Do the same where a training does not come to its end."""
        self.on_fit_end(trainer, pl_module)

    def _note(self, message: Warning | str, *arguments: Any, **options: Any) -> None:
        found = _OPERATION.match(str(message))
        if found:
            self._found.add(found[1])
        else:
            self._shown(message, *arguments, **options)
