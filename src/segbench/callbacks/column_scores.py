"""Further scores of the final evaluation: what the data brings (objects) and what is configured (``scores``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.errors import ConfigError
from segbench.scores.columns import Region, ScoreColumns

Columns = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Filled:
    """A score, what refusals call it, the classes that it scores and the columns that it declares."""

    made: ScoreColumns
    key: str
    classes: frozenset[int]
    columns: frozenset[str]

    def fault(self, terms: Mapping[str, Any]) -> str:
        """Return what is wrong with the terms of one class of an image; empty if nothing is."""
        if lacking := sorted(self.columns - set(terms)):
            return f"lacks the column {lacking[0]}"
        if further := sorted(map(str, set(terms) - self.columns)):
            return f"has a column {further[0]}, which it does not declare"
        for column, value in terms.items():
            if not isinstance(value, Real) or not 0 <= float(value) < math.inf:
                return f"has {column}={value}, which is not a finite number of 0 or more".replace("\n", " ")
        return ""


class ColumnScorer:
    """Fills the columns of scores (:mod:`segbench.scores.columns`), image by image and volume by volume.

    Args:
        data: The data module; it tells what each score applies to.
        scores: The scores.
    """

    def __init__(self, data: Any, scores: Sequence[ScoreColumns]) -> None:
        self.data = data
        index = {name: place for place, name in enumerate(data.class_names)}
        keys = {id(score): f"scores.{key}" for key, score in data.scores.items()}
        self.scores = [
            _Filled(
                score,
                keys.get(id(score), type(score).__name__),
                frozenset(index[name] for name in score.scored_classes(data)),
                frozenset(column for made in score.declare(data.unit) for column in made.columns),
            )
            for score in scores
        ]

    def columns(
        self,
        name: str,
        mask: NDArray[Any],
        prediction: NDArray[Any],
        spacing: Sequence[float],
        drawn: NDArray[np.integer[Any]] | None = None,
        objects: bool = True,
    ) -> Columns:
        """Return the columns of one image or volume: name to values (1,C), NaN for classes that are not scored.

        Args:
            name: Its id.
            mask: As the data's key reads it, uint8 (H,W) or (D,H,W); the data's label to ignore is in no class.
            prediction: The same, of the same shape.
            spacing: Size of a pixel along each axis.
            drawn: Which object each pixel belongs to, where the annotators drew them.
            objects: Whether the objects are known; if not, as on another grid than they were drawn on, scores of them
                are left out.

        Raises:
            ConfigError: If a score does not return exactly what it declares, finite and 0 or more.
        """
        known, found = mask != self.data.ignore_index, dict[str, NDArray[np.float64]]()
        fitting = [
            score
            for score in self.scores
            if mask.ndim in score.made.dimensions and (objects or not getattr(score.made, "of_objects", False))
        ]
        for index in sorted({index for score in fitting for index in score.classes}):
            instances = None if drawn is None else self.data.class_instances(drawn, mask, index)
            truth, found_there = (self.data.mask_key.inside(part, index) for part in (mask, prediction))
            region = Region(truth, found_there & known, known, tuple(spacing), instances)
            for score in [score for score in fitting if index in score.classes]:
                terms = score.made.terms(region)
                if fault := score.fault(terms):
                    label = self.data.class_names[index]
                    raise ConfigError(f"{score.key}: class {label} of image {name}: its terms() {fault}")
                for column, value in terms.items():
                    found.setdefault(column, np.full((1, len(self.data.class_names)), np.nan))[0, index] = value
        return found


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
        if not self.scorer.scores or not batch["id"]:
            return
        task: Any = pl_module
        data = self.data
        masks, predictions = (task.stored_masks(labels).cpu().numpy() for labels in (batch["mask"], outputs))
        found = [
            self.scorer.columns(name, mask, prediction, data.pixel_spacing(self._records[name]), self._drawn(name))
            for name, mask, prediction in zip(batch["id"], masks, predictions, strict=True)
        ]
        table = list(task.evaluation.values())[dataloader_idx]
        table.add_columns({name: np.concatenate([image[name] for image in found]) for name in found[0]})

    @cached_property
    def _records(self) -> dict[str, Any]:
        return {record.id: record for record in self.data.records}

    def _drawn(self, name: str) -> NDArray[np.integer[Any]] | None:
        drawn: NDArray[np.integer[Any]] | None = self.data.instances(self._records[name])
        return drawn
