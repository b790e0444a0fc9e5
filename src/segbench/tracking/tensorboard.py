"""TensorBoard: curves, pictures in class colours, and HParams with the scores that runs are chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.tensorboard.summary import hparams

from segbench.masks import MaskKey
from segbench.tracking.about import About, Best
from segbench.tracking.coloured import coloured


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, with what segbench's dashboards show."""

    _about: About | None = None
    _end: Any = None

    def begin(self, about: About) -> None:
        """Write the settings for HParams; the scores come with the epochs and the end."""
        self._about = about
        # Lightning would write the score that is chosen by as -1. Without a metric it only remembers the settings.
        self.log_hyperparams(about.settings, metrics={})
        if about.kind == "comparison":
            return
        plain = {name: _plain(value) for name, value in about.settings.items()}
        # Not what torch calls the experiment, the columns of all runs: TensorBoard takes one run's for all. Without it,
        # settings that differ come first, then all scores by their names: best/val_dice, final/dice, ...
        _, start, self._end = hparams(plain, {})
        self._write(start)

    def missing(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return none of the epochs before a stop: each was on the disk before the checkpoint that remembers it."""
        return ()

    def log_epoch(self, values: dict[str, float], best: Best, step: int) -> None:
        """Write an epoch's curves, and the best scores so far."""
        self.log_metrics({**values, **best.decisive}, step)
        self.experiment.flush()

    def log_masks(self, panel: dict[str, Any], key: MaskKey, step: int) -> None:
        """Show images, and over them truth and prediction in the colours of their classes."""
        for name, pictures in coloured(panel, key).items():
            self.experiment.add_images(f"predictions/{name}", pictures, step, dataformats="NHWC")

    def log_picture(self, path: Path, step: int) -> None:
        """Show a drawn picture."""
        with Image.open(path) as picture:
            self.experiment.add_image("predictions", np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def log_comparison(
        self, number: int, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
    ) -> None:
        """Show a comparison; TensorBoard keeps all, each as one step, and shows the last."""
        self.experiment.add_text("comparison/answer", answer, number)
        self.experiment.add_text("comparison/table", table.to_html(index=False), number)
        for name, path in figures:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.experiment.add_image(f"comparison/{name}", pixels, number, dataformats="HWC")

    def close(self, summary: Mapping[str, Any] | None) -> None:
        """Write the final scores, and that the run is over; None for one that failed."""
        if summary is not None and self._about is not None:
            self.log_metrics(self._about.final(summary))
            if self._end is not None:
                self._write(self._end)
        self.finalize("success" if summary is not None else "failed")

    def _write(self, summary: Any) -> None:
        # torch's own add_hparams would make another run of it, in a folder below.
        self.experiment._get_file_writer().add_summary(summary)


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float) else str(value)
