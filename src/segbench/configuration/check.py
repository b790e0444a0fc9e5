"""May this run? Whether the chosen parts fit each other, asked of the parts before any data is read.

Before it, :func:`segbench.configuration.schema.validate` has asked of every key by itself whether it is known and of
its type, and the constructor of each part whether its own values make sense (:mod:`segbench.configuration.build` says
what they refuse). What is known only once the data is read, each part refuses when it sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from segbench.configuration.monitor import check_monitor
from segbench.configuration.processes import check_processes
from segbench.configuration.scores import check_scores, how_to_add
from segbench.errors import ConfigError
from segbench.scores.score import spellings
from segbench.scores.training import EPOCHS_TO_95, SHOWN_BY_TRAINING, TRAIN_GAP
from segbench.suggest import nearest
from segbench.targets import find_class


def check_parts(cfg: DictConfig, data: Any, task: Any, loss: Any) -> None:
    """Refuse a configuration whose parts do not fit each other.

    Args:
        cfg: The whole configuration, valid by its schema.
        data: The data module; nothing of it is read.
        task: The class of the task (:class:`segbench.tasks.kind.TaskKind`).
        loss: The loss.

    Raises:
        ConfigError: One line that names the key and what to set.
    """
    task.check(cfg, data)
    check_scores(data)
    keys = {f"callbacks.{name}": component["_target_"] for name, component in cfg.callbacks.items()}
    callbacks = {key: find_class(key, target) for key, target in keys.items()}
    check_processes(cfg, {"data": data, "data (its task)": task, "loss": loss} | callbacks)
    if cfg.comparison is not None:
        check_comparison(cfg.comparison, data.name, task.scores(data), data.score_train, data.validates)
    try:
        loss.check(task.count_joint_outputs(cfg.activation, data))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    validated = task.metric_names(data.class_names, data.background)
    check_monitor(cfg, validated, data.validates)
    data.augmentation.check(validated if data.validates else (), data.name)


def check_comparison(
    comparison: Any,
    data: str,
    scores: Mapping[str, Sequence[str]],
    score_train: bool = False,
    validates: bool = True,
) -> None:
    """Refuse a comparison, or a claim, by a score that the data does not have: it would be noticed after all training.

    Args:
        comparison: ``comparison`` of the configuration.
        data: Name of the data set.
        scores: Every score of the final evaluation, with the classes that have one of their own.
        score_train: Whether it scores the training images too.
        validates: Whether it has images to validate on.

    Raises:
        ConfigError: Names the score, and one like it.
    """
    known = list(scores)
    known += [form for name, labels in scores.items() for label in labels for form in spellings(name, label)]
    claims = enumerate(comparison.get("claims") or ())
    asked = {"": comparison.metric} | {f"claims[{place}].": claim.get("metric") for place, claim in claims}
    for place, metric in asked.items():
        if place and metric == TRAIN_GAP and not score_train:
            raise ConfigError(f"comparison.{place}metric={metric}: needs data.score_train=true")
        if place and metric == EPOCHS_TO_95 and not validates:
            raise ConfigError(f"comparison.{place}metric={metric}: needs validation images (data.fit_on=train)")
        if metric is not None and metric not in known and not (place and metric in SHOWN_BY_TRAINING):
            mend = how_to_add(metric, scores)
            mend = mend or f"{nearest(metric, known)}; there are {', '.join(scores)}, <score>_<class>"
            raise ConfigError(f"comparison.{place}metric={metric}: no such score of {data}{mend}")
