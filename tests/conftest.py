import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Tests compare bits and run beside each other: one thread each.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, from SEGBENCH_DATA. CI has it; elsewhere tests that need it are skipped."""
    folder = os.environ.get("SEGBENCH_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    if os.environ.get("CI"):
        pytest.fail("SEGBENCH_DATA does not name the folder of real data")
    pytest.skip("set SEGBENCH_DATA to the folder of real data sets")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def compose(repository):
    """Compose the project's configuration with overrides, as the command line does."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    from segbench.configuration.resolvers import register

    register()

    def composed(*overrides: str):
        with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
            return hydra_compose("config", list(overrides))

    return composed


@pytest.fixture(scope="session")
def run():
    """Train a configuration in a directory, as the command line does, and return its summary."""
    from segbench.runs.directory import RunDirectory
    from segbench.runs.identity import run_id
    from segbench.train import train

    def trained(cfg, directory: Path, experiment: str = "runs"):
        identity = {
            "id": run_id(cfg),
            "name": directory.name,
            "experiment": experiment,
            "choices": {},
            "overrides": [],
            "seed": cfg.seed,
        }
        train(cfg, RunDirectory(directory), identity)
        return json.loads((directory / "summary.json").read_text())

    return trained


TINY = (
    "data.subjects=8",
    "data.slices=2",
    "data.size=[32,32]",
    "data.batch_size=3",
    "model.width=2",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
)


@pytest.fixture(scope="session")
def tiny(compose):
    """Compose a configuration that trains within seconds, its files below a folder."""

    def composed(folder: Path, *overrides: str):
        return compose(*TINY, f"paths.outputs={folder}", *overrides)

    return composed


@pytest.fixture
def context(tmp_path):
    """Make what a run tells its callbacks, its directory below the test's folder."""
    from segbench.runs.directory import RunDirectory
    from segbench.runs.run_callback import RunContext

    def made(task, data, splits=("test",), loggers=()):
        run = RunDirectory(tmp_path / "run")
        run.figures.mkdir(parents=True, exist_ok=True)
        trainer = SimpleNamespace(loggers=list(loggers), global_step=0, precision="32-true")
        return RunContext(run, data, task, trainer, tuple(splits))

    return made
