"""Hydra sweeper ``optuna``: searches for the settings that validate best, then trains the seeds with them.

A search is a row's tuning (:mod:`segbench.runs.tuning`) whose trials depend on each other: Optuna proposes a few, they
are trained by whatever launcher there is, and it learns how they ended from their run directories, as a report does.
Nothing else is kept, and what is proposed is a function of (``tuning.seed``, how the earlier trials ended). So a search
that is killed goes on, and ends as it would have without.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from segbench.errors import ConfigError, StorageError
from segbench.sweep.composing import Composer

if TYPE_CHECKING:
    from segbench.sweep.searching import Job


class OptunaSweeper(Sweeper):
    """Searches by Optuna.

    Args:
        n_trials: Trials in all, those of a search that was stopped included.
        n_jobs: Trials that are proposed and trained together; None for as many as the launcher's ``jobs``.
        sampler: What proposes: the ``_target_`` of a class of :mod:`optuna.samplers`, and its arguments.
        pruner: What ends hopeless trials, likewise of :mod:`optuna.pruners`; None for nothing.
        params: What an experiment sweeps, as for Hydra's own sweeper.

    Raises:
        ConfigError: If an argument is invalid, or Optuna is not installed.
    """

    def __init__(
        self,
        n_trials: int,
        sampler: DictConfig,
        pruner: DictConfig | None = None,
        n_jobs: int | None = None,
        params: DictConfig | None = None,
    ) -> None:
        from segbench.runs.study import Study, build_part

        for name, value in (("n_trials", n_trials), ("n_jobs", 1 if n_jobs is None else n_jobs)):
            if type(value) is not int or value < 1:
                raise ConfigError(f"hydra.sweeper.{name}={value}: must be a positive integer")
        for name, part in (("sampler", sampler), ("pruner", pruner)):
            if not OmegaConf.is_dict(part) and not (part is None and name == "pruner"):
                raise ConfigError(
                    f"hydra.sweeper.{name}={part}: must have the name of a class as its _target_:"
                    f" hydra.sweeper.{name}._target_=optuna.{name}s.{part or 'TPESampler'}"
                )
        parts: list[Any] = [OmegaConf.to_container(part, resolve=True) if part else None for part in (sampler, pruner)]
        self.study = Study(0, parts[0], parts[1])
        build_part("sampler", self.study.sampler, seed=0)
        if self.study.pruner:
            build_part("pruner", self.study.pruner)
        self.n_trials, self.n_jobs = n_trials, n_jobs
        self.params = {str(key): value for key, value in (params or {}).items()}
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.task_function: TaskFunction | None = None
        self._composer: Composer | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store what Hydra composed for the sweep."""
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function
        self._composer = Composer(hydra_context, config)

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Train the trials that are missing, and the seeds with the values of the best.

        Args:
            arguments: The overrides of the sweep.

        Returns:
            What the jobs of the seeds came to.

        Raises:
            ConfigError: If the search would not be fair, or what is open cannot be tuned.
            SegbenchError: If a trial was stopped from outside, or all failed.
        """
        from segbench.sweep.searched import read_searched
        from segbench.sweep.searching import Searching

        assert self.config is not None
        searched = read_searched([*(f"{key}={value}" for key, value in self.params.items()), *arguments])
        jobs = self.n_jobs or self.config.hydra.launcher.get("jobs") or 1
        searching = Searching(searched, self.study, self._compose)
        folder = Path(str(self.config.hydra.sweep.dir))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self.config, folder / "multirun.yaml")
        except OSError as error:
            raise StorageError(f"paths.outputs: cannot write {folder}: {error.strerror or error}") from error
        searching.train(self._launcher(searching.folder).launch, self.n_trials, jobs)
        launcher = self._launcher(folder)
        return [launcher.launch(searching.chosen(), initial_job_idx=0)]

    def _compose(self, overrides: Sequence[str]) -> Job:
        from segbench.sweep.objective import check_objective
        from segbench.sweep.searching import Job

        assert self._composer is not None
        config, given = self._composer(overrides)
        check_objective(config)
        directory = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        return Job(given, config, directory)

    def _launcher(self, folder: Path) -> Launcher:
        """Return a launcher whose jobs lie in a folder."""
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        config = copy.deepcopy(self.config)
        quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(folder)
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
        return Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=self.task_function, config=config
        )
