"""What ``trainer=fast`` leaves open, chosen by a few timed steps of the run's own network, on its data and machine.

The choice becomes overrides before a run has its identity, so a run says what it computes with, and one that computes
otherwise is another run. It is kept beside the runs, in ``fastest.json``: all runs of an experiment, and a run that is
started again, take the same. Steps are timed by a process of their own, which leaves nothing behind in this one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.composition import without_hydra
from segbench.configuration.machine import left_open
from segbench.errors import ConfigError, DataError, SegbenchError, StorageError
from segbench.runs.files import read_json, write_json
from segbench.runs.identity import experiment_name, relevant
from segbench.words import first_line

log = logging.getLogger("segbench")
NAME = "fastest.json"
# Another setting than the default's is taken where its step is so much shorter at least: less may be chance.
GAIN = 0.05
# Steps of each setting in a turn, of which the first does not count; two turns at least, and more for so many seconds.
_STEPS, _SECONDS = 4, 10.0
# What does not change how long a step takes.
_NOT_OF_A_STEP = ("folds", "fold", "split_seed")
Setting = Mapping[str, Any]
_DEFAULT: Setting = {"precision": 32, "channels_last": False, "compile": False}


class Timed(NamedTuple):
    """What a setting takes.

    Attributes:
        step: Seconds of a training step.
        before: Seconds until the first of them has ended, at most.
        steps: Steps of the whole run.
    """

    step: float
    before: float
    steps: int


def choose(cfg: DictConfig) -> dict[str, Any]:
    """Return the values of the ``trainer`` keys that are ``fastest``, by their dotted keys; empty where none is.

    Args:
        cfg: The composed configuration, with Hydra's node.

    Raises:
        SegbenchError: If no step can be trained: for the reason for which the run would be refused.
    """
    if not (keys := left_open(cfg)):
        return {}
    path = Path(cfg.paths.outputs) / experiment_name(cfg) / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            known, kind = read_json(path) or {}, _kind(cfg)
            if kind in known:
                log.info("trainer=fast: %s, as %s has it", words(known[kind]["trainer"]), path)
            else:
                known[kind] = _measured_elsewhere(cfg)
                write_json(path, known)
                log.info("trainer=fast: %s; kept in %s", known[kind]["reason"], path)
    except OSError as error:
        raise StorageError(f"paths.outputs: cannot write {path}: {error.strerror or error}") from error
    return {f"trainer.{key}": known[kind]["trainer"][key] for key in keys}


def settle(cfg: DictConfig) -> None:
    """Set the keys that are ``fastest`` to the values of :func:`choose`."""
    for key, value in choose(cfg).items():
        OmegaConf.update(cfg, key, value)


def _kind(cfg: DictConfig) -> str:
    """Return what runs in a folder share a choice: all of a named experiment, else those whose steps are alike."""
    alike: dict[str, Any] = {"trainer": {key: cfg.trainer[key] for key in (*_DEFAULT, "accelerator", "threads")}}
    if experiment_name(cfg) == "runs":
        every = relevant(cfg)
        alike |= {key: every[key] for key in ("data", "model", "loss")}
        alike["data"] = {key: value for key, value in every["data"].items() if key not in _NOT_OF_A_STEP}
    return hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:10]


def words(setting: Setting) -> str:
    """Return a setting in words: ``bf16-mixed channels_last``."""
    return " ".join([str(setting["precision"]), *(key for key in ("channels_last", "compile") if setting[key])])


def _measured_elsewhere(cfg: DictConfig) -> dict[str, Any]:
    """Let a process of its own measure."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # Not as a file: values may have come from the environment.
    asked = OmegaConf.to_yaml(without_hydra(cfg), resolve=True)
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise SegbenchError(f"trainer=fast: no step could be measured (exit code {done.returncode})") from None
    if "error" in told:
        kind = {2: ConfigError, 3: DataError}.get(told["code"], SegbenchError)
        raise kind(told["error"])
    return told


def measure(cfg: DictConfig) -> dict[str, Any]:
    """Time a few steps of each setting that is open, on the run's data; return the fastest, and what was measured.

    Args:
        cfg: The configuration, without Hydra's node.

    Raises:
        SegbenchError: If the run cannot be trained.
    """
    from segbench.assembly import build_data, build_task
    from segbench.environment import graphics_card, native_precision
    from segbench.final_evaluation import prepare_torch, read_data
    from segbench.survey.steps import measure_steps
    from segbench.trainer import compile_network

    keys = left_open(cfg)
    fixed = {key: _DEFAULT[key] if key in keys else cfg.trainer[key] for key in _DEFAULT}
    data, device = build_data(cfg), set[str]()

    def timed(setting: Setting) -> Timed:
        one = OmegaConf.merge(cfg, {"trainer": dict(setting)})
        assert isinstance(one, DictConfig)
        prepare_torch(one)
        # As if restored: pretrained weights are not fetched for a few steps.
        task = build_task(one, data, restored=True)
        read_data(data, task)
        begin = time.perf_counter()
        compile_network(task.network, one)
        cost = measure_steps(one, data, task, _STEPS)
        device.add(cost.device)
        return Timed(cost.step_seconds, time.perf_counter() - begin, cost.steps_per_epoch * cost.epochs)

    precisions = dict.fromkeys((32, native_precision(cfg.trainer.accelerator).value))
    ways = product(
        precisions if "precision" in keys else [fixed["precision"]],
        (False, True) if "channels_last" in keys else [fixed["channels_last"]],
    )
    candidates = [{**fixed, "precision": precision, "channels_last": last} for precision, last in ways]
    compiles = "compile" in keys and graphics_card(cfg.trainer.accelerator) is not None
    chosen, seconds = fastest(timed, candidates, compiles)
    best, first = seconds[words(chosen)], seconds[words(candidates[0])]
    reason = f"{words(chosen)}: {best:.3g} s a step, {first:.3g} s as by default, on {', '.join(device)}"
    return {"trainer": dict(chosen), "seconds": seconds, "reason": reason}


def fastest(
    timed: Callable[[Setting], Timed], candidates: Sequence[Setting], compiles: bool
) -> tuple[Setting, dict[str, float]]:
    """Return the fastest setting, the first unless another gains, and the seconds of a step of each.

    Args:
        timed: Measures one.
        candidates: The settings, the default's first.
        compiles: Whether to try the fastest one compiled. That is taken if the run as a whole is shorter by it.

    Raises:
        SegbenchError: If no step of the first can be trained; others are then left out.
    """
    begin, times, turn = time.perf_counter(), dict[int, Timed](), 0
    while turn < 2 or time.perf_counter() - begin < _SECONDS:
        for number in range(len(candidates)) if turn == 0 else list(times):
            now = timed(candidates[0]) if number == 0 else _tried(timed, candidates[number])
            if now is None:
                times.pop(number, None)
                continue
            times[number] = min(times.get(number, now), now)
        turn += 1
    best = min(times, key=lambda number: times[number].step)
    best = best if times[best].step < (1 - GAIN) * times[0].step else 0
    seconds = {words(candidates[number]): one.step for number, one in times.items()}
    if not compiles:
        return candidates[best], seconds
    compiled = {**candidates[best], "compile": True}
    tried, before = _tried(timed, compiled), times[best]
    if tried is None:
        return candidates[best], seconds
    seconds[words(compiled)] = tried.step
    shorter = tried.before + tried.steps * tried.step < before.before + before.steps * before.step
    return compiled if shorter else candidates[best], seconds


def _tried(timed: Callable[[Setting], Timed], setting: Setting) -> Timed | None:
    """Return what a setting takes; None, and a line, where nothing can be trained with it."""
    try:
        return timed(setting)
    # Whatever an operation says that has no such precision, or a compiler that is not there.
    except Exception as error:
        log.warning("trainer=fast: %s left out: %s", words(setting), first_line(error)[:200])
        return None


def main() -> None:
    """Measure the configuration that is read, and write what was found."""
    cfg = OmegaConf.create(sys.stdin.read())
    assert isinstance(cfg, DictConfig)
    with redirect_stdout(sys.stderr):
        try:
            told = measure(cfg)
        except SegbenchError as error:
            told = {"error": str(error), "code": error.exit_code}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
