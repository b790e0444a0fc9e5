"""What is known of each image of a split, gathered batch by batch and over processes: the one source of every score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from segbench.processes import gathered
from segbench.scores.counts import counts
from segbench.tasks.gathering import Gather, decode, encode, gather, in_turn

# Confusion matrices grow with the square of the classes; of more than these only the counts are kept.
MOST_CONFUSED = 32


class EvaluationTable(Metric):
    """A metric whose value is the table of a split: everything of each image from which scores derive.

    Batches are kept as tensors where they are (no wait for a GPU) and joined when somebody asks. With several processes
    each adds the images that it has seen, in every n-th batch of the split, and what is asked for is then of all of
    them, in the order of the batches. An answer is kept until a batch is added: so processes ask when all have added
    theirs, and one of them may then ask again.

    Every state is a list of one-dimensional tensors that are concatenated over processes: one that has seen no image
    takes part with an empty tensor, whatever the number of classes. What is no tensor (ids, sizes) becomes one when it
    is asked for, which costs a step nothing; ids travel as bytes (:func:`segbench.tasks.gathering.encode`).

    Args:
        num_classes: C.
    """

    full_state_update = False
    compute: Callable[[], dict[str, Any]]
    names: list[Tensor]
    batch_losses: list[Tensor]
    batch_images: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__(dist_sync_fn=gather)
        self.num_classes = num_classes
        self._types: dict[str, torch.dtype] = {}
        self._by_batch = ("batch_losses", "batch_images")
        self._declare("names", torch.uint8)
        self._declare("batch_losses", torch.float32)
        self._declare("batch_images", torch.int64)
        self._ids: list[str] = []
        self._batch_images: list[int] = []

    def _declare(self, state: str, kind: torch.dtype) -> None:
        """Declare a state of so many values an image, one image after the other."""
        self.add_state(state, [], dist_reduce_fx="cat")
        self._types[state] = kind

    def _note(self, ids: Sequence[str], loss: Tensor | None) -> None:
        """Take note of a batch: its ids, and its mean loss if there is one."""
        self._ids += ids
        self._batch_images.append(len(ids))
        self.batch_losses.append(torch.zeros(1) if loss is None else loss.detach().reshape(1))

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._ids, self._batch_images = [], []

    def sync(
        self,
        dist_sync_fn: Gather | None = None,
        process_group: Any = None,
        should_sync: bool = True,
        distributed_available: Callable[[], bool] | None = None,
    ) -> None:
        """Bring everything into the states and, if there are several processes, gather them of all."""
        several = should_sync and (distributed_available or self.distributed_available_fn)()
        self._pack((dist_sync_fn or gather) if several else None)
        for state, kind in self._types.items():
            # An empty list would be gathered as some other type. What stands for one is gone once there is more, as it
            # lies in main memory, and images may not.
            parts = [part for part in getattr(self, state) if len(part)]
            setattr(self, state, parts or [torch.zeros(0, dtype=kind)])
        batches = gathered(len(self._batch_images)) if several else []
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)
        if several:
            self._arrange(batches)

    def _arrange(self, batches: Sequence[int]) -> None:
        """Bring gathered states into the order of the batches; ``batches`` is how many each process has added."""
        order, rows = in_turn(batches, dim_zero_cat(self.batch_images).tolist())
        names = decode(dim_zero_cat(self.names))
        for state in self._types:
            values, places = dim_zero_cat(getattr(self, state)), order if state in self._by_batch else rows
            if state != "names" and len(places):
                chosen = torch.as_tensor(places, device=values.device)
                values = values.reshape(len(places), -1)[chosen].flatten()
            setattr(self, state, values)
        self.names = [encode(names[row] for row in rows)]

    def _pack(self, gather: Gather | None) -> None:
        """Make states of what is kept otherwise; ``gather`` where there are several processes."""
        # One process alone need not take its names apart again.
        self.names = [] if gather is None else [encode(self._ids)]
        self.batch_images = [torch.tensor(self._batch_images, dtype=torch.int64)]

    def _joined(self, state: str, *shape: int) -> NDArray[Any]:
        """Return a state of all images, in the shape that it has for them."""
        joined: NDArray[Any] = dim_zero_cat(getattr(self, state)).reshape(shape).cpu().numpy()
        return joined

    def _common(self) -> dict[str, Any]:
        """Return what every table has: ``ids``, objects (N,), and ``mean_loss`` of an image."""
        ids = decode(dim_zero_cat(self.names)) if self._is_synced else self._ids
        losses, images = (dim_zero_cat(state).tolist() for state in (self.batch_losses, self.batch_images))
        total = sum(loss * count for loss, count in zip(losses, images, strict=True))
        return {"ids": np.array(ids, dtype=object), "mean_loss": total / max(len(ids), 1)}

    @property
    def ids(self) -> list[str]:
        """Ids of the N images."""
        ids: list[str] = self.compute()["ids"].tolist()
        return ids

    @property
    def mean_loss(self) -> float:
        """Mean loss per image."""
        return float(self.compute()["mean_loss"])

    @abstractmethod
    def frame(self, split: str, class_names: Sequence[str], groups: Mapping[str, str]) -> pd.DataFrame:
        """Return the rows of ``scores.parquet``.

        Args:
            split: Name of the split.
            class_names: Names of all classes, in their order.
            groups: Group of each image id.
        """


class CountsTable(EvaluationTable):
    """Counts of true/false positives/negatives per image and class, with the loss.

    Which class was taken for which is kept too, for up to :data:`MOST_CONFUSED` classes that exclude each other.

    Args:
        num_classes: C.
        exclusive: Whether a pixel has one class, and what is added are confusion matrices; else it is counts.
    """

    image_sizes: list[Tensor]
    image_counts: list[Tensor]
    image_columns: list[Tensor]

    def __init__(self, num_classes: int, exclusive: bool = True) -> None:
        super().__init__(num_classes)
        self._exclusive = exclusive
        self._confused = exclusive and num_classes <= MOST_CONFUSED
        self._declare("image_sizes", torch.int64)
        self._declare("image_counts", torch.int64)  # or confusion matrices, from which they follow
        self._declare("image_columns", torch.float64)
        self._sizes: list[tuple[int, ...]] = []
        self._columns: dict[str, list[NDArray[np.float64]]] = {}
        self._column_names: list[str] = []

    def update(self, ids: Sequence[str], counted: Tensor, size: tuple[int, ...], loss: Tensor | None = None) -> None:
        """Add a batch.

        Args:
            ids: The images' ids, B of them.
            counted: int64 (B,C,C): rows are the truth, columns the prediction; or, of classes that do not exclude each
                other, (B,C,4): true positives, false positives, false negatives, true negatives.
            size: Height and width in pixels at which the counts were taken.
            loss: Mean loss of the batch, if there is one.
        """
        self._note(ids, loss)
        self._sizes += [size] * len(ids)
        kept = counts(counted) if self._exclusive and not self._confused else counted
        self.image_counts.append(kept.flatten())

    def add_columns(self, columns: Mapping[str, NDArray[np.float64]]) -> None:
        """Add further columns of the batch that was added last (:mod:`segbench.scores.columns`).

        Args:
            columns: Name to values (B,C) of its images; NaN for the background.
        """
        self._computed = None
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._sizes, self._columns = [], {}

    def _pack(self, gather: Gather | None) -> None:
        super()._pack(gather)
        self.image_sizes = [torch.tensor(self._sizes, dtype=torch.int64).flatten()]
        # A process without images has none of the columns that the others have.
        names = self._columns if gather is None else decode(torch.cat(gather(encode(self._columns))))
        self._column_names = list(dict.fromkeys(names))
        none = [np.zeros((0, self.num_classes))]
        parts = [np.concatenate(self._columns.get(name, none)) for name in self._column_names]
        self.image_columns = [torch.from_numpy(np.stack(parts, axis=-1)).flatten()] if parts else []

    def compute(self) -> dict[str, Any]:
        """Return everything that was added, of the images of all processes.

        Returns:
            ``ids`` objects (N,), ``sizes`` int64 (N,2), ``counts`` int64 (N,C,4), ``confusion`` int64 (N,C,C) or None,
            ``columns`` name to float64 (N,C), and ``mean_loss``.
        """
        confusion = None
        if self._confused:
            stored = dim_zero_cat(self.image_counts).reshape(-1, self.num_classes, self.num_classes)
            confusion, found = stored.cpu().numpy(), counts(stored).cpu().numpy()
        else:
            found = self._joined("image_counts", -1, self.num_classes, 4)
        names = self._column_names
        columns = self._joined("image_columns", -1, self.num_classes, len(names)) if names else None
        return self._common() | {
            "sizes": self._joined("image_sizes", -1, 2),
            "counts": found,
            "confusion": confusion,
            "columns": {name: columns[..., place] for place, name in enumerate(names)} if columns is not None else {},
        }

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image at which its counts were taken."""
        return [(height, width) for height, width in self.compute()["sizes"].tolist()]

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """All further columns, float64 (N,C) each; none where the data has no objects."""
        return dict(self.compute()["columns"])

    @property
    def counts(self) -> NDArray[np.int64]:
        """All counts, int64 (N,C,4)."""
        found: NDArray[np.int64] = self.compute()["counts"]
        return found

    @property
    def confusion(self) -> NDArray[np.int64] | None:
        """All confusion matrices, int64 (N,C,C), rows the truth; None where they are not kept."""
        found: NDArray[np.int64] | None = self.compute()["confusion"]
        return found

    def frame(self, split: str, class_names: Sequence[str], groups: Mapping[str, str]) -> pd.DataFrame:
        """Return one row per image and class, as stored in ``scores.parquet``.

        Columns ``predicted_0``, ``predicted_1``, ...: how many pixels of the row's class were taken for each class.
        Then those that were added by :meth:`add_columns`.

        Args:
            split: Name of the split.
            class_names: Names in the order of the counts' classes.
            groups: Group of each image id.
        """
        table, confusion, ids, sizes = self.counts, self.confusion, self.ids, self.sizes
        classes = len(class_names)
        taken_for = {} if confusion is None else {f"predicted_{i}": confusion[:, :, i].ravel() for i in range(classes)}
        return pd.DataFrame(
            {
                "split": split,
                "id": np.repeat(ids, classes),
                "group": np.repeat([groups[image] for image in ids], classes),
                "height": np.repeat([size[0] for size in sizes], classes),
                "width": np.repeat([size[1] for size in sizes], classes),
                "class_index": np.tile(np.arange(classes), len(ids)),
                "class_name": np.tile(class_names, len(ids)),
            }
            | {name: table[:, :, i].ravel() for i, name in enumerate(("tp", "fp", "fn", "tn"))}
            | taken_for
            | {name: values.ravel() for name, values in self.columns.items()}
        )
