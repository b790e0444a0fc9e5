"""Callbacks that take part in a run: told of it before training, and again once its scores are written.

Any Lightning callback may stand among ``callbacks.*`` by its ``_target_``. One that also has ``bind`` or ``finish`` is
called by them, whatever its class; :class:`RunCallback` has both, empty.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytorch_lightning as pl

from segbench.errors import SegbenchError
from segbench.runs.directory import RunDirectory
from segbench.words import first_line

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class RunContext:
    """What a run tells its callbacks.

    Attributes:
        run: The run directory.
        data: The data module, set up (:class:`segbench.data.base.ImageData`).
        task: The task (:class:`segbench.tasks.base.Task`); at the end with the weights that were scored and with the
            tables of every split in ``evaluation``.
        trainer: Lightning's trainer; it has the loggers and the precision.
        splits: The scored splits in their order; none before the final evaluation, or where nothing is left to score.
    """

    run: RunDirectory
    data: Any
    task: Any
    trainer: pl.Trainer
    splits: tuple[str, ...] = ()


class RunCallback(pl.Callback):
    """A Lightning callback that takes part in the run around the training.

    Attributes:
        changes_result: Whether the weights or the scores of a run can depend on it. If not, runs with and without it,
            or with other settings of it, are the same run. A class that does not say it itself, whatever it inherits,
            may change them.
    """

    changes_result: ClassVar[bool] = True

    def bind(self, context: RunContext) -> None:
        """Learn of the run, before training begins or goes on.

        Raises:
            SegbenchError: If the callback cannot do its work in this run.
        """

    def finish(self, context: RunContext) -> None:
        """Do what is left to do once the run's scores and summary are written; the run is not done before."""


def bind(callbacks: Iterable[Any], context: RunContext) -> None:
    """Call ``bind`` of those that have it."""
    for callback in callbacks:
        if hasattr(callback, "bind"):
            callback.bind(context)


def finish(callbacks: Iterable[Any], context: RunContext) -> None:
    """Call ``finish`` of those that have it."""
    for callback in callbacks:
        if hasattr(callback, "finish"):
            callback.finish(context)


@contextmanager
def only_warning(what: object, fate: str = "drawn") -> Iterator[None]:
    """Warn of what fails in the block: a picture is not worth a run. Refusals, of a stop signal say, pass.

    Args:
        what: The file, or what else is not made.
        fate: What would have become of it: ``drawn`` or ``kept``.
    """
    try:
        yield
    except SegbenchError:
        raise
    except Exception as error:
        log.warning("%s: not %s (%s: %s)", what, fate, type(error).__name__, first_line(error))
