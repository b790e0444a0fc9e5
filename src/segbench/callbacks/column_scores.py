"""Further scores of the final evaluation: what the data brings (objects) and what is configured (``scores``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.scores.columns import Region, ScoreColumns

Columns = Mapping[str, NDArray[np.float64]]


class ColumnScorer:
    """Fills the columns of scores (:mod:`segbench.scores.columns`), image by image and volume by volume.

    Args:
        data: The data module; it tells what each score applies to.
        scores: The scores.
    """

    def __init__(self, data: Any, scores: Sequence[ScoreColumns]) -> None:
        self.data = data
        index = {name: place for place, name in enumerate(data.class_names)}
        self.scores = [(score, {index[name] for name in score.scored_classes(data)}) for score in scores]

    def columns(
        self,
        mask: NDArray[Any],
        prediction: NDArray[Any],
        spacing: Sequence[float],
        drawn: NDArray[np.integer[Any]] | None = None,
    ) -> Columns:
        """Return the columns of one image or volume: name to values (1,C), NaN for classes that are not scored.

        Args:
            mask: As the data's key reads it, uint8 (H,W) or (D,H,W); the data's label to ignore is in no class.
            prediction: The same, of the same shape.
            spacing: Size of a pixel along each axis.
            drawn: Which object each pixel belongs to, where the annotators drew them.
        """
        known, found = mask != self.data.ignore_index, dict[str, NDArray[np.float64]]()
        fitting = [(score, classes) for score, classes in self.scores if mask.ndim in score.dimensions]
        for index in sorted({index for _, classes in fitting for index in classes}):
            objects = None if drawn is None else self.data.class_instances(drawn, mask, index)
            truth, found_there = (self.data.mask_key.inside(part, index) for part in (mask, prediction))
            region = Region(truth, found_there & known, known, tuple(spacing), objects)
            for score in [score for score, classes in fitting if index in classes]:
                for name, value in _terms(score, region, self.data.unit).items():
                    found.setdefault(name, np.full((1, len(self.data.class_names)), np.nan))[0, index] = value
        return found


def _terms(score: ScoreColumns, region: Region, unit: str) -> Mapping[str, float]:
    """Return the columns that a score fills.

    Raises:
        ConfigError: If they are not those that it declares, or hold what no score can be made of.
    """
    terms, name = score.terms(region), type(score).__name__
    declared = {column for made in score.declare(unit) for column in made.columns}
    if set(terms) != declared:
        raise ConfigError(f"scores: {name} fills {', '.join(sorted(terms))} but declares {', '.join(sorted(declared))}")
    for column, value in terms.items():
        if not 0 <= value < np.inf:
            raise ConfigError(f"scores: {name} fills {column} with {value}; it must be finite, 0 or more")
    return terms


class ColumnScores(pl.Callback):
    """Adds the columns of all scores to the images of the final evaluation; does nothing where there are none.

    Not in every validation: they cost more than counts of pixels do, and nothing is chosen by them.

    Args:
        data: The data module, set up.
        scorer: What fills the columns.
    """

    def __init__(self, data: Any, scorer: ColumnScorer) -> None:
        self.data, self.scorer = data, scorer

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the columns of a batch to the split that it is of."""
        if not self.scorer.scores:
            return
        task: Any = pl_module
        data = self.data
        records = {record.id: record for record in data.records}
        masks, predictions = (task.stored_masks(labels).cpu().numpy() for labels in (batch["mask"], outputs))
        found = [
            self.scorer.columns(mask, prediction, data.pixel_spacing(records[name]), data.instances(records[name]))
            for name, mask, prediction in zip(batch["id"], masks, predictions, strict=True)
        ]
        table = list(task.evaluation.values())[dataloader_idx]
        table.add_columns({name: np.concatenate([image[name] for image in found]) for name in found[0]})
