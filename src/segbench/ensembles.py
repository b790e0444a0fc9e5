"""Ensembles as runs: finished runs of several seeds predict together, and are scored as one.

``predict.ensemble=n`` trains nothing. The run of ``seed=i`` averages the probabilities of the runs of the seeds n*i to
n*i + n - 1 beside it, which differ in nothing else. So ensembles of different seeds share no network, as trainings of
different seeds do: they are replicates, which a report may compare as it compares trainings.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segbench.assembly import build_task
from segbench.data.base import ImageData
from segbench.errors import CheckpointError, ConfigError
from segbench.reuse import changed, trained_beside
from segbench.run_inputs import check_sources
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.runs.directory import BEST, RunDirectory
from segbench.runs.files import read_json
from segbench.tasks.base import Task
from segbench.tasks.together import Together
from segbench.words import listed

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class Ensemble:
    """The finished runs that predict together.

    Attributes:
        cfg: The configuration of the whole, without sources of initial weights.
        members: The runs, each with its configuration, in the order of their seeds.
    """

    cfg: DictConfig
    members: tuple[tuple[RunDirectory, DictConfig], ...]

    @property
    def names(self) -> list[str]:
        """Names of the members' directories."""
        return [run.path.name for run, _ in self.members]

    def build(self, data: ImageData) -> Task[Any]:
        """Return the task whose network is the members, with the weights that each was scored by.

        Raises:
            DataError: If the data has changed since a member was trained.
            CheckpointError: If a member's weights are damaged.
        """
        log.info("predicting by %s together; nothing is trained", listed(self.names))
        tasks = []
        for run, cfg in self.members:
            check_sources(run, data, cfg)
            task = build_task(_untrained(cfg, self.cfg.predict.tta), data, restored=True)
            task.load_state_dict(load_checkpoint(run.checkpoints / BEST, run=run.identity()["id"])["state_dict"])
            tasks.append(task)
        whole = build_task(_untrained(self.cfg, None), data, restored=True)
        # Windows are the members', tiles too.
        whole.windows = None
        whole.network, whole.loss = Together(tasks), tasks[0].loss
        return whole

    def cost(self, measured: dict[str, Any]) -> dict[str, Any]:
        """Return what was measured of the prediction, with the seconds and the memory of the members' trainings."""
        costs = [(read_json(run.summary) or {}).get("cost") or {} for run, _ in self.members]
        seconds = sum(cost.get("wall_seconds") or 0.0 for cost in costs)
        peak = max(cost.get("peak_memory_bytes") or 0 for cost in (measured, *costs))
        return measured | {"wall_seconds": round(seconds, 3), "peak_memory_bytes": peak}


def find_ensemble(run: RunDirectory, cfg: DictConfig) -> Ensemble | None:
    """Return the ensemble that a configuration asks for; None where it asks for none.

    Args:
        run: The run of the whole; its members lie beside it.
        cfg: The configuration.

    Raises:
        CheckpointError: If a seed is not trained; says which and how.
        ConfigError: If the data of the members differ, as by splits of their own.
    """
    size = cfg.predict.ensemble
    if size is None:
        return None
    seeds = range(size * cfg.seed, size * (cfg.seed + 1))
    found = {seed: trained_beside(run, changed(cfg, {"seed": seed})) for seed in seeds}
    if missing := [str(seed) for seed, member in found.items() if member is None]:
        are, several = ("is", "") if len(missing) == 1 else ("are", " -m")
        raise CheckpointError(
            f"predict.ensemble={size}: seed={cfg.seed} averages the seeds {seeds[0]} to {seeds[-1]}, of which"
            f" {listed(missing)} {are} not trained in {run.path.parent}; first the same command with"
            f" predict.ensemble=null seed={','.join(missing)}{several}"
        )
    members = tuple(member for member in found.values() if member is not None)
    parts = [OmegaConf.to_container(part.data, resolve=True) for part in (cfg, *(member for _, member in members))]
    if any(part != parts[0] for part in parts):
        raise ConfigError(
            f"predict.ensemble={size}: settings of data follow the seed, so some networks were trained on images that"
            " others are tested on; set them, data.split_seed=0 say"
        )
    return Ensemble(_untrained(cfg, cfg.predict.tta), members)


def _untrained(cfg: DictConfig, tta: str | None) -> DictConfig:
    """Return a configuration without sources of initial weights, as trained ones replace them."""
    return changed(cfg, {"init_from": None, "freeze": None, "predict.tta": tta})
