"""From a configuration to its parts: the data module, the task and the callbacks, before any data is read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import nn

from segbench.configuration.build import build
from segbench.configuration.check import check_comparison, check_parts
from segbench.data.base import ImageData
from segbench.errors import reading_data
from segbench.rng import derive_seed
from segbench.targets import find_class
from segbench.tasks.base import Task
from segbench.tasks.initialisation import freeze, load_weights
from segbench.tasks.windows import Windows

log = logging.getLogger("segbench")


def build_data(cfg: DictConfig) -> ImageData:
    """Build a configuration's data module, with augmentation and further scores, without reading any file."""
    scores = {name: build(f"scores.{name}", cfg) for name in cfg.scores}
    augmentation = build("augmentation", cfg)
    cache = Path(cfg.paths.cache)
    return build("data", cfg, augmentation=augmentation, seed=cfg.seed, cache_dir=cache, scores=scores)


def build_task(cfg: DictConfig, data: ImageData, restored: bool = False, windows: Windows | None = None) -> Task[Any]:
    """Build network, loss and task for a data module, before any of its files is read, except to learn its classes.

    Args:
        cfg: The whole configuration.
        data: The data module, which determines channels and classes.
        restored: Whether a checkpoint's weights will replace the initial ones; pretrained weights are then not loaded.
        windows: Windows for prediction, in place of the configuration's.

    Raises:
        ConfigError: If the parts do not fit together.
        DataError: If the data must be read to learn its classes, and cannot be.
    """
    with reading_data():
        data.inspect()
    kind = data.task_for(find_class("model", cfg.model["_target_"]))
    torch.manual_seed(derive_seed(cfg.seed, "loss"))
    loss = build("loss", cfg)
    check_parts(cfg, data, kind, loss)
    return kind(
        _build_network(cfg, data.in_channels, kind.count_outputs(cfg.activation, data), data.training_size, restored),
        loss,
        optimizer=build("optimizer", cfg, _partial_=True),
        scheduler=None if cfg.scheduler is None else build("scheduler", cfg, _partial_=True),
        class_names=data.class_names,
        seed=cfg.seed,
        ignore_index=data.ignore_index,
        channels_last=cfg.trainer.channels_last,
        monitor=cfg.trainer.monitor,
        background=data.background,
        frozen=cfg.freeze,
        **kind.options(cfg, data, windows),
    )


def check_metrics(cfg: DictConfig) -> None:
    """Refuse a comparison by a score that the data does not have, before anything else is built.

    Raises:
        ConfigError: Names the score and one like it; also if the data module or its task cannot be found.
        DataError: If the data must be read to learn its classes, and cannot be.
    """
    data = build_data(cfg)
    data.inspect()
    kind = data.task_for(find_class("model", cfg.model["_target_"]))
    check_comparison(cfg.comparison, data.name, kind.scores(data), data.score_train, data.validates)


def build_callbacks(cfg: DictConfig, data: ImageData, task: Task[Any]) -> list[pl.Callback]:
    """Build the configured callbacks and those that data and loss need."""
    configured = [build(f"callbacks.{name}", cfg) for name in cfg.callbacks]
    return [*configured, *data.callbacks(), *task.loss.callbacks()]


def _planned(cfg: DictConfig, size: tuple[int, int] | None) -> dict[str, Any]:
    """Return the network's arguments that the training images decide, if its class plans by them."""
    plan = getattr(find_class("model", cfg.model["_target_"]), "plan_for", None)
    return {} if plan is None else plan(cfg.model, size)


def _build_network(
    cfg: DictConfig, in_channels: int, out_channels: int, size: tuple[int, int] | None, restored: bool
) -> nn.Module:
    """Build the network with its initial weights: random by the seed, pretrained, or another run's."""
    torch.manual_seed(derive_seed(cfg.seed, "weights"))
    further: dict[str, Any] = {"pretrained": None} if restored and "pretrained" in cfg.model else {}
    further |= _planned(cfg, size)
    network: nn.Module = build("model", cfg, in_channels=in_channels, out_channels=out_channels, **further)
    if not restored and "pretrained" in cfg.model and cfg.model.pretrained is None:
        log.info("model.pretrained=null: %s starts from random weights", type(network).__name__)
    if cfg.init_from is not None:
        load_weights(network, cfg.init_from)
    if cfg.freeze is not None:
        if cfg.init_from is None and not cfg.model.get("pretrained"):
            log.warning("freeze=%s without init_from: its weights are random and will stay random", cfg.freeze)
        freeze(network, cfg.freeze)
    return network
