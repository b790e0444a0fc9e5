"""Hooks into Hydra: refuse a bad configuration before a directory is made, end a sweep with its comparison."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.schema import validate
from segbench.entry import refuse
from segbench.errors import SegbenchError, StorageError
from segbench.runs.files import read_json
from segbench.words import first_line

log = logging.getLogger("segbench")


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
        from segbench.terminal import terminal

        directory = Path(config.hydra.sweep.dir)
        sweep = read_json(directory / "sweep.json")
        if sweep is None:
            return
        failed = any(job["exit_code"] for job in sweep["jobs"])
        try:
            runs = [directory / job["directory"] for job in sweep["jobs"]]
            comparison, written = report_experiment(directory, runs, terminal())
            _mirror(config, directory, comparison, written)
        except SegbenchError as error:
            raise SystemExit(refuse(error)) from None
        except Exception:
            if not failed:
                raise
            # Hydra swallows what a callback raises, and the sweep would end with 0.
            traceback.print_exc()
        if failed:
            raise SystemExit(1)


def _mirror(config: DictConfig, directory: Path, comparison: Any, written: list[Path]) -> None:
    """Send the comparison to the loggers of the sweep; a mirror that fails costs nothing but a line."""
    # Not above: it brings torch and Lightning, which a sweep's own process has no other use for.
    import pandas as pd

    from segbench.reporting.conclusions.evidence import evidence
    from segbench.reporting.figures import FIGURES
    from segbench.reporting.text.tables import score_cells
    from segbench.tracking import log_comparison

    try:
        header, rows = score_cells(comparison)
        # Images of the data set go nowhere unasked; each run mirrors its own pictures.
        private = {spec.file for spec in FIGURES if spec.shows_data}
        figures = [(path.stem, path) for path in written if path.suffix == ".png" and path.name not in private]
        table = pd.DataFrame(rows, columns=header)
        cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        answer = evidence(comparison).answer
        log_comparison(cfg, directory / "comparison", comparison.title, answer, table, figures)
    except Exception as error:
        log.warning("the comparison is not in the loggers: %s", first_line(error))
