"""The picture of the images that a classifier misclassified with the highest confidence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from segbench.pictures.mistakes import ACROSS, Mistake, draw_mistakes
from segbench.pictures.panels import input_picture
from segbench.runs.files import atomic_open
from segbench.runs.run_callback import RunContext
from segbench.scores.labels import confident_mistakes
from segbench.tracking import log_picture

log = logging.getLogger("segbench")


def draw_confident_mistakes(context: RunContext, split: str, path: Path, table: Any, rows: int) -> None:
    """Draw the most confident errors of a split and send them to the loggers; without an error there is no picture.

    Args:
        context: The run, evaluated.
        split: Name of the split.
        path: The PNG to write; what lies there is removed.
        table: The split's table (:class:`segbench.tasks.classification.LabelsTable`).
        rows: Of the picture.

    Raises:
        ValueError: If the table is of other images than those of the split.
    """
    prediction, probability = table.probabilities.argmax(axis=1), table.probabilities.max(axis=1)
    chosen = confident_mistakes(table.truth, prediction, probability, rows * ACROSS).tolist()
    path.unlink(missing_ok=True)
    if not chosen:
        log.info("%s: not drawn, as every image is classified correctly", path.name)
        return
    data = context.data
    dataset, names = data.scored(split), data.class_names
    mistakes = []
    for index in chosen:
        item = dataset[index]
        if item["id"] != table.ids[index]:
            raise ValueError(f"the labels are of {table.ids[index]}, the image is {item['id']}")
        image = input_picture(item["image"], data.mean, data.std)
        truth, predicted = names[table.truth[index]], names[prediction[index]]
        mistakes.append(Mistake(image, truth, predicted, float(probability[index])))
    wrong = int((table.truth != prediction).sum())
    which = f"the {len(chosen)} most confident of {wrong}" if wrong > len(chosen) else f"all {wrong}"
    words = f"misclassified, {which} among {len(table.ids)} images ({split} split)"
    figure = draw_mistakes(mistakes, f"{words}; true class → predicted class, probability")
    with atomic_open(path) as stream:
        figure.savefig(stream, format="png")
    log_picture(context.trainer.loggers, path, context.trainer.global_step)
