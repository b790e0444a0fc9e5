"""TensorBoard and Weights & Biases: copies of the run directory's record, never the record itself."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger

from segbench.configuration.build import build
from segbench.configuration.recorded import recorded, recorded_overrides
from segbench.errors import ConfigError
from segbench.installation import require
from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.runs.files import read_json, write_json
from segbench.words import first_line, visible

log = logging.getLogger("segbench")


def build_loggers(cfg: DictConfig, directory: Path, identity: dict[str, Any]) -> list[Logger]:
    """Build the loggers of ``cfg.logger`` inside the run directory.

    Args:
        cfg: The whole configuration.
        directory: The run directory.
        identity: The run's ``run.json``; its ``wandb_id`` lets a resumed run continue the same W&B run.

    Raises:
        SegbenchError: If a logger rejects its configuration; the others are closed then.
    """
    threading.excepthook = _thread_failed
    loggers: list[Logger] = []
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "logger"])
    plain = recorded(kept)
    try:
        for name in cfg.logger:
            if name != "wandb":
                loggers.append(build(f"logger.{name}", cfg, save_dir=str(directory)))
            elif os.environ.get("WANDB_MODE") == "disabled":
                log.info("W&B: WANDB_MODE=disabled, so nothing is logged to it")
            else:
                loggers.append(_build_wandb(cfg, directory, identity))
        for logger in loggers:
            # Begins to write; what fails in log_hyperparams loses its reason.
            getattr(logger, "experiment", None)
            logger.log_hyperparams(plain)
    except BaseException:
        finish(loggers, None)
        raise
    return loggers


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Say in one line that a logger's own thread stopped at the disk; a bug of ours keeps its traceback."""
    error = failure.exc_value
    if isinstance(error, OSError):
        log.warning("a logger has stopped writing (%s); the run directory has everything", error.strerror or error)
    else:
        threading.__excepthook__(failure)


def new_wandb_id() -> str:
    """Return an id for a new W&B run; ``run.json`` stores it before training starts."""
    return uuid.uuid4().hex[:12]


def _build_wandb(cfg: DictConfig, directory: Path, identity: dict[str, Any]) -> Logger:
    """Build the W&B logger and start its run, offline if W&B cannot be reached."""
    wandb = require("wandb", "wandb", "logger=wandb")
    obstacle = _wandb_obstacle()
    if obstacle is None:
        logger: Logger = build("logger.wandb", cfg, **_wandb_options(directory, identity, offline=False))
        try:
            _ = logger.experiment  # type: ignore[attr-defined]  # starts the run
            return logger
        except Exception as error:
            # Any error: the run directory is the record, and a logger failure must not fail the run.
            obstacle = first_line(error)
            wandb.teardown()  # else the id counts as in use
    log.info("W&B: %s, so this run is logged offline to %s (wandb sync uploads it)", obstacle, directory / "wandb")
    logger = build("logger.wandb", cfg, **_wandb_options(directory, identity, offline=True))
    mode = os.environ.get("WANDB_MODE")
    try:
        _ = logger.experiment  # type: ignore[attr-defined]  # W&B's loggers have it, Logger does not declare it
    except wandb.errors.Error as error:
        raise ConfigError(f"logger.wandb: {first_line(error)}") from error
    finally:
        # Lightning sets it for the whole process, but the next run in it may be online.
        os.environ.pop("WANDB_MODE", None)
        if mode is not None:
            os.environ["WANDB_MODE"] = mode
    return logger


def _wandb_options(directory: Path, identity: dict[str, Any], offline: bool) -> dict[str, Any]:
    return {
        "save_dir": str(directory),
        "name": identity["name"],
        "id": identity["wandb_id"],
        "group": identity["experiment"],
        "resume": "allow",
        "offline": offline,
        # Lightning's offline flag alone comes too late: W&B has read its mode by then.
        "mode": "offline" if offline else "online",
    } | _without_arguments()


def _without_arguments() -> dict[str, Any]:
    """Return what keeps W&B from recording the command line, where something on it must not be passed on."""
    import wandb

    secret = recorded_overrides(sys.argv) != sys.argv
    return {"settings": wandb.Settings(x_disable_meta=True)} if secret else {}


def _wandb_obstacle() -> str | None:
    """Return why W&B cannot be reached, or None if it can."""
    os.environ.setdefault("WANDB_SILENT", "true")
    if (mode := os.environ.get("WANDB_MODE")) in ("offline", "dryrun"):
        return f"WANDB_MODE={mode}"
    import wandb

    try:
        return None if wandb.login(prompt=False) else "not logged in (wandb login)"
    except (wandb.errors.Error, OSError) as error:
        return first_line(error)


def log_panels(loggers: Sequence[Logger], panel: dict[str, Any], key: MaskKey, step: int) -> None:
    """Send images with their masks to every logger that can show them.

    Args:
        loggers: The loggers.
        panel: ``id`` list, ``image`` float (N,H,W,C) in [0,1], ``truth`` and ``prediction`` int (N,H,W).
        key: How to read their masks.
        step: The step they belong to.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.log({"predictions": _wandb_images(panel, key)})
        elif isinstance(logger, TensorBoardLogger):
            scale = max(key.form.largest(len(key.names)), 1)
            for name in ("image", "truth", "prediction"):
                stack = panel[name] if name == "image" else np.minimum(panel[name][..., None] / scale, 1.0)
                logger.experiment.add_images(f"predictions/{name}", stack, step, dataformats="NHWC")


def log_picture(loggers: Sequence[Logger], path: Path, step: int) -> None:
    """Send a drawn picture to every logger that can show it.

    Args:
        loggers: The loggers.
        path: The PNG.
        step: The step it belongs to.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            logger.experiment.log({"predictions": wandb.Image(str(path))})
        elif isinstance(logger, TensorBoardLogger):
            with Image.open(path) as picture:
                logger.experiment.add_image("predictions", np.asarray(picture.convert("RGB")), step, dataformats="HWC")


def _wandb_images(panel: dict[str, Any], key: MaskKey) -> list[Any]:
    import wandb

    images = []
    for i, name in enumerate(panel["id"]):
        masks = {
            kind if layer.index is None else visible(f"{kind} {key.names[layer.index]}"): {
                "mask_data": layer.mask,
                "class_labels": {i: visible(name) for i, name in layer.names.items()} | {IGNORE_INDEX: "ignored"},
            }
            for kind in ("truth", "prediction")
            for layer in key.layers(panel[kind][i].astype(np.uint8))
        }
        pixels = (panel["image"][i] * 255).round().astype(np.uint8)
        images.append(wandb.Image(pixels.squeeze(), masks=masks, caption=visible(name)))
    return images


def log_comparison(
    cfg: DictConfig, folder: Path, title: str, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
) -> None:
    """Log an experiment's comparison as its own run in the experiment's group.

    A later comparison of the experiment continues the same run. W&B shows the latest table, figures and answer and
    keeps earlier ones in its history; TensorBoard keeps all, each as one step (0, 1, ...), and shows the last.

    Args:
        cfg: The configuration of the sweep; its loggers are used.
        folder: Folder for the loggers' files.
        title: The experiment's name.
        answer: The answer in words.
        table: The comparison as a table of text and numbers.
        figures: Title and PNG file of each figure.

    Raises:
        SegbenchError: If a logger rejects its configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = read_json(folder / "mirror.json") or {"wandb_id": new_wandb_id()}
    step = int(known.get("comparisons", 0))
    write_json(folder / "mirror.json", known | {"comparisons": step + 1})
    loggers = build_loggers(cfg, folder, known | {"name": f"{title} (comparison)", "experiment": title})
    try:
        pictures = {name: np.asarray(Image.open(path).convert("RGB")) for name, path in figures}
        for logger in loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("comparison/answer", answer, step)
                logger.experiment.add_text("comparison/table", table.to_html(index=False), step)
                for name, picture in pictures.items():
                    logger.experiment.add_image(f"comparison/{name}", picture, step, dataformats="HWC")
            elif isinstance(logger, WandbLogger):
                import wandb

                shown = {f"comparison/{name}": wandb.Image(picture) for name, picture in pictures.items()}
                logger.experiment.log({"comparison/table": wandb.Table(dataframe=table), **shown})
                logger.experiment.summary["answer"] = answer
    finally:
        finish(loggers, {})


def finish(loggers: Sequence[Logger], summary: dict[str, Any] | None) -> None:
    """Write the summary and close the loggers, so that the next run of this process is not merged into this one.

    Failing to close one is only a warning: the run directory is the record, and a logger failure must not fail the run.

    Args:
        loggers: The loggers.
        summary: The run's ``summary.json``, or None for a run that failed.
    """
    for logger in loggers:
        try:
            _finish(logger, summary)
        except Exception as error:
            name = type(logger).__name__
            log.warning("%s: cannot close it: %s; the run directory has everything", name, first_line(error))


def _finish(logger: Logger, summary: dict[str, Any] | None) -> None:
    if isinstance(logger, WandbLogger):
        run = logger.experiment
        if summary is not None:
            run.summary.update({key: summary[key] for key in ("scores", "cost", "best") if key in summary})
        run.finish(exit_code=0 if summary is not None else 1)
    elif summary is not None and isinstance(logger, TensorBoardLogger):
        for split, scores in summary.get("scores", {}).items():
            logger.log_metrics({visible(f"final/{split}_{name}"): value for name, value in scores.items()})
    logger.finalize("success" if summary is not None else "failed")
