"""Object scores of the final evaluation, for data whose foreground is made of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray

from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES, components, object_terms
from segbench.scores.seg import SEG, SEG_COLUMNS, seg_terms

# In the order of the terms of a class.
COLUMNS = (*OBJECT_COLUMNS, *SEG_COLUMNS)
# What follows from them.
DECLARED = (*OBJECT_SCORES, SEG)


class ObjectScores(pl.Callback):
    """Adds the columns of object scores to the images of the final evaluation; of data that has objects.

    Scored are the data's :attr:`segbench.data.objects.ObjectData.object_classes`; of the others, as of the background,
    the columns are NaN, and means leave them out.

    Truth objects are the data set's instances, or else connected components; predicted ones are connected components of
    the predicted class. Instances are whole, as they were drawn, also where the mask has another class in their place,
    as a boundary between cells that touch: what is scored is how well the objects were found, not how well a class that
    was made of them. (Of data with several classes of objects an instance has the pixels of the class alone.) What is
    labelled to be ignored belongs to no object. Not in every validation: they cost more
    than counts of pixels do, and nothing is chosen by them.

    Args:
        data: The data module, whose foreground is made of objects (:class:`segbench.data.objects.ObjectData`), set up
            before the evaluation.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

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
        task: Any = pl_module
        table = list(task.evaluation.values())[dataloader_idx]
        records = {record.id: record for record in self.data.records}
        masks, predictions = batch["mask"].cpu().numpy(), outputs.cpu().numpy()
        found = np.stack(
            [
                self._terms(mask, prediction, self.data.instances(records[name]))
                for name, mask, prediction in zip(batch["id"], masks, predictions, strict=True)
            ]
        )
        table.add_columns({column: found[:, :, index] for index, column in enumerate(COLUMNS)})

    def _terms(
        self, mask: NDArray[Any], prediction: NDArray[Any], instances: NDArray[Any] | None
    ) -> NDArray[np.float64]:
        """Return the terms of every class of an image, (C,K); NaN for those without objects."""
        terms = np.full((self.data.num_classes, len(COLUMNS)), np.nan)
        known, names = mask != self.data.ignore_index, self.data.scored_classes()
        for name in names:
            index = self.data.class_names.index(name)
            inside = mask == index
            drawn = known if len(names) == 1 else inside
            truth = components(inside) if instances is None else np.where(drawn, instances, 0)
            predicted = components((prediction == index) & known)
            terms[index] = np.concatenate([object_terms(truth, predicted), seg_terms(truth, predicted)])
        return terms
