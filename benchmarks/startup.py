"""CPU seconds of commands before and around a training, in processes of their own: ``python -m benchmarks.startup``.

CPU time (user and system) is nearly the same on a busy machine; ``import torch`` is the yardstick of the machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import pytorch_lightning as pl

from segbench.runs.run_callback import RunContext

RUN = "src/run.py"
_ROOT = Path(__file__).resolve().parents[1]
_SHORT = ("model.width=4", "trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress=lines")


class FirstStep(pl.Callback):
    """Ends the process after its first step, and says how much CPU time it took until then."""

    changes_result = False

    def on_train_batch_end(self, *_: Any) -> None:
        """Write the CPU seconds to standard output."""
        print(_own_seconds(), flush=True)
        os._exit(0)


class Spent(pl.Callback):
    """Writes ``cpu_seconds`` into the run directory: what the run's process has taken when all else is written."""

    changes_result = False

    def finish(self, context: RunContext) -> None:
        """Write the file."""
        (context.run.path / "cpu_seconds").write_text(str(_own_seconds()))


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_seconds(*arguments: str, code: int = 0) -> tuple[float, str]:
    """Run Python with arguments in the checkout; return its CPU seconds and its standard output.

    Args:
        arguments: Of the interpreter.
        code: The exit code that it must end with.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"}
    done = subprocess.run([sys.executable, *arguments], cwd=_ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def refusal(rounds: int = 3) -> tuple[float, float]:
    """Return the CPU seconds of refusing a misspelled key, and of ``import torch``; the medians of turns."""
    turns = [(cpu_seconds(RUN, "optimizer.lrr=3", code=2)[0], torch_seconds()) for _ in range(rounds)]
    return median(ours for ours, _ in turns), median(torch for _, torch in turns)


def torch_seconds() -> float:
    """Return the CPU seconds of ``import torch``, without those of leaving the interpreter."""
    return cpu_seconds("-c", "import torch, os; os._exit(0)")[0]


def first_step(folder: Path) -> tuple[float, float]:
    """Return the CPU seconds from the start to the end of the first training step, and those of ``import torch``."""
    target = "+callbacks.first._target_=benchmarks.startup.FirstStep"
    _, told = cpu_seconds(RUN, f"paths.outputs={folder}", *_SHORT, target)
    return float(told.split()[-1]), torch_seconds()


def sweep_job(folder: Path, jobs: int = 2) -> tuple[float, float]:
    """Return the CPU seconds of a job of one epoch in a sweep, the median, and of the same run by itself."""
    target = "+callbacks.spent._target_=benchmarks.startup.Spent"
    settings = (f"paths.outputs={folder}", *_SHORT, target)
    cpu_seconds(RUN, *settings, "seed=0")
    (alone,) = folder.glob("runs/*/cpu_seconds")
    fresh = float(alone.read_text())
    alone.unlink()
    cpu_seconds(RUN, "-m", *settings, f"seed=range(1,{jobs + 1})")
    return median(float(path.read_text()) for path in folder.glob("runs/*/cpu_seconds")), fresh


def main() -> None:
    """Print the CPU seconds of each, as they are measured."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"import torch, the yardstick: {torch_seconds():.2f} s", flush=True)
        print(f"a misspelled key refused: {refusal()[0]:.2f} s", flush=True)
        print("--help: {:.2f} s".format(cpu_seconds(RUN, "--help")[0]), flush=True)
        print("--cfg job: {:.2f} s".format(cpu_seconds(RUN, "--cfg", "job")[0]), flush=True)
        print("start to first step: {:.2f} s".format(first_step(Path(folder) / "first")[0]), flush=True)
        print("a run of one epoch in a sweep: {:.2f} s, by itself: {:.2f} s".format(*sweep_job(Path(folder) / "sweep")))


if __name__ == "__main__":
    main()
