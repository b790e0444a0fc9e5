"""What a run does with its loggers, whatever they are.

Any logger of Lightning's may stand among ``logger.*``. Those of segbench have further methods (:class:`Dashboard`),
which are called where a logger has them.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self
from weakref import WeakSet

import pandas as pd
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from segbench.configuration.build import build
from segbench.errors import SegbenchError
from segbench.masks import MaskKey
from segbench.runs.files import read_json, write_json
from segbench.targets import find_object
from segbench.tracking.about import About, best_epoch, describe
from segbench.words import first_line, visible

log = logging.getLogger("segbench")
# Of a row of metrics.csv: the step is that of the curves, and seconds are no score.
_NO_CURVES = ("step", "seconds")
# Loggers that have failed while a run went on.
_lost: WeakSet[Logger] = WeakSet()


class Dashboard(Protocol):
    """What a logger may have beside Lightning's methods."""

    @classmethod
    def opened(cls, build: Callable[..., Self], options: DictConfig, about: About) -> Self | None:
        """Make the logger, by further arguments of its class; None for none."""

    def begin(self, about: About) -> None:
        """Take in what the run is; instead of ``log_hyperparams``."""

    def missing(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return those epochs before a stop that it has not kept."""

    def log_epoch(self, values: dict[str, float], best: Any, step: int) -> None:
        """Take in an epoch's curves and the best epoch so far; instead of ``log_metrics``."""

    def log_masks(self, panel: dict[str, Any], key: MaskKey, step: int) -> None:
        """Show images with their masks."""

    def log_picture(self, path: Path, step: int) -> None:
        """Show a drawn picture."""

    def log_comparison(
        self, number: int, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
    ) -> None:
        """Show an experiment's comparison, the number of those before it in this place."""

    def close(self, summary: Mapping[str, Any] | None) -> None:
        """Take in the run's summary, None if it failed, and end; instead of ``finalize``."""


def build_loggers(cfg: DictConfig, directory: Path, identity: dict[str, Any], headline: str) -> list[Logger]:
    """Build the loggers of ``cfg.logger`` inside the run directory.

    Args:
        cfg: The whole configuration.
        directory: The run directory.
        identity: The run's ``run.json``; its ``wandb_id`` lets a resumed run continue the same run there.
        headline: The score that is shown while training, ``val/dice``; empty for what is no training.

    Raises:
        SegbenchError: If a logger rejects its configuration; the others are closed then.
    """
    threading.excepthook = _thread_failed
    loggers: list[Logger] = []
    about = describe(cfg, directory, identity, headline)
    try:
        for name, options in cfg.logger.items():
            make = partial(build, f"logger.{name}", cfg)
            opened = getattr(find_object(f"logger.{name}", options["_target_"]), "opened", None)
            logger = opened(make, options, about) if opened else make(save_dir=str(directory))
            if logger is None:
                continue
            loggers.append(logger)
            # Begins to write; what fails in log_hyperparams loses its reason.
            getattr(logger, "experiment", None)
            _call(logger, "begin", partial(logger.log_hyperparams, about.configuration), about)
    except BaseException:
        finish(loggers, None)
        raise
    return loggers


def _call(logger: Logger, name: str, instead: Callable[[], object], *arguments: Any) -> None:
    """Call a method that only dashboards have; of other loggers, what they have instead."""
    if (method := getattr(logger, name, None)) is not None:
        method(*arguments)
    else:
        instead()


def _told(loggers: Sequence[Logger]) -> list[Logger]:
    """Return the loggers that are not lost: each call of a server that is gone may wait for minutes."""
    return [logger for logger in loggers if logger not in _lost]


@contextmanager
def _only_lost(logger: Logger) -> Iterator[None]:
    """Warn of a logger that fails in the block, and tell it nothing more: the run directory is the record."""
    try:
        yield
    except SegbenchError:
        raise
    except Exception as error:
        _lost.add(logger)
        name, line = type(logger).__name__, first_line(error)
        log.warning("%s: is told nothing more: %s; the run directory has everything", name, line)


def _nothing() -> None:
    """Do nothing: a logger that cannot show something goes without."""


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Say in one line that a logger's own thread stopped at the disk; a bug of ours keeps its traceback."""
    error = failure.exc_value
    if isinstance(error, OSError):
        log.warning("a logger has stopped writing (%s); the run directory has everything", error.strerror or error)
    else:
        threading.__excepthook__(failure)


def new_wandb_id() -> str:
    """Return an id for a new run in W&B and its like; ``run.json`` stores it before training starts."""
    return uuid.uuid4().hex[:12]


def log_epoch(loggers: Sequence[Logger], rows: Sequence[Mapping[str, Any]], monitor: str, headline: str) -> None:
    """Send the last of the epochs to every logger.

    Args:
        loggers: The loggers.
        rows: All rows of ``metrics.csv`` so far.
        monitor: ``trainer.monitor``.
        headline: The score that is shown while training.
    """
    if not loggers:
        return
    values = {visible(name): value for name, value in rows[-1].items() if name not in _NO_CURVES}
    best, step = best_epoch(rows, monitor, headline), rows[-1]["step"]
    for logger in _told(loggers):
        with _only_lost(logger):
            _call(logger, "log_epoch", partial(logger.log_metrics, values, step=step), values, best, step)


def log_step(loggers: Sequence[Logger], loss: float, step: int) -> None:
    """Send the training loss of a step to every logger."""
    for logger in _told(loggers):
        with _only_lost(logger):
            logger.log_metrics({"train/loss_step": loss}, step=step)


def catch_up(loggers: Sequence[Logger], rows: Sequence[Mapping[str, Any]], monitor: str, headline: str) -> None:
    """Send epochs that were trained before a stop to those loggers that have lost them.

    Args:
        loggers: The loggers.
        rows: The rows of ``metrics.csv``.
        monitor: ``trainer.monitor``.
        headline: The score that is shown while training.
    """
    for logger in loggers:
        missing: Sequence[Mapping[str, Any]] | None = ()
        with _only_lost(logger):
            # A logger of Lightning's that logs nothing has every method, and returns None.
            missing = logger.missing(rows) if hasattr(logger, "missing") else ()
        for row in missing or ():
            log_epoch([logger], rows[: rows.index(row) + 1], monitor, headline)


def log_panels(loggers: Sequence[Logger], panel: dict[str, Any], key: MaskKey, step: int) -> None:
    """Send images with their masks to every logger that can show them.

    Args:
        loggers: The loggers.
        panel: ``id`` list, ``image`` float (N,H,W,C) in [0,1], ``truth`` and ``prediction`` int (N,H,W).
        key: How to read their masks.
        step: The step they belong to.
    """
    for logger in _told(loggers):
        with _only_lost(logger):
            _call(logger, "log_masks", _nothing, panel, key, step)


def log_picture(loggers: Sequence[Logger], path: Path, step: int) -> None:
    """Send a drawn picture to every logger that can show it.

    Args:
        loggers: The loggers.
        path: The PNG.
        step: The step it belongs to.
    """
    for logger in _told(loggers):
        with _only_lost(logger):
            _call(logger, "log_picture", _nothing, path, step)


def log_comparison(
    cfg: DictConfig, folder: Path, title: str, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
) -> None:
    """Log an experiment's comparison as its own run in the experiment's group.

    A later comparison of the experiment continues the same run.

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
    number = int(known.get("comparisons", 0))
    write_json(folder / "mirror.json", known | {"comparisons": number + 1})
    loggers = build_loggers(cfg, folder, known | {"name": f"{title} (comparison)", "experiment": title}, headline="")
    try:
        for logger in loggers:
            _call(logger, "log_comparison", _nothing, number, answer, table, figures)
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
            _call(logger, "close", partial(logger.finalize, "failed" if summary is None else "success"), summary)
        except Exception as error:
            name = type(logger).__name__
            log.warning("%s: cannot close it: %s; the run directory has everything", name, first_line(error))
