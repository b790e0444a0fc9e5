"""MLflow: runs in a folder of files, or on the server that ``logger.mlflow.tracking_uri`` names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import pandas as pd
from filelock import FileLock
from omegaconf import DictConfig
from pytorch_lightning.loggers import MLFlowLogger

from segbench.errors import ConfigError
from segbench.installation import require
from segbench.masks import MaskKey
from segbench.tracking.about import About, Best
from segbench.tracking.coloured import coloured
from segbench.words import first_line

# The tag by which a run is found again when it is taken up.
_ID = "segbench.id"
# What MLflow takes in the name of a setting or score.
_OTHER_SIGNS = re.compile(r"[^\w/. -]+", re.ASCII)


class MLflow(MLFlowLogger):
    """Lightning's logger, with what segbench's dashboards show."""

    _about: About

    @classmethod
    def opened(cls, build: Callable[..., Self], options: DictConfig, about: About) -> Self:
        """Start a run in the experiment's own MLflow experiment, or go on with it.

        Args:
            build: Makes the logger of further arguments.
            options: Those of the configuration.
            about: The run.

        Raises:
            ConfigError: If MLflow is not installed, or its store cannot be reached.
        """
        # It would tell its makers of each call; and a folder of files, which needs no server, it only takes by this.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow = require("mlflow", "mlflow", "logger=mlflow")
        uri = options.tracking_uri
        # Jobs of a sweep begin together, and a folder would get an experiment of the same name from each.
        folder = Path(uri.removeprefix("file:")) if uri.startswith("file:") else None
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            with nullcontext() if folder is None else FileLock(folder / ".segbench.lock"):
                client = mlflow.MlflowClient(uri)
                known = client.get_experiment_by_name(about.experiment)
                number = client.create_experiment(about.experiment) if known is None else known.experiment_id
            runs = client.search_runs([number], f"tags.`{_ID}` = '{about.id}'", max_results=1)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise ConfigError(f"logger.mlflow.tracking_uri: {first_line(error)}") from error
        return build(
            experiment_name=about.experiment,
            run_name=about.name,
            run_id=runs[0].info.run_id if runs else None,
            tags={_ID: about.id, "kind": about.kind, **{name: str(value) for name, value in about.names.items()}},
        )

    def begin(self, about: About) -> None:
        """Say the settings, those that a run taken up again does not have yet: MLflow lets none be changed."""
        self._about = about
        run_id = self.run_id
        self.experiment.update_run(run_id, status="RUNNING")
        known = self.experiment.get_run(run_id).data.params
        settings = {_OTHER_SIGNS.sub("_", name): value for name, value in about.settings.items()}
        self.log_hyperparams({name: value for name, value in settings.items() if name not in known})

    def missing(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the epochs before a stop that are not in the store."""
        known = {point.step for point in self.experiment.get_metric_history(self.run_id, "epoch")} if rows else set()
        return [row for row in rows if row["step"] not in known]

    def log_epoch(self, values: dict[str, float], best: Best, step: int) -> None:
        """Log an epoch's curves, and the scores of the best epoch so far."""
        self._log({**values, **best.scores}, step)

    def log_masks(self, panel: dict[str, Any], key: MaskKey, step: int) -> None:
        """Keep images, and over them truth and prediction in the colours of their classes."""
        for name, pictures in coloured(panel, key).items():
            for number, picture in enumerate(pictures):
                place = f"predictions/{step:07d}/{number}_{name}.png"
                self.experiment.log_image(self.run_id, picture, artifact_file=place)

    def log_picture(self, path: Path, step: int) -> None:
        """Keep a drawn picture."""
        self.experiment.log_artifact(self.run_id, str(path), f"predictions/{step:07d}")

    def log_comparison(
        self, number: int, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
    ) -> None:
        """Keep a comparison in place of the one before."""
        self.experiment.log_text(self.run_id, answer, "comparison/answer.txt")
        self.experiment.log_text(self.run_id, table.to_csv(index=False), "comparison/table.csv")
        for _, path in figures:
            self.experiment.log_artifact(self.run_id, str(path), "comparison")

    def close(self, summary: Mapping[str, Any] | None) -> None:
        """Write the final scores and end the run; None for one that failed."""
        if summary is not None:
            self._log(self._about.final(summary), 0)
        self.finalize("success" if summary is not None else "failed")

    def _log(self, values: Mapping[str, float], step: int) -> None:
        self.log_metrics({_OTHER_SIGNS.sub("_", name): value for name, value in values.items()}, step)
