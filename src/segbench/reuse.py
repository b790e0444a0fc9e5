"""Weights that another run has trained: runs that differ only in how they predict are trained once.

``predict.tta`` acts in the final evaluation alone, so runs with and without it have the same weights, to the bit.
Windows do not: validation predicts by them, and chooses the best epoch.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from segbench.configuration.schema import TestTimeAugmentation
from segbench.data.base import ImageData
from segbench.errors import SegbenchError
from segbench.run_inputs import check_sources, find_sources
from segbench.runs.checkpoint_io import LAST, VerifiedCheckpointIO, load_checkpoint, newest_good
from segbench.runs.directory import BEST, WEIGHTS_OF, RunDirectory
from segbench.runs.files import write_json
from segbench.runs.identity import run_id
from segbench.runs.kept_epochs import FOLDER

log = logging.getLogger("segbench")
_TTA = (None, *get_args(TestTimeAugmentation))


def changed(cfg: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """Return a copy of a configuration with other values of dotted keys."""
    copy = cfg.copy()
    OmegaConf.set_readonly(copy, False)
    for key, value in values.items():
        OmegaConf.update(copy, key, value)
    return copy


def trained_beside(run: RunDirectory, cfg: DictConfig) -> tuple[RunDirectory, DictConfig] | None:
    """Return the finished run in the same folder that has the weights of a configuration, with its configuration.

    It may predict otherwise; one that predicts alike comes first. None where there is none, or it has lost its weights.

    Args:
        run: The run that asks, never the answer.
        cfg: The configuration.
    """
    asked = cfg.predict.tta
    for tta in (asked, *(other for other in _TTA if other != asked)):
        alike = changed(cfg, {"predict.tta": tta, "predict.ensemble": None})
        for path in sorted(run.path.parent.glob(f"*-{run_id(alike)}")):
            found = RunDirectory(path)
            if path.name != run.path.name and found.state() == "done" and (found.checkpoints / BEST).is_file():
                return found, alike
    return None


def take_over(run: RunDirectory, cfg: DictConfig, data: ImageData) -> None:
    """Give a run that begins the training of a finished one that differs in prediction alone, as if it had resumed it.

    Checkpoints, curves and pictures of epochs are copied, with this run's identity, and ``run.json`` names the other.
    Without such a run, or where its data, weights or code of before are gone, nothing happens: the run trains itself.

    Args:
        run: The run, which has been begun.
        cfg: Its configuration.
        data: Its data module; no data is decoded.
    """
    if any(run.checkpoints.glob("*.ckpt")):
        return
    known = {key: value for key, value in run.identity().items() if key != WEIGHTS_OF}
    beside = trained_beside(run, cfg)
    try:
        found = {} if beside is None else _copied(run, cfg, data, *beside)
    except SegbenchError as error:
        log.info("not taken over, so trained here: %s", error)
        found = {}
    write_json(run.path / "run.json", known | found)


def _copied(
    run: RunDirectory, cfg: DictConfig, data: ImageData, other: RunDirectory, other_cfg: DictConfig
) -> dict[str, Any]:
    """Copy a finished run's training; return what ``run.json`` says of that, nothing where it cannot be taken over."""
    check_sources(other, data, other_cfg)
    theirs, ours = other.identity(), run.identity()
    last, _ = newest_good(other.checkpoints, theirs["id"])
    if last is None:
        return {}
    log.info("%s has these weights and predicts otherwise: its training is taken over, not done again", other.path.name)
    if other.metrics.is_file():
        shutil.copyfile(other.metrics, run.metrics)
    if (other.path / FOLDER).is_dir():
        shutil.copytree(other.path / FOLDER, run.path / FOLDER, dirs_exist_ok=True)
    # The last comes last: from it the run would go on.
    for source, name in ((other.checkpoints / BEST, BEST), (last, LAST)):
        _copy_checkpoint(source, run.checkpoints / name, ours["id"], cfg.predict.tta)
    git = ours.get("git") if ours.get("git") == theirs.get("git") else (theirs.get("git") or {}) | {"dirty": True}
    return find_sources(other, data, other_cfg) | {WEIGHTS_OF: [other.path.name], "git": git}


def _copy_checkpoint(source: Path, target: Path, run: str, tta: str | None) -> None:
    checkpoint = load_checkpoint(source)
    known = checkpoint["segbench"]
    known["run"] = run
    if known.get("prediction"):
        known["prediction"]["tta"] = tta
    VerifiedCheckpointIO().save_checkpoint(checkpoint, target)
