"""The final evaluation: trained weights on all scored splits, and what the run's files say of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig

from segbench.data.base import ImageData
from segbench.errors import reading_data
from segbench.installation import typed
from segbench.runs.run_callback import RunContext
from segbench.runs.split_scores import About
from segbench.runs.tuning import is_trial
from segbench.scores.columns import with_columns
from segbench.scores.score import empty_rules
from segbench.tasks.base import Task
from segbench.trainer import check_precision, prepare_card, quiet_lightning

log = logging.getLogger("segbench")


def prepare_torch(cfg: DictConfig) -> None:
    """Set threads, card and messages of torch and Lightning, and check the precision."""
    quiet_lightning()
    check_precision(cfg)
    prepare_card(cfg)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)


def read_data(data: ImageData, task: Task[Any]) -> None:
    """Read the data, with weights of pixels where the loss asks for them, and tell the loss of its classes."""
    data.weigh_by(task.loss)
    with reading_data():
        data.setup()
    task.loss.prepare(torch.from_numpy(data.class_pixels))


def evaluate(context: RunContext, cfg: DictConfig) -> RunContext:
    """Score the task's weights on all scored splits, into ``task.evaluation``; return the context with the splits.

    A trial of tuning is scored on none: its best validation score is known, and nobody shall choose by test images.
    """
    task, data = context.task, context.data
    if trial := is_trial(cfg):
        log.info("a trial of tuning, which is judged by %s and scored on no test images", cfg.trainer.monitor)
    splits = () if trial else tuple(data.eval_dataloaders())
    task.begin_evaluation(splits)
    if splits:
        context.trainer.test(task, datamodule=data, verbose=False)
    elif not trial:
        log.info("all labelled images were trained on, so there is nothing to score; predict with %s", typed("predict"))
    return replace(context, splits=splits)


def scores_table(context: RunContext) -> tuple[pd.DataFrame, About]:
    """Return the rows of the scores file, and what they mean."""
    task, data = context.task, context.data
    groups = data.groups()
    tables = task.evaluation or {"none": task.new_table()}
    frames = [table.frame(split, task.class_names, groups) for split, table in tables.items()]
    table = pd.concat(frames, ignore_index=True)
    return table, About(task.name, data.background, with_columns(data.declared_scores(), table))


def final_scores(context: RunContext, about: About, code: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the scores of every split for the summary, how they came about and by which code of one's own."""
    task = context.task
    scores = {split: task.final_scores(table) for split, table in task.evaluation.items()}
    convention = task.convention.describe({name for found in scores.values() for name in found})
    found = {"scores": scores, "convention": "; ".join([convention, *empty_rules(about.scores)])}
    return found | ({"scored_by": code} if code else {})
