"""What the training of a run shows beside its scores: one number a run, of which less is better.

Only claims can be about them (``comparison.claims``): they have no images to vary over.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TRAIN_GAP, EPOCHS_TO_95 = "train_gap", "epochs_to_95"
# Each name to words that explain it.
SHOWN_BY_TRAINING: Mapping[str, str] = MappingProxyType(
    {
        TRAIN_GAP: "how much higher the training images score than the others (overfitting)",
        EPOCHS_TO_95: "epochs until the validation score reached 95 % of that of the scored epoch",
    }
)
