"""Fake classification runs: labels instead of counts, in the run directories of ``conftest``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scored import store

from segbench.runs.split_scores import About

NAMES = ("cat", "dog", "eel")


def labels_table(truth: np.ndarray, prediction: np.ndarray, groups: list[str] | None = None) -> pd.DataFrame:
    """Rows of scores.parquet as a classification writes them."""
    ids = [f"i{index:05d}" for index in range(len(truth))]
    return pd.DataFrame(
        {
            "split": "test",
            "id": ids,
            "group": groups or ids,
            "truth": pd.Categorical.from_codes(truth, pd.Index(NAMES)),
            "prediction": pd.Categorical.from_codes(prediction, pd.Index(NAMES)),
            "probability": np.linspace(0.4, 0.9, len(truth), dtype=np.float32),
        }
    )


def digits(images: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth, the same for all, and predictions of which a share is wrong."""
    truth = np.random.default_rng(0).integers(0, 3, images)
    rng = np.random.default_rng(seed)
    return truth, np.where(rng.random(images) < wrong, (truth + rng.integers(1, 3, images)) % 3, truth)


def label_run(make: Callable[..., Path], model: str, seed: int, truth: np.ndarray, prediction: np.ndarray) -> Path:
    """Write a finished classification run."""
    name = f"fake-{model}-ce-seed{seed}"
    folder = make(model=model, seed=seed, experiment="mnist/networks", name=name, choices={"loss": "ce"})
    store(folder / "scores.parquet", labels_table(truth, prediction), About("classification"))
    curve = {"epoch": range(5), "train/loss": np.linspace(1, 0.2, 5), "val/loss": np.linspace(1, 0.3, 5)}
    pd.DataFrame(curve | {"val/accuracy": np.linspace(0.5, 0.9, 5)}).to_csv(folder / "metrics.csv", index=False)
    return folder
