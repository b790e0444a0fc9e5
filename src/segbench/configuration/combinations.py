"""Whether the chosen parts of a configuration fit each other, asked before anything is built."""

from __future__ import annotations

from typing import Any

import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from segbench import callbacks
from segbench.augmentation import Curriculum
from segbench.data.base import ImageData
from segbench.data.objects import scored_classes
from segbench.errors import ConfigError
from segbench.losses import CrossEntropy
from segbench.scores.derive import OVERALL_SCORES, SCORES
from segbench.scores.labels import ACCURACY, CLASS_SCORES
from segbench.scores.score import spellings
from segbench.suggest import nearest
from segbench.tasks import ByHandTask, ClassificationTask, SegmentationTask
from segbench.tasks.base import Task
from segbench.tasks.windows import Windows

_TASKS: dict[str, type[Task[Any]]] = {"segmentation": SegmentationTask, "classification": ClassificationTask}


def task_class(cfg: DictConfig, data: ImageData) -> type[Task[Any]]:
    """Return the task that trains a configuration's network on its data."""
    return ByHandTask if _by_hand(cfg) else _TASKS[data.task]


def check_kinds(cfg: DictConfig, data: ImageData) -> None:
    """Refuse a classifier for data with masks, a loss of masks for labels, and the like, before anything is built."""
    network, loss = get_class(cfg.model["_target_"]), get_class(cfg.loss["_target_"])
    kind = getattr(network, "task", "segmentation")
    if kind != data.task:
        fitting = "mnist_cnn" if data.task == "classification" else "unet"
        raise ConfigError(
            f"model: {network.__name__} is for {kind}, data={data.name} for {data.task}; use model={fitting}"
        )
    # Runs from before this key have none in their checkpoints.
    if OmegaConf.select(cfg, "predict.window") is not None and data.task != "segmentation":
        raise ConfigError(f"predict.window: {data.name} has a label an image, predicted whole; leave it out")
    if data.task not in getattr(loss, "tasks", ()):
        raise ConfigError(f"loss: {loss.__name__} is not for {data.task} (data={data.name}); use loss=ce")


def count_outputs(cfg: DictConfig, data: ImageData) -> int:
    """Return K, the channels of the logits."""
    if data.task == "classification":
        if cfg.activation == "sigmoid":
            raise ConfigError(f"activation=sigmoid: {data.name} is for classification; use activation=softmax")
        return data.num_classes
    sigmoid = cfg.activation == "sigmoid" or (cfg.activation == "auto" and data.num_classes == 2)
    if sigmoid and data.num_classes != 2:
        raise ConfigError(f"activation=sigmoid: {data.name} has {data.num_classes} classes; use activation=softmax")
    return 1 if sigmoid else data.num_classes


def prediction_windows(cfg: DictConfig, data: ImageData) -> Windows | None:
    """Return how images are cut for prediction: by ``predict.window``, or as training images are by ``data.tiles``."""
    # Runs from before these keys have none in their checkpoints.
    window = OmegaConf.select(cfg, "predict.window")
    if window is not None:
        return Windows(size=(window[0], window[1]), overlap=cfg.predict.overlap)
    return None if data.tiles == (1, 1) else Windows(tiles=data.tiles)


def check_monitor(cfg: DictConfig, names: list[str]) -> None:
    """Refuse a monitor that does not exist, and what would follow a score where none is monitored."""
    monitor = cfg.trainer.monitor
    if monitor not in names:
        raise ConfigError(f"trainer.monitor={monitor}: no such score{nearest(monitor, names)}")
    if monitor != callbacks.LAST_EPOCH:
        if cfg.data.get("fit_on", "train") != "train":
            raise ConfigError("data.fit_on=train+val: no validation images are left to score; set trainer.monitor=last")
        return
    if cfg.trainer.early_stopping is not None:
        raise ConfigError("trainer.early_stopping: has no score to follow with trainer.monitor=last; set it to null")
    if cfg.scheduler is not None and cfg.scheduler["_target_"].endswith("ReduceLROnPlateau"):
        raise ConfigError("scheduler=plateau: has no score to follow with trainer.monitor=last; choose another")


def check_curriculum(cfg: DictConfig, data: ImageData, names: list[str]) -> None:
    """Refuse a curriculum whose stages wait for a score that does not come.

    Args:
        cfg: The whole configuration.
        data: The data module with its augmentation.
        names: Scores that every validation gives.

    Raises:
        ConfigError: Names the score.
    """
    if not isinstance(data.augmentation, Curriculum):
        return
    if cfg.data.get("fit_on", "train") != "train":
        raise ConfigError("data.fit_on=train+val: stages of a curriculum wait for validation scores; use fit_on=train")
    known = cfg.augmentation.stages
    keys = [str(key) for key in known] if isinstance(known, DictConfig) else [str(i) for i in range(len(known))]
    for key, stage in list(zip(keys, data.augmentation.stages, strict=True))[1:]:
        if stage.monitor not in names:
            like = nearest(str(stage.monitor), names)
            raise ConfigError(f"augmentation.stages.{key}.monitor={stage.monitor}: {data.name} has no such score{like}")


def check_metric(cfg: DictConfig, data: ImageData) -> None:
    """Refuse a comparison, or a claim, by a score that the data does not have: it would be noticed after all training.

    Args:
        cfg: The whole configuration.
        data: The data module; nothing of it is read.

    Raises:
        ConfigError: Names the score, and one like it.
    """
    if cfg.comparison is None:
        return
    objects = scored_classes(data)
    further = [score.name for score in callbacks.DECLARED]
    whole = [*SCORES, *OVERALL_SCORES, *(further if objects else ())]
    scores = whole if data.task == "segmentation" else [ACCURACY.name, *CLASS_SCORES]
    of_all = OVERALL_SCORES if data.task == "segmentation" else (ACCURACY.name,)
    known = list(scores)
    for name in scores:
        labels = () if name in of_all else objects if name in further else data.class_names
        known += [form for label in labels for form in spellings(name, label)]
    claims = enumerate(cfg.comparison.get("claims") or ())
    asked = {"": cfg.comparison.metric} | {f"claims[{place}].": claim.get("metric") for place, claim in claims}
    for place, metric in asked.items():
        if metric is not None and metric not in known:
            raise ConfigError(
                f"comparison.{place}metric={metric}: no such score of {data.name}"
                f"{nearest(metric, known)}; there are {', '.join(scores)}, <score>_<class>"
            )


def check_by_hand(cfg: DictConfig) -> None:
    """Refuse what a network that computes its own gradients cannot do; other networks are not asked.

    Args:
        cfg: The whole configuration.

    Raises:
        ConfigError: Names the key and what to set.
    """
    if not _by_hand(cfg):
        return
    name, trainer = get_class(cfg.model["_target_"]).__name__, cfg.trainer
    if get_class(cfg.loss["_target_"]) is not CrossEntropy:
        raise ConfigError(f"loss: {name} computes the gradients of the cross entropy only; use loss=ce")
    plain = "use optimizer=sgd_plain"
    if get_class(cfg.optimizer["_target_"]) is not torch.optim.SGD:
        raise ConfigError(f"optimizer: {name} is trained by plain SGD only; {plain}")
    for key, value in cfg.optimizer.items():
        if key not in ("_target_", "lr") and value:
            raise ConfigError(f"optimizer.{key}={value}: {name} is trained by plain SGD only; {plain}")
    needed = {"precision": 32, "compile": False, "accumulate_grad_batches": 1, "gradient_clip_val": None}
    for key, value in needed.items():
        if trainer[key] != value:
            mend = f"use trainer.{key}={'null' if value is None else str(value).lower()}"
            raise ConfigError(f"trainer.{key}={trainer[key]}: {name} computes by itself, without it; {mend}")
    device = torch.cuda.is_available() or torch.backends.mps.is_available()
    if trainer.accelerator != "cpu" and not (trainer.accelerator == "auto" and not device):
        raise ConfigError(
            f"trainer.accelerator={trainer.accelerator}: {name} computes on the processor; use trainer.accelerator=cpu"
        )


def _by_hand(cfg: DictConfig) -> bool:
    return hasattr(get_class(cfg.model["_target_"]), "loss_and_gradients")
