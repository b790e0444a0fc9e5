"""Hydra callbacks: reject a bad configuration before a directory is created, end a sweep with its comparison."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from segbench.configuration.places import check_sweep_folder
from segbench.configuration.schema import validate
from segbench.entry import print_error
from segbench.errors import DataError, SegbenchError, StorageError
from segbench.fastest import settle
from segbench.runs.files import read_json
from segbench.sweep.launcher import keeps_record
from segbench.sweep.number import check_number
from segbench.sweep.objective import check_objective
from segbench.sweep.outcome import all_refused
from segbench.sweep.outcome import failed as has_failed
from segbench.sweep.tuning import require_none
from segbench.words import first_line

log = logging.getLogger("segbench")


class RunnerCallback(Callback):
    """Validates a single run at its start and reports a sweep at its end.

    Hydra swallows exceptions raised by callbacks, except SystemExit.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Exit with a one-line message if the configuration is invalid; choose what ``trainer=fast`` leaves open."""
        try:
            validate(config)
            require_none(config)
            settle(config)
        except SegbenchError as error:
            if config.get("debug"):
                traceback.print_exc()
            raise SystemExit(print_error(error)) from None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a sweep without a folder or of too many jobs, and remove an earlier one's record.

        That is with Hydra's own launchers, which write none and check no objective. Ours checks that of every job, and
        replaces the record once all jobs are valid, so a rejected sweep leaves it untouched.
        """
        record = Path(str(config.hydra.sweep.dir)) / "sweep.json"
        try:
            check_sweep_folder(config)
            check_number(config)
            if not keeps_record(config):
                check_objective(config)
                require_none(config)
                record.unlink(missing_ok=True)
        except SegbenchError as error:
            raise SystemExit(print_error(error)) from None
        except OSError as error:
            refusal = StorageError(f"paths.outputs: cannot remove {record}: {error.strerror}")
            raise SystemExit(print_error(refusal)) from None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the comparison of the sweep's runs; exit with 1 if a job failed, with 3 if all failed by their data."""
        directory = Path(config.hydra.sweep.dir)
        sweep = read_json(directory / "sweep.json")
        if sweep is None:
            return
        if all_refused(sweep["jobs"]):
            raise SystemExit(DataError.exit_code)
        failed = any(has_failed(job) for job in sweep["jobs"])
        try:
            from segbench.reporting.page import report_experiment
            from segbench.terminal import terminal

            runs = [directory / job["directory"] for job in sweep["jobs"]]
            comparison, written = report_experiment(directory, runs, terminal())
            _log_comparison(config, directory, comparison, written)
        except SegbenchError as error:
            raise SystemExit(print_error(error)) from None
        except Exception:
            if not failed:
                raise
            # Hydra would swallow the exception, and the sweep would exit with 0.
            traceback.print_exc()
        if failed:
            raise SystemExit(1)


def _log_comparison(config: DictConfig, directory: Path, comparison: Any, written: list[Path]) -> None:
    """Send the comparison to the sweep's loggers; a logger failure is only a warning."""
    # Imported here: it imports torch and Lightning, which the sweep's own process does not need otherwise.
    import pandas as pd

    from segbench.reporting.conclusions.evidence import evidence
    from segbench.reporting.figures import FIGURES
    from segbench.reporting.text.tables import score_cells
    from segbench.tracking import log_comparison

    try:
        header, rows = score_cells(comparison)
        # Figures with images of the data set are not sent; each run logs its own pictures.
        private = {spec.file for spec in FIGURES if spec.shows_data}
        figures = [(path.stem, path) for path in written if path.suffix == ".png" and path.name not in private]
        table = pd.DataFrame(rows, columns=header)
        cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        answer = evidence(comparison).answer
        log_comparison(cfg, directory / "comparison", comparison.title, answer, table, figures)
    except Exception as error:
        log.warning("cannot log the comparison: %s", first_line(error))
