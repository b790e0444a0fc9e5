"""Weights & Biases: online where it can be reached, else in files that hold all of a run however often it stopped."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from pytorch_lightning.loggers import WandbLogger

from segbench.configuration.recorded import recorded_overrides
from segbench.errors import ConfigError
from segbench.installation import require
from segbench.labels import IGNORE_INDEX
from segbench.masks import MaskKey
from segbench.tracking.about import About, Best
from segbench.tracking.coloured import coloured
from segbench.words import first_line, visible

log = logging.getLogger("segbench")
# The longest tag that W&B takes.
_TAG = 64


class WeightsAndBiases(WandbLogger):
    """Lightning's logger, with what segbench's dashboards show."""

    _about: About
    _best: Mapping[str, float] = {}

    @classmethod
    def opened(cls, build: Callable[..., Self], options: DictConfig, about: About) -> Self | None:
        """Start a run, or go on with it; offline if W&B cannot be reached, and not at all if it is disabled.

        Args:
            build: Makes the logger of further arguments.
            options: Those of the configuration.
            about: The run.

        Raises:
            ConfigError: If W&B is not installed, or refuses an option.
        """
        if os.environ.get("WANDB_MODE") == "disabled":
            log.info("W&B: WANDB_MODE=disabled, so nothing is logged to it")
            return None
        wandb = require("wandb", "wandb", "logger=wandb")
        tags = [tag[:_TAG] for tag in [*(options.get("tags") or ()), *about.tags]]
        own = {
            "save_dir": str(about.directory),
            "name": about.name,
            "id": about.id,
            "group": about.experiment,
            "job_type": about.kind,
            "tags": list(dict.fromkeys(tags)),
            "resume": "allow",
        } | _without_arguments()
        obstacle = _obstacle()
        if obstacle is None:
            # Lightning's offline flag alone comes too late: W&B has read its mode by then.
            logger = build(**own, offline=False, mode="online")
            try:
                _ = logger.experiment  # starts the run
                return logger
            except Exception as error:
                # Any error: the run directory is the record, and a logger failure must not fail the run.
                obstacle = first_line(error)
                wandb.teardown()  # else the id counts as in use
        place = about.directory / "wandb"
        log.info("W&B: %s, so this run is logged offline to %s (wandb sync uploads it)", obstacle, place)
        logger = build(**own, offline=True, mode="offline")
        mode = os.environ.get("WANDB_MODE")
        try:
            _ = logger.experiment
        except wandb.errors.Error as error:
            raise ConfigError(f"logger.wandb: {first_line(error)}") from error
        finally:
            # Lightning sets it for the whole process, but the next run in it may be online.
            os.environ.pop("WANDB_MODE", None)
            if mode is not None:
                os.environ["WANDB_MODE"] = mode
        return logger

    def begin(self, about: About) -> None:
        """Say what was chosen by name, ``model: unet``, and beside it the whole configuration."""
        self._about = about
        known = self.experiment.config
        # W&B would warn of each that its own search has set.
        names = {name: value for name, value in about.names.items() if known.get(name) != value}
        self.log_hyperparams({**names, "config": about.configuration})

    def missing(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the epochs before a stop that W&B has not got: what was in memory at a kill is in no file."""
        if not rows:
            return ()
        run = self.experiment
        if run.resumed:
            return [row for row in rows if row["epoch"] > run.summary.get("epoch", 0)]
        known = _logged_epochs(self._about)
        return [row for row in rows if row["epoch"] not in known]

    def log_epoch(self, values: dict[str, float], best: Best, step: int) -> None:
        """Log an epoch's curves, and the best scores so far; the summary has those of the best epoch."""
        self.log_metrics({**values, **best.decisive}, step)
        if self._best != best.scores:
            self._best = best.scores
            self.experiment.summary.update(dict(best.scores))

    def log_masks(self, panel: dict[str, Any], key: MaskKey, step: int) -> None:
        """Show images with masks to switch on and off, and image, truth and prediction in the colours of the classes.

        W&B chooses the colours of the former itself.
        """
        import wandb

        parts = coloured(panel, key)
        drawn = [
            wandb.Image(np.concatenate([part[i] for part in parts.values()], axis=1), caption=visible(name))
            for i, name in enumerate(panel["id"])
        ]
        self.experiment.log({"predictions": _masked(panel, key), "predictions in class colours": drawn})

    def log_picture(self, path: Path, step: int) -> None:
        """Show a drawn picture."""
        import wandb

        self.experiment.log({"predictions": wandb.Image(str(path))})

    def log_comparison(
        self, number: int, answer: str, table: pd.DataFrame, figures: Sequence[tuple[str, Path]]
    ) -> None:
        """Show a comparison; W&B shows the latest and keeps earlier ones in its history."""
        import wandb

        shown = {f"comparison/{name}": wandb.Image(str(path)) for name, path in figures}
        self.experiment.log({"comparison/table": wandb.Table(dataframe=table), **shown})
        self.experiment.summary["answer"] = answer

    def close(self, summary: Mapping[str, Any] | None) -> None:
        """Write the final scores and end the run; None for one that failed."""
        run = self.experiment
        if summary is not None:
            kept = {key: summary[key] for key in ("scores", "cost", "best") if key in summary}
            run.summary.update(kept | self._about.final(summary))
        run.finish(exit_code=0 if summary is not None else 1)
        self.finalize("success" if summary is not None else "failed")


def _without_arguments() -> dict[str, Any]:
    """Return what keeps W&B from recording the command line, where something on it must not be passed on."""
    import wandb

    secret = recorded_overrides(sys.argv) != sys.argv
    return {"settings": wandb.Settings(x_disable_meta=True)} if secret else {}


def _obstacle() -> str | None:
    """Return why W&B cannot be reached, or None if it can."""
    os.environ.setdefault("WANDB_SILENT", "true")
    if (mode := os.environ.get("WANDB_MODE")) in ("offline", "dryrun"):
        return f"WANDB_MODE={mode}"
    import wandb

    try:
        return None if wandb.login(prompt=False) else "not logged in (wandb login)"
    except (wandb.errors.Error, OSError) as error:
        return first_line(error)


def _logged_epochs(about: About) -> set[int]:
    """Return the epochs in the files that earlier attempts at a run left for ``wandb sync``, as W&B reads them."""
    found = set[int]()
    for path in sorted((about.directory / "wandb").glob(f"offline-run-*/run-{about.id}.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
        # Of a file that a kill has cut short it prints the records before the cut, or none.
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        for line in lines:
            if line.startswith("{") and (record := json.loads(line)).get("type") == "history":
                found |= {int(record["history"]["item"].get("epoch", 0))}
    return found


def _masked(panel: dict[str, Any], key: MaskKey) -> list[Any]:
    import wandb

    images = []
    for i, name in enumerate(panel["id"]):
        masks = {
            kind if layer.index is None else visible(f"{kind} {key.names[layer.index]}"): {
                "mask_data": layer.mask,
                "class_labels": {i: visible(name) for i, name in layer.names.items()} | {IGNORE_INDEX: "ignored"},
            }
            for kind in ("truth", "prediction")
            for layer in key.layers(panel[kind][i].astype(np.uint8))
        }
        pixels = (panel["image"][i] * 255).round().astype(np.uint8)
        images.append(wandb.Image(pixels.squeeze(), masks=masks, caption=visible(name)))
    return images
