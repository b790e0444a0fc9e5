"""Images of a scored split with truth and prediction, spread over it or chosen by rank, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segbench.import_hooks import compiler_is_loaded
from segbench.pictures.panels import draw_panels, input_picture
from segbench.runs.run_callback import RunContext
from segbench.tasks.inference import predict_probabilities
from segbench.tracking import log_panels


def predict_examples(context: RunContext, split: str, chosen: Sequence[int]) -> dict[str, list[Any]]:
    """Predict images of a split with the task's present weights, one after the other, as they may differ in size.

    Args:
        context: The run.
        split: Name of the split.
        chosen: N positions in it.

    Returns:
        N of each: ``id``, ``image`` float (H,W,C) in [0, 1], ``truth`` and ``prediction`` uint8 (H,W), masks as the
        data's key reads them.
    """
    task, data, precision = context.task, context.data, context.trainer.precision
    dataset = data.scored(split)
    panel: dict[str, list[Any]] = {name: [] for name in ("id", "image", "truth", "prediction")}
    was_training = task.training
    task.eval()
    # A few pictures are not worth compiling the network again for their size, or for the CPU that Lightning
    # leaves it on after a test.
    with torch.compiler.set_stance("force_eager") if compiler_is_loaded() else nullcontext():
        for item in (dataset[index] for index in chosen):
            labels = task.predict_labels(predict_probabilities(task, item["image"][None], precision))
            panel["id"].append(item["id"])
            panel["image"].append(input_picture(item["image"], data.mean, data.std))
            panel["truth"].append(task.stored_masks(item["mask"][None])[0].numpy())
            panel["prediction"].append(task.stored_masks(labels)[0].numpy())
    task.train(was_training)
    return panel


def draw_ranked(
    context: RunContext, split: str, path: Path, ids: Sequence[str], scores: np.ndarray, images: int
) -> None:
    """Draw images of a split by rank, from the best to the worst, and send them to the loggers.

    Args:
        context: The run, evaluated.
        split: Name of the split.
        path: The PNG to write.
        ids: Ids of the N scored images, in the order of the split.
        scores: Their Dice (N,); an image with NaN is drawn only where too few others are there.
        images: How many to draw.

    Raises:
        ValueError: If the scores are of other images than those of the split.
    """
    data = context.data
    chosen = ranked(scores, images)
    panel = predict_examples(context, split, [index for index, _ in chosen])
    scored = [ids[index] for index, _ in chosen]
    if scored != panel["id"]:
        raise ValueError(f"the counts are of {', '.join(scored)}, the images {', '.join(panel['id'])}")
    titles = [_title(rank, ids[index], float(scores[index])) for index, rank in chosen]
    pictures = (panel["image"], panel["truth"], panel["prediction"])
    draw_panels(*pictures, data.mask_key, path, titles)
    log_examples(context, panel)


def log_examples(context: RunContext, panel: dict[str, list[Any]]) -> None:
    """Send images as :func:`predict_examples` returns them to the loggers, which take images of one size.

    Smaller ones are filled up with 0.
    """
    size = np.max([truth.shape for truth in panel["truth"]], axis=0)

    def stack(images: list[Any]) -> np.ndarray:
        gaps = [[(0, gap) for gap in size - image.shape[:2]] + [(0, 0)] * (image.ndim - 2) for image in images]
        return np.stack([np.pad(image, gap) for image, gap in zip(images, gaps, strict=True)])

    stacked = panel | {name: stack(panel[name]) for name in ("image", "truth", "prediction")}
    log_panels(context.trainer.loggers, stacked, context.data.mask_key, context.trainer.global_step)


def ranked(scores: np.ndarray, images: int) -> list[tuple[int, str]]:
    """Choose images whose ranks are spread evenly from the best to the worst.

    Args:
        scores: The N images' scores; NaN where there is none.
        images: How many to choose, at least 1.

    Returns:
        Index and rank in words (``best``, ``median``, ``rank 7 of 20``, ``worst``; empty without a score), the best
        first; images without a score come last, and only where fewer than ``images`` have one.
    """
    missing = np.isnan(scores)
    # Stable, so that equal images keep their order in the data set and a picture made again is the same.
    order = np.argsort(-scores[~missing], kind="stable")
    with_score, without = np.flatnonzero(~missing)[order], np.flatnonzero(missing)
    count = len(with_score)
    chosen = [(int(with_score[rank]), _rank(rank, count)) for rank in spread(count, min(images, count))]
    rest = min(images - len(chosen), len(without))
    return chosen + [(int(without[place]), "") for place in spread(len(without), rest)]


def spread(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` of the numbers below ``count``, evenly from the first to the last; one alone is the middle."""
    if wanted == 1:
        return [_middle(count)]
    # Half up, as in _middle: numpy's rounding to even would move the middle of three by the parity of the count.
    return [int(place + 0.5) for place in np.linspace(0, count - 1, wanted)]


def _middle(count: int) -> int:
    return count // 2


def _rank(rank: int, count: int) -> str:
    """Return a rank (0 is the best of ``count``) in words; an only image needs none."""
    if count == 1:
        return ""
    ends = {0: "best", count - 1: "worst"}
    return ends.get(rank) or ("median" if rank == _middle(count) else f"rank {rank + 1} of {count}")


def _title(rank: str, image: str, dice: float) -> str:
    score = f"Dice {dice:.3f}" if np.isfinite(dice) else "no foreground"
    return "   ".join(part for part in (rank, image, score) if part)
