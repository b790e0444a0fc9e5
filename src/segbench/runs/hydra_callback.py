"""Hooks into Hydra: refuse a bad configuration before a directory is made, end a sweep with its comparison."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from segbench.config import validate
from segbench.entry import refuse
from segbench.errors import SegbenchError, StorageError
from segbench.runs.files import read_json


class RunnerCallback(Callback):
    """Validates a single run at its start and reports a sweep at its end.

    Hydra swallows what callbacks raise, except SystemExit.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Exit with 2 and one line if the configuration is wrong."""
        try:
            validate(config)
        except SegbenchError as error:
            if config.get("debug"):
                traceback.print_exc()
            raise SystemExit(refuse(error)) from None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remove an earlier sweep's record where a launcher of Hydra's own will write none.

        Ours replaces it once its jobs are known to be good, so a refused sweep costs it nothing.
        """
        if not str(config.hydra.launcher.get("_target_")).endswith(".ProcessesLauncher"):
            record = Path(str(config.hydra.sweep.dir)) / "sweep.json"
            try:
                record.unlink(missing_ok=True)
            except OSError as error:
                raise SystemExit(
                    refuse(StorageError(f"paths.outputs: cannot remove {record}: {error.strerror}"))
                ) from None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the comparison of the sweep's runs; exit with 1 if a job failed."""
        from segbench.reporting import report_experiment
        from segbench.reporting.terminal import terminal

        directory = Path(config.hydra.sweep.dir)
        sweep = read_json(directory / "sweep.json")
        if sweep is None:
            return
        try:
            report_experiment(directory, [directory / job["directory"] for job in sweep["jobs"]], terminal())
        except SegbenchError as error:
            raise SystemExit(refuse(error)) from None
        failed = [job for job in sweep["jobs"] if job["exit_code"]]
        if failed:
            raise SystemExit(1)
