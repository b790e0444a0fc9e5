from types import SimpleNamespace

import pytest

from segbench.runs.directory import RunDirectory
from segbench.runs.run_callback import RunContext


@pytest.fixture
def context(tmp_path):
    """Make what a run tells its callbacks, its directory below the test's folder."""

    def made(task, data, splits=("test",), folder=tmp_path / "run"):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        trainer = SimpleNamespace(loggers=[], global_step=0, precision="32-true")
        return RunContext(RunDirectory(folder), data, task, trainer, tuple(splits))

    return made
