"""Lightning's trainer with this project's settings."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import DDPStrategy

# Lightning has no other way to switch off the checkpoints of its own that it takes up; its version is pinned.
from pytorch_lightning.trainer.connectors.checkpoint_connector import _CheckpointConnector
from torch import nn

from segbench import callbacks
from segbench.configuration.monitor import monitor_mode
from segbench.environment import Card, graphics_card, native_precision
from segbench.errors import ConfigError
from segbench.runs.checkpoint_io import VerifiedCheckpointIO
from segbench.team import Team, uses_cuda
from segbench.words import first_line

log = logging.getLogger("segbench")

# Compute capabilities from which a card has TF32, and torch compiles for it.
_TF32, _TRITON = (8, 0), (7, 0)


def settle_rank(team: Team | None) -> None:
    """Tell Lightning which of its processes this is, before anything is asked of its loggers.

    Of a task of Slurm or the like it would take another rank, for one that must not write.
    """
    rank_zero_only.rank = 0 if team is None else team.rank  # type: ignore[attr-defined]  # Lightning keeps it there


def build_trainer(
    cfg: DictConfig,
    loggers: list[Any],
    extra: list[pl.Callback],
    folder: Path | None = None,
    team: Team | None = None,
) -> pl.Trainer:
    """Build Lightning's trainer from ``cfg.trainer``.

    Args:
        cfg: The whole configuration.
        loggers: The loggers.
        extra: Callbacks; early stopping and the progress bar are added here.
        folder: The run directory, for what Lightning's own callbacks write; None where nothing may be written.
        team: The processes that train together, met; None for this one alone.

    Raises:
        ConfigError: If the accelerator or the precision does not exist on this machine.
    """
    settings = cfg.trainer
    every = list(extra)
    if settings.early_stopping:
        mode = monitor_mode(settings.monitor)
        every.insert(0, EarlyStopping(settings.monitor, patience=settings.early_stopping, mode=mode))
    bar = settings.progress == "bar" or (settings.progress == "auto" and sys.stderr.isatty())
    bar = bar and (team is None or team.rank == 0)
    if bar:
        every.append(callbacks.TerminalBar())
    cuda = uses_cuda(settings.accelerator)
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Deterministic mode would also fill uninitialised memory, which takes time and changes no result.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    settle_rank(team)
    try:
        trainer = pl.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            devices=1 if team is None else settings.devices,
            num_nodes=1 if team is None else settings.num_nodes,
            strategy="auto" if team is None else _strategy(),
            precision=settings.precision,
            benchmark=settings.cudnn_benchmark,
            # Needed for bit-identical runs on a GPU. On a CPU it changes nothing: False would load torch's compiler.
            deterministic="warn" if cuda else None,
            logger=loggers,
            callbacks=every,
            # The environment is named: in a Slurm job Lightning would else count tasks that are not its own, save an
            # hpc_ckpt_1.ckpt on signals, and queue the job again itself.
            plugins=[VerifiedCheckpointIO(), LightningEnvironment() if team is None else team.environment],
            default_root_dir=folder or os.devnull,
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
    trainer._checkpoint_connector = _OwnCheckpointsOnly(trainer)
    return trainer


class _OwnCheckpointsOnly(_CheckpointConnector):
    """Goes on from no ``hpc_ckpt_1.ckpt``, which Lightning takes in a Slurm job, whatever run has left it there."""

    @property
    def _hpc_resume_path(self) -> None:
        return None


def _strategy() -> DDPStrategy:
    """Return the strategy of several processes.

    Looking for unused parameters lets a network have some, and keeps torch from arranging the exchange of gradients
    anew after the first step: more than two processes would then add in another order after a resume than without it.
    """
    return DDPStrategy(find_unused_parameters=True)


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


def prepare_card(cfg: DictConfig) -> None:
    """Set how a CUDA device multiplies float32, check what it is asked for, and say it in one line.

    Args:
        cfg: The whole configuration, settled.

    Raises:
        ConfigError: If the device cannot compile as asked.
    """
    settings, card = cfg.trainer, graphics_card(cfg.trainer.accelerator)
    _check_compilation(settings.compile, card)
    if card is None:
        return
    tf32 = bool(settings.tf32) and card.capability >= _TF32
    # Torch's own default is TF32 for convolutions and not for products of matrices.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    words = [f"precision {settings.precision}", "TF32" if tf32 else "float32 in full"]
    if settings.tf32 and not tf32:
        words[-1] += " (no TF32 before compute capability 8.0)"
    words.append("kernels chosen by time" if settings.cudnn_benchmark else "kernels that repeat to the bit")
    if settings.compile:
        words.append("compiled" if settings.compile is True else f"compiled ({settings.compile})")
    log.info("%s: %s", card, ", ".join(words))


def _check_compilation(mode: bool | str, card: Card | None) -> None:
    if mode is True and card is None:
        log.warning(
            "trainer.compile=true: minutes before the first step, and steps no faster, on a processor; use false"
        )
    if isinstance(mode, str) and card is None:
        raise ConfigError(f"trainer.compile={mode}: needs a CUDA device; use trainer.compile=true")
    if mode and card is not None and card.capability < _TRITON:
        raise ConfigError(f"trainer.compile={mode}: {card}, and torch compiles for 7.0 and above; use false")


def compile_network(network: nn.Module, cfg: DictConfig) -> None:
    """Compile a network in place if ``trainer.compile`` asks for it, after its operations have been counted.

    Torch gives up, without a word, on a network first seen by the counter.
    """
    mode = cfg.trainer.compile
    if mode:
        network.compile(**({} if mode is True else {"mode": mode}))


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
        ".*`srun` command is available.*",
        ".*is using 'interval': 'epoch'.*",
        ".*Total length of `list` across ranks is zero.*",
        # Every process has the table of all, so each logs the same.
        ".*when logging on epoch level in distributed setting.*",
        # Of torchmetrics: a split without images is an empty table.
        ".*was called before the ``update`` method.*",
    ):
        warnings.filterwarnings("ignore", message)
