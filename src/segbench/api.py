"""segbench from Python: the steps of the commands as functions (docs/python.md).

``compose`` makes a configuration, ``train`` a finished run of it, ``compare`` the comparison of finished runs,
``Predictor`` the masks of new images, and ``export`` a run's network for use elsewhere.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segbench.configuration import composition
from segbench.configuration.arguments import arranged
from segbench.configuration.schema import validate
from segbench.entry import explain
from segbench.errors import ConfigError
from segbench.exporting import Exported
from segbench.exporting import export as export_run
from segbench.fastest import settle
from segbench.predictor import Predictor
from segbench.reporting.collection.runs import Run, collect, read_run
from segbench.reporting.comparison import build
from segbench.reporting.each import experiments
from segbench.reporting.notebook import Comparison
from segbench.runs.run_log import RunLog, VisibleLines
from segbench.scores.convention import Convention
from segbench.starting import train_in

__all__ = ["Comparison", "Exported", "Predictor", "Run", "compare", "compose", "export", "train"]
_CONFIG_DIR = "config_dir"


def compose(*overrides: str, config_dir: str | Path | None = None) -> DictConfig:
    """Return a configuration: the defaults with overrides as on the command line.

    Args:
        overrides: ``key=value`` each: ``"model=attunet"``, ``"data.size=[64,64]"``.
        config_dir: A folder of your own choices, as ``--config-dir`` has it.

    Raises:
        ConfigError: If a choice or key does not exist, or several values are given (each configuration is one run).
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"config_dir={config_dir}: no such folder")
    arguments = arranged(overrides)
    if any(argument.startswith("-") for argument in arguments):
        typed = [text for text in overrides if text.startswith(("-", "decide"))]
        raise ConfigError(f"{' '.join(typed)}: for the command alone; compose makes one configuration of key=value")
    try:
        cfg = composition.compose(arguments, config_dir)
    except (HydraException, OmegaConfBaseException) as error:
        folder = [] if config_dir is None else [f"--config-dir={config_dir}"]
        raise explain(error, [*folder, *arguments]) from error
    OmegaConf.update(cfg, f"hydra.job.{_CONFIG_DIR}", config_dir and str(config_dir), force_add=True)
    return cfg


def train(cfg: DictConfig) -> Run:
    """Train and test a configuration in its run directory, or take the finished run that is there.

    An interrupted run resumes, as with the command; ``rerun=true`` trains a finished one again.

    Args:
        cfg: From :func:`compose`, perhaps with values changed since.

    Returns:
        The finished run: ``run.scores``, ``run.curves``, ``run.summary``, ``run.directory``.

    Raises:
        SegbenchError: For everything that you can mend, in one line, as the command says it.
    """
    if "hydra" not in cfg:
        raise ConfigError("cfg: not made by segbench.api.compose, so it has no run directory")
    validate(composition.without_hydra(cfg))
    cfg = cfg.copy()
    settle(cfg)
    ours = composition.without_hydra(cfg)
    directory = Path(str(cfg.hydra.run.dir))
    directory.mkdir(parents=True, exist_ok=True)
    with _logged(directory / "train.log"), _own_threads():
        train_in(directory, ours, cfg.hydra, cfg.hydra.job.get(_CONFIG_DIR))
    return read_run(directory)


def compare(
    *runs: Run | str | Path,
    metric: str | None = None,
    split: str | None = None,
    convention: Convention | None = None,
    mix: bool = False,
) -> Comparison:
    """Compare finished runs of one experiment's folder, as the command ``report`` does.

    Args:
        runs: Runs, their directories, or their experiment's folder (``outputs/runs``).
        metric: The score that decides, in place of the experiment's.
        split: The split that is scored, in place of the experiment's.
        convention: How counts become scores, in place of the task's own.
        mix: Allow differences besides factors and seed; they become factors too.

    Raises:
        ConfigError: If there are no runs, or they are not comparable.
    """
    found = collect([Path(run) for run in runs])
    if not found:
        raise ConfigError(f"{', '.join(str(Path(run)) for run in runs) or 'compare()'}: no runs here")
    if len(folders := experiments(found)) > 1:
        raise ConfigError(f"runs of several folders ({', '.join(map(str, folders))}): compare those of one at a time")
    asked = {name: value for name, value in {"metric": metric, "split": split}.items() if value is not None}
    return Comparison(build.compare(found, convention, mix, asked))


def export(
    run: Run | str | Path,
    to: str,
    out: str | Path | None = None,
    images: str | Path | None = None,
    licence: str | None = None,
    trust: bool = False,
) -> Exported:
    """Export a run's network, as the command ``export`` does; ``Predictor.load`` takes what it returns.

    Args:
        run: A run, its directory, or one of its checkpoints.
        to: ``onnx``, ``torchscript`` or ``safetensors``.
        out: The folder to write; None for ``<run>/exports/<to>``.
        images: Images to hold it against the run by; None for test images of the run's own data.
        licence: Of the weights, for the model card.
        trust: Whether the classes that the run names may be anyone's.

    Returns:
        ``exported.folder``, and how far its outputs are from the run's: ``exported.check.logits``.

    Raises:
        SegbenchError: For everything that you can mend, in one line, as the command says it.
    """
    folder, shown = (None if path is None else Path(path) for path in (out, images))
    return export_run(Path(run), to, folder, shown, trust, licence)


@contextmanager
def _own_threads() -> Iterator[None]:
    """Leave torch's threads as they were: with those of a run before it, a run would be none of the command's."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Write the lines of a run into its log, and to stderr where nothing shows them yet, as the command does."""
    logger = logging.getLogger("segbench")
    handlers: Sequence[logging.Handler] = [RunLog(path)]
    handlers[0].setFormatter(VisibleLines("%(asctime)s %(levelname)s %(message)s"))
    if not logger.hasHandlers():
        handlers = [*handlers, logging.StreamHandler(sys.stderr)]
    level = logger.level
    logger.setLevel(logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
