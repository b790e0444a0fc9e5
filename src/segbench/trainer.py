"""Lightning's trainer with this project's settings."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.profilers import PassThroughProfiler

from segbench import callbacks
from segbench.configuration.monitor import monitor_mode
from segbench.environment import native_precision
from segbench.errors import ConfigError
from segbench.runs.checkpoint_io import VerifiedCheckpointIO
from segbench.words import first_line

log = logging.getLogger("segbench")


def build_trainer(cfg: DictConfig, loggers: list[Any], extra: list[pl.Callback]) -> pl.Trainer:
    """Build Lightning's trainer from ``cfg.trainer``.

    Args:
        cfg: The whole configuration.
        loggers: The loggers.
        extra: Callbacks; early stopping and the progress bar are added here.

    Raises:
        ConfigError: If the accelerator or the precision does not exist on this machine.
    """
    settings = cfg.trainer
    every = list(extra)
    if settings.early_stopping:
        mode = monitor_mode(settings.monitor)
        every.insert(0, EarlyStopping(settings.monitor, patience=settings.early_stopping, mode=mode))
    bar = settings.progress == "bar" or (settings.progress == "auto" and sys.stderr.isatty())
    if bar:
        every.append(callbacks.TerminalBar())
    cuda = settings.accelerator in ("gpu", "cuda") or (settings.accelerator == "auto" and torch.cuda.is_available())
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Deterministic mode would also fill uninitialised memory, which takes time and changes no result.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    # Of a task of Slurm or the like, Lightning would take another rank for one that must not write.
    rank_zero_only.rank = 0  # type: ignore[attr-defined]  # that is where Lightning keeps it
    try:
        return pl.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            devices=1,
            precision=settings.precision,
            # Needed for bit-identical runs on a GPU. On a CPU it changes nothing: False would load torch's compiler.
            deterministic="warn" if cuda else None,
            logger=loggers,
            callbacks=every,
            # The environment is named, and Lightning given no folder: in a Slurm job it would else count tasks that are
            # not its own, requeue the job itself, and go on from any hpc_ckpt_1.ckpt in the folder.
            plugins=[VerifiedCheckpointIO(), LightningEnvironment()],
            default_root_dir=os.devnull,
            profiler=_NoProfiler(),
            accumulate_grad_batches=settings.accumulate_grad_batches,
            gradient_clip_val=settings.gradient_clip_val,
            limit_train_batches=settings.limit_train_batches,
            log_every_n_steps=settings.log_every_n_steps,
            num_sanity_val_steps=0,
            enable_progress_bar=bar,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (pl.utilities.exceptions.MisconfigurationException, ValueError) as error:
        line = first_line(error)
        raise ConfigError(f"trainer.accelerator={settings.accelerator}: {line}; use trainer.accelerator=cpu") from error


class _NoProfiler(PassThroughProfiler):
    """Avoids creating a context for every hook of every callback, 50 per step, as Lightning's own does."""

    _nothing: AbstractContextManager[None] = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # declared as a generator
        """Return a context that does nothing."""
        return self._nothing


def check_precision(cfg: DictConfig) -> None:
    """Reject a precision that Lightning would replace with only a warning, and say which one is slow here.

    Args:
        cfg: The whole configuration.

    Raises:
        ConfigError: If ``trainer.precision=16-mixed`` would run on a CPU.
    """
    settings = cfg.trainer
    device = torch.cuda.is_available() or torch.backends.mps.is_available()
    on_cpu = settings.accelerator == "cpu" or (settings.accelerator == "auto" and not device)
    if on_cpu and settings.precision == "16-mixed":
        raise ConfigError("trainer.precision=16-mixed: needs a GPU; use trainer.precision=auto on a CPU")
    if settings.precision == "bf16-mixed" and (native := native_precision(settings.accelerator)).value == 32:
        log.warning("trainer.precision=bf16-mixed: %s, 32 would be several times faster", native.reason)


def quiet_lightning() -> None:
    """Silence Lightning's messages about choices that are deliberate here."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*in eval mode.*",
        ".*LeafSpec.*",
        ".*isinstance\\(treespec.*",
        ".*Checkpoint directory.*",
        ".*no `val_dataloader`.*",
        ".*mps.*",
        ".*is using 'interval': 'epoch'.*",
        ".*Total length of `list` across ranks is zero.*",
        # Of torchmetrics: a split without images is an empty table.
        ".*was called before the ``update`` method.*",
    ):
        warnings.filterwarnings("ignore", message)
