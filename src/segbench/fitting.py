"""Training and evaluation, which all processes of a run do together: the first one leads, the others follow."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from torch import distributed

from segbench import callbacks
from segbench.assembly import build_callbacks
from segbench.configuration.monitor import monitor_mode
from segbench.data.base import ImageData
from segbench.data.loader import progress_of
from segbench.errors import CheckpointError, InterruptedRun
from segbench.final_evaluation import evaluate
from segbench.processes import from_first, own_share
from segbench.runs import run_callback
from segbench.runs.checkpoint_io import file_digest
from segbench.runs.directory import RunDirectory
from segbench.runs.run_callback import RunContext
from segbench.tasks.base import Task
from segbench.tasks.sharing import share_layers
from segbench.team import Team
from segbench.trainer import build_trainer, compile_network

log = logging.getLogger("segbench")
# How long a file may take to be seen by another machine as the first one has written it.
_FILE_SECONDS = 60.0


@dataclass(frozen=True)
class Orders:
    """What the process that leads a run tells the others.

    Attributes:
        cfg: The configuration.
        run: The run directory, and the run's identity.
        id: The run's identity.
        resume: The checkpoint to go on from, and its digest; None for none.
        images: The digest of the images that it has read (:func:`image_digest`).
        threads: Torch's threads of each process; None for what a launcher has given them.
    """

    cfg: DictConfig
    run: Path
    id: str
    resume: tuple[Path, str] | None
    images: str
    threads: int | None


def image_digest(data: ImageData) -> str:
    """Return a digest of what was read, and of the images of all splits and their order, by their ids."""
    return f"{data.content} {data.split_digest()}"


def give_orders(team: Team, cfg: DictConfig, run: RunDirectory, data: ImageData, resume_from: Path | None) -> None:
    """Let the other processes take part: start them if no launcher has, and tell them what to do."""
    threads = None
    if team.starts_others:
        # What one process would have is shared.
        threads = cfg.trainer.threads or max(1, torch.get_num_threads() // team.size)
        torch.set_num_threads(threads)
        team.meet()
    resume = None if resume_from is None else (resume_from, file_digest(resume_from))
    from_first(Orders(cfg, run.path, run.identity()["id"], resume, image_digest(data), threads))


def build_checkpoints(cfg: DictConfig, run: RunDirectory, identity: str | None) -> callbacks.RunCheckpoints:
    """Return what saves a run's checkpoints, those of a run of this identity."""
    return callbacks.RunCheckpoints(
        run.checkpoints,
        cfg.trainer.monitor,
        monitor_mode(cfg.trainer.monitor),
        minutes=cfg.trainer.checkpoint_minutes,
        every_n_steps=cfg.trainer.checkpoint_every_n_steps,
        run=identity,
    )


class Fitting:
    """The training of a run and the evaluation of its best weights, in one of its processes.

    Args:
        cfg: The configuration.
        run: The run directory.
        identity: The run's identity.
        data: The data module, set up.
        task: The task.
        loggers: The loggers.
        team: The processes, met; None for one.

    Raises:
        ConfigError: If a callback refuses the configuration.
    """

    def __init__(
        self,
        cfg: DictConfig,
        run: RunDirectory,
        identity: str,
        data: ImageData,
        task: Task[Any],
        loggers: list[Logger],
        team: Team | None,
    ) -> None:
        self.cfg = cfg
        self._cost = callbacks.CostMeter()
        curves = callbacks.Curves(run.metrics, cfg.trainer.log_every_n_steps, cfg.trainer.monitor)
        self._checkpoints = build_checkpoints(cfg, run, identity)
        self.extra = build_callbacks(cfg, data, task)
        self._repeatability = callbacks.Repeatability()
        every = [self._cost, curves, self._repeatability, *self.extra]
        every += [*callbacks.pruning(cfg, run.path), self._checkpoints]
        trainer = build_trainer(cfg, loggers, every, run.path, team)
        self.context = RunContext(run, data, task, trainer)
        run_callback.bind([self._cost, *self.extra], self.context)
        if team is not None:
            image = torch.zeros(1, data.in_channels, *data.trained_size())
            share_layers(task, image, cfg.trainer.sync_batchnorm, team.cuda)
        # Not before its operations are counted: torch gives up, without a word, on a network first seen by the counter.
        compile_network(task.network, cfg)

    def run(self, resume_from: Path | None) -> dict[str, Any]:
        """Train, from a checkpoint if there is one, and evaluate; return what the summary says of it.

        Raises:
            InterruptedRun: If a signal asked to stop.
        """
        self._fit(resume_from)
        trainer, task = self.context.trainer, self.context.task
        _take_best(task, self._checkpoints)
        # Not current_epoch: Lightning's is one less where a training is taken up that had stopped early.
        epochs = progress_of(trainer)[0]
        self.context = evaluate(self.context, self.cfg)
        for table in task.evaluation.values():
            # What the other processes have is asked for by all, once.
            table.compute()
        best = self._checkpoints.best
        trained = {"best": {**best, "epoch": best["epoch"] + 1}, "epochs": epochs}
        return trained | {"cost": self._cost.report(trainer, task), "repeats": self._repeatability.report()}

    def _fit(self, resume_from: Path | None) -> None:
        trainer, data = self.context.trainer, self.context.data
        log.info("%s", data.describe())
        started = time.monotonic()
        trainer.fit(self.context.task, datamodule=data, ckpt_path=resume_from)
        if self._checkpoints.stop_signal:
            # It came after the last checkpoint, where nothing in the training was left to look at it.
            raise InterruptedRun(self._checkpoints.stop_signal)
        log.info("trained %d epochs in %.0f s", progress_of(trainer)[0], time.monotonic() - started)


def _take_best(task: Task[Any], checkpoints: callbacks.RunCheckpoints) -> None:
    """Load the best weights, which the first process reads and the others get from it."""
    if own_share().rank == 0:
        task.load_state_dict(checkpoints.load_best())
    if own_share().count > 1:
        checkpoints.best = from_first(checkpoints.best)
        for values in task.state_dict().values():
            distributed.broadcast(values, src=0)


def await_file(path: Path, digest: str) -> Path:
    """Return a file once this process sees it as the one that leads does, which on network drives may take a while.

    Raises:
        CheckpointError: If it sees another one.
    """
    until = time.monotonic() + _FILE_SECONDS
    while not (path.is_file() and file_digest(path) == digest):
        if time.monotonic() > until:
            raise CheckpointError(f"{path}: not the file that the first process sees; paths.outputs must be shared")
        time.sleep(1)
    return path
