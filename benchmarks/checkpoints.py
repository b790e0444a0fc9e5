"""How much of a training of tiny epochs goes into its checkpoints: ``python -m benchmarks.checkpoints``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.training import prepare
from segbench.trainer import quiet_lightning

# 50 epochs of a few steps, so short that saving each of them would take a third of the time.
TINY = ("model.width=4", "data.subjects=8", "data.slices=2", "data.size=[32,32]", "trainer.max_epochs=50")
_HOOKS = ("on_train_batch_end", "on_validation_end", "on_train_epoch_end")


def share(folder: Path, clock: Callable[[], float] = time.process_time) -> tuple[float, float]:
    """Return the seconds that saving takes, and those of the whole training.

    Args:
        folder: For the run's files.
        clock: Tells the seconds; by default CPU time.
    """
    training, spent = prepare(folder, *TINY), [0.0]
    (checkpoints,) = training.trainer.checkpoint_callbacks

    def timed(hook: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: Any) -> None:
            begin = clock()
            hook(*arguments)
            spent[0] += clock() - begin

        return called

    for name in _HOOKS:
        setattr(checkpoints, name, timed(getattr(checkpoints, name)))
    begin = clock()
    training.fit()
    return spent[0], clock() - begin


def main() -> None:
    """Print the share of the CPU time and, of another training, that of the clock's."""
    torch.set_num_threads(1)
    quiet_lightning()
    for name, clock in (("CPU", time.process_time), ("clock", time.perf_counter)):
        with tempfile.TemporaryDirectory() as folder:
            saving, whole = share(Path(folder), clock)
        print(f"{name}: {saving:.2f} s of {whole:.2f} s, {saving / whole:.1%}")


if __name__ == "__main__":
    main()
