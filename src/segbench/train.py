"""Train and test one configuration: the only place that knows data, network, loss, task and run directory."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from segbench import callbacks, environment, run_inputs, tracking
from segbench.augmentation import Curriculum
from segbench.configuration.build import build
from segbench.configuration.combinations import (
    check_by_hand,
    check_curriculum,
    check_kinds,
    check_metric,
    check_monitor,
    count_outputs,
    prediction_windows,
    task_class,
)
from segbench.configuration.resolvers import monitor_mode
from segbench.configuration.schema import validate
from segbench.data.base import ImageData
from segbench.data.loader import Draw
from segbench.data.segmentation import SegmentationData
from segbench.data.weights import PixelWeights
from segbench.errors import CheckpointError, ConfigError, InterruptedRun
from segbench.rng import derive_seed
from segbench.runs.checkpoint_io import newest_good
from segbench.runs.directory import RunDirectory
from segbench.runs.failures import as_refusal, record_failure
from segbench.runs.files import write_json, write_text
from segbench.runs.scores_file import write_scores
from segbench.runs.signals import StopRequested, StopSignals, stop_signals
from segbench.runs.split_scores import About
from segbench.scores.columns import with_columns
from segbench.tasks import SegmentationTask
from segbench.tasks.base import Task
from segbench.tasks.initialisation import freeze, load_weights
from segbench.trainer import build_trainer, check_precision, quiet_lightning

log = logging.getLogger("segbench")


def train(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any]) -> None:
    """Train, validate and test one configuration, or report it if that was done before.

    Args:
        cfg: The composed configuration (without Hydra's own node).
        run: Its run directory.
        identity: What ``run.json`` says of it: id, name, experiment, choices, overrides, seed.

    Raises:
        SegbenchError: For everything a user can mend; the run directory says so too and the run can be started again.
    """
    validate(cfg)
    try:
        with stop_signals() as stop, run.locked():
            if run.state() == "done" and not cfg.rerun:
                run_inputs.check_sources(run, build_data(cfg), cfg)
                log.info("already done, nothing to do (rerun=true trains again)")
                return
            _train_and_record(cfg, run, identity, stop)
    except StopRequested as error:
        # Nothing is in progress here: there is no status to mend.
        raise InterruptedRun(error.number) from error


def _train_and_record(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any], stop: StopSignals) -> None:
    """Train and test, and record how that ended."""
    try:
        _train_and_test(cfg, run, identity)
        stop.settled = True
        run.finish()
        stop.settled = False
    except BaseException as error:
        stop.settled = True
        refusal = as_refusal(error, run.path)
        if run.state() != "done":  # else a rerun was refused before it began, and what was finished stays
            record_failure(run, refusal)
        if refusal is error:
            raise
        raise refusal from error


def _train_and_test(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any]) -> None:
    known = {} if cfg.rerun else run.identity()
    identity = (
        {"wandb_id": tracking.new_wandb_id()} | known | identity | {"git": run_inputs.find_code(run, known.get("git"))}
    )
    if not cfg.rerun:
        _begin(cfg, run, identity)
    quiet_lightning()
    check_precision(cfg)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)

    data = build_data(cfg)
    restored = not cfg.rerun and newest_good(run.checkpoints)[0] is not None
    task = build_task(cfg, data, restored)
    if isinstance(task.loss, PixelWeights):
        data.pixel_weights = task.loss
    data.setup()
    if cfg.rerun:
        # Not before parts and data are known to be good: a refusal must not cost what was finished.
        run.clear()
        _begin(cfg, run, identity)
    run.begin_sources(run_inputs.find_sources(run, data, cfg))
    task.loss.prepare(torch.from_numpy(data.class_pixels))
    task.extra_state = _extra_state(cfg, data)

    loggers, summary = list[Logger](), None
    try:
        loggers = tracking.build_loggers(cfg, run.path, identity)
        summary = _fit_and_evaluate(cfg, run, data, task, loggers)
    finally:
        tracking.finish(loggers, summary)


def _begin(cfg: DictConfig, run: RunDirectory, identity: dict[str, Any]) -> None:
    run.begin(identity)
    write_text(run.path / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))


def build_task(cfg: DictConfig, data: ImageData, restored: bool = False) -> Task[Any]:
    """Build network, loss and task for a data module, before any file of it is read.

    Args:
        cfg: The whole configuration.
        data: The data module; it tells channels and classes.
        restored: Whether a checkpoint's weights will replace the first ones, so that no pretrained ones are needed.

    Raises:
        ConfigError: If the parts do not fit each other.
    """
    check_kinds(cfg, data)
    check_by_hand(cfg)
    check_metric(cfg, data)
    outputs = count_outputs(cfg, data)
    torch.manual_seed(derive_seed(cfg.seed, "weights"))
    start = {key: None for key in ("pretrained", "encoder_weights") if restored and key in cfg.model}
    network = build("model", cfg, in_channels=data.in_channels, out_channels=outputs, **start)
    if not restored and "pretrained" in cfg.model and cfg.model.pretrained is None:
        log.info("model.pretrained=null: %s starts from random weights", type(network).__name__)
    loss = build("loss", cfg)
    try:
        loss.check(outputs)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if cfg.init_from is not None:
        load_weights(network, cfg.init_from)
    if cfg.freeze is not None:
        if cfg.init_from is None and not (cfg.model.get("pretrained") or cfg.model.get("encoder_weights")):
            log.warning("freeze=%s without init_from: its weights are random and stay so", cfg.freeze)
        freeze(network, cfg.freeze)
    task = task_class(cfg, data)(
        network,
        loss,
        optimizer=build("optimizer", cfg, _partial_=True),
        scheduler=None if cfg.scheduler is None else build("scheduler", cfg, _partial_=True),
        class_names=data.class_names,
        seed=cfg.seed,
        ignore_index=data.ignore_index,
        channels_last=cfg.trainer.channels_last,
        monitor=cfg.trainer.monitor,
        background=data.background,
    )
    if isinstance(task, SegmentationTask):
        task.windows = prediction_windows(cfg, data)
    check_monitor(cfg, [*task.metric_names(), callbacks.LAST_EPOCH])
    check_curriculum(cfg, data, task.metric_names())
    return task


def build_data(cfg: DictConfig) -> ImageData:
    """Build the data module of a configuration; no file of it is read."""
    augmentation = build("augmentation", cfg)
    return build("data", cfg, augmentation=augmentation, seed=cfg.seed, cache_dir=Path(cfg.paths.cache))


def _fit_and_evaluate(
    cfg: DictConfig, run: RunDirectory, data: ImageData, task: Task[Any], loggers: list[Any]
) -> dict[str, Any]:
    cost = callbacks.CostMeter()
    # As trained: of a larger image, the crop.
    trained = data.datasets["train"][Draw(0, 0)]["image"]
    cost.measure_network(task, torch.zeros(1, data.in_channels, *trained.shape[-2:]))
    if cfg.trainer.compile:
        # Not before its operations are counted: torch gives up, without a word, on a network first seen by the counter.
        task.network.compile()
    checkpoints = callbacks.RunCheckpoints(
        run.checkpoints,
        cfg.trainer.monitor,
        monitor_mode(cfg.trainer.monitor),
        minutes=cfg.trainer.checkpoint_minutes,
        every_n_steps=cfg.trainer.checkpoint_every_n_steps,
    )
    extra = _further_callbacks(cfg, run, data)
    trainer = build_trainer(
        cfg,
        loggers,
        [
            *(cost, callbacks.Curves(run.metrics, cfg.trainer.log_every_n_steps)),
            *(*extra, callbacks.VolumeScores(data), callbacks.ObjectScores(data), checkpoints),
        ],
    )
    _fit(run, data, task, trainer, checkpoints)
    splits = _evaluate(data, task, trainer, checkpoints)
    _write_scores(run, task, data)
    scores = {split: task.final_scores(table) for split, table in task.evaluation.items()}
    summary = {
        "scores": scores,
        "convention": task.convention.describe({name for found in scores.values() for name in found}),
        "best": {**checkpoints.best, "epoch": checkpoints.best["epoch"] + 1},
        "epochs": trainer.current_epoch,
        "cost": cost.report(trainer, task),
        "data": data.summary(),
        "versions": environment.versions(),
        "git": run.identity()["git"],
        "seed": cfg.seed,
    }
    write_json(run.summary, summary)
    for item in extra if splits else ():
        if isinstance(item, callbacks.StoredPredictions):
            item.write(run.path, data, splits)
        elif isinstance(item, callbacks.PredictionPanels):
            item.draw(task, data, splits[-1], run.figures / "predictions.png", loggers, trainer.global_step)
    callbacks.draw_weights(data, run.figures / "weights.png")
    return summary


def _further_callbacks(cfg: DictConfig, run: RunDirectory, data: ImageData) -> list[pl.Callback]:
    """Build the configured callbacks, and what the data's augmentation needs."""
    found: list[pl.Callback] = [build(f"callbacks.{name}", cfg) for name in cfg.callbacks]
    if isinstance(data.augmentation, Curriculum):
        found.append(callbacks.CurriculumStages(data.augmentation))
    for item in found:
        if isinstance(item, callbacks.PredictionPanels):
            item.directory = run.path
    return found


def _fit(
    run: RunDirectory, data: ImageData, task: Task[Any], trainer: pl.Trainer, checkpoints: callbacks.RunCheckpoints
) -> None:
    """Train, from the newest checkpoint if there is one.

    Raises:
        InterruptedRun: If a signal asked to stop.
    """
    resume_from = _resume_point(run)
    log.info("%s", data.describe())
    started = time.monotonic()
    trainer.fit(task, datamodule=data, ckpt_path=resume_from)
    if checkpoints.stop_signal:
        # It came after the last checkpoint, where nothing in the training was left to look at it.
        raise InterruptedRun(checkpoints.stop_signal)
    log.info("trained %d epochs in %.0f s", trainer.current_epoch, time.monotonic() - started)


def _evaluate(
    data: ImageData, task: Task[Any], trainer: pl.Trainer, checkpoints: callbacks.RunCheckpoints
) -> list[str]:
    """Score the best weights on all scored splits, into ``task.evaluation``; return the splits in their order."""
    task.load_state_dict(checkpoints.load_best())
    splits = list(data.eval_dataloaders())
    task.evaluation = {split: task.new_table() for split in splits}
    if splits:
        trainer.test(task, datamodule=data, verbose=False)
    else:
        log.info("all labelled images were trained on, so there is nothing to score; predict with src/predict.py")
    return splits


def _resume_point(run: RunDirectory) -> Path | None:
    path, refused = newest_good(run.checkpoints)
    for line in refused:
        log.warning(line)
    if path is not None:
        log.info("going on from %s", path)
    elif refused:
        raise CheckpointError(f"{'; '.join(refused)}; start with rerun=true")
    return path


def _write_scores(run: RunDirectory, task: Task[Any], data: ImageData) -> None:
    groups = {record.id: record.group for record in data.records}
    if isinstance(data, SegmentationData):
        groups |= {volume.id: volume.group for split in data.splits for volume in data.volume_slices(split)}
    tables = task.evaluation or {"none": task.new_table()}
    frames = [table.frame(split, task.class_names, groups) for split, table in tables.items()]
    columns = {column for frame in frames for column in frame}
    write_scores(run.scores, frames, About(data.task, data.background, with_columns(callbacks.DECLARED, columns)))


def _extra_state(cfg: DictConfig, data: ImageData) -> dict[str, Any]:
    return {
        "config": OmegaConf.to_yaml(cfg, resolve=True),
        "in_channels": data.in_channels,
        "mean": [float(value) for value in data.mean],
        "std": [float(value) for value in data.std],
    }
