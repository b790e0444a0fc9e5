"""Whole runs on the card, as a user starts them: killed and gone on with, and two at a time."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.record import Record
from segbench.runs.checkpoint_io import load_checkpoint

_RUN = Path(__file__).resolve().parent.parent.parent / "src" / "run.py"
_KILLS = 2


def measure_resume(record: Record) -> None:
    """Kill a run at moments of chance, let it end, and compare it with one that was left alone."""
    overrides = [
        "model=attunet",
        f"model.width={2 if record.smoke else 16}",
        f"data.subjects={8 if record.smoke else 40}",
        "augmentation=light",
        "trainer.checkpoint_every_n_steps=1",
        f"trainer.max_epochs={3 if record.smoke else 4}",
    ]
    left_alone = _start(record, "alone", overrides)
    if left_alone.wait(timeout=max(record.left, 1)):
        record.add(failed="the run that was left alone", code=left_alone.returncode)
        return
    chance, killed = random.Random(0), 0
    for _ in range(_KILLS):
        process = _start(record, "killed", overrides)
        before = _saved(record, "killed")
        while process.poll() is None and record.left > 0 and _saved(record, "killed") == before:
            time.sleep(0.01)
        time.sleep(chance.random() / 2)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    code = _start(record, "killed", overrides).wait(timeout=max(record.left, 1))
    row: dict[str, Any] = {"kills": killed, "code": code}
    if code == 0:
        states = [load_checkpoint(_folder(record, name) / "checkpoints" / "last.ckpt") for name in ("alone", "killed")]
        first, second = (state["state_dict"] for state in states)
        row["equal"] = all(torch.equal(value, second[name]) for name, value in first.items())
        row["repeats"] = json.loads((_folder(record, "killed") / "summary.json").read_text())["repeats"]
    record.add(**row)


def measure_together(record: Record) -> None:
    """Train one run alone, then two at a time, on the one card."""
    overrides = [
        "model=unet",
        f"model.width={2 if record.smoke else 64}",
        f"data.subjects={8 if record.smoke else 60}",
        f"trainer={'default' if record.smoke else 'gpu'}",
        f"trainer.max_epochs={1 if record.smoke else 4}",
    ]
    speeds = []
    for names in (("one",), ("first", "second")):
        processes = {name: _start(record, name, [*overrides, f"seed={len(name)}"]) for name in names}
        codes = {name: process.wait(timeout=max(record.left, 1)) for name, process in processes.items()}
        if any(codes.values()):
            record.add(failed=f"runs {codes}")
            return
        found = [json.loads((_folder(record, name) / "summary.json").read_text())["cost"] for name in names]
        memory = [cost["peak_memory_bytes"] for cost in found]
        speeds.append([cost["train_images_per_second"] for cost in found])
        record.add(runs=len(names), images_per_second=speeds[-1], peak_memory_bytes=memory)
    if all(speeds[0]) and all(speeds[1]):
        record.add(two_over_one=round(sum(speeds[1]) / speeds[0][0], 3))


def _start(record: Record, name: str, overrides: list[str]) -> subprocess.Popen[bytes]:
    common = [
        f"paths.outputs={record.folder / name}",
        f"paths.cache={record.folder / 'cache'}",
        "trainer.progress=lines",
    ]
    common += [f"trainer.accelerator={'cpu' if record.smoke else 'gpu'}", "~callbacks.panels", "~logger.tensorboard"]
    with (record.folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, str(_RUN), *overrides, *common], stdout=log, stderr=log, env=os.environ.copy()
        )


def _folder(record: Record, name: str) -> Path:
    """Return the directory of the only run below a folder of outputs."""
    (found,) = [path.parent for path in (record.folder / name).glob("runs/*/run.json")]
    return found


def _saved(record: Record, name: str) -> float:
    """Return when the run last saved a checkpoint, 0 for never."""
    times = [path.stat().st_mtime for path in (record.folder / name).glob("runs/*/checkpoints/last.ckpt")]
    return max(times, default=0.0)
