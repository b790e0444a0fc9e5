import copy
import functools
import gc
import importlib
import json
import logging
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import settings
from tests.examples import ALL, EVERY_DAY
from tests.oracles import monai

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Tests compare bits and run beside each other: one thread each.
os.environ["OMP_NUM_THREADS"] = "1"
# torch and Hydra are imported below: the process that only gives tests to the others reads this file too.


# Python's own, which programs of the tests keep.
THRESHOLDS = gc.get_threshold()
# Cases of a test that make it a long family.
LONG = 5


def pytest_configure(config: pytest.Config) -> None:
    """Try properties on few examples where slow tests are left out."""
    settings.load_profile(EVERY_DAY if "not slow" in config.option.markexpr else ALL)
    if (number := config.getoption("--one-in")) > 1:
        told = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
        config.pluginmanager.register(OneIn(number, told.stdout.strip()))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI try a part of the slow tests; which one depends on the commit."""
    help_ = "try one case in N of each slow test with five or more, one in N / 2 of the other slow tests; which ones "
    help_ += "depends on the commit"
    parser.addoption("--one-in", type=int, default=1, metavar="N", help=help_)


COLLECTED = pytest.StashKey[dict[str, bool]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which tests there are, before any is left out, and whether any case of one runs every day.

    Those that may import a large library come first: the first of the processes begins with them, and none takes them
    from it.
    """
    found = config.stash.setdefault(COLLECTED, {})
    for item in items:
        name = f"{item.path.relative_to(Path(__file__).parent).as_posix()}::{item.originalname}"
        left_out = any(item.get_closest_marker(name) for name in ("slow", "gpu", "slurm"))
        found[name] = found.get(name, False) or not left_out
    items.sort(key=lambda item: getattr(item.module, "monai", None) is not monai)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Spare the collector of garbage what stays until the end: libraries and tests are millions of objects.

    It would look through them again and again, in each program of the tests too, which then has a copy of what it reads.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # Libraries that are imported later stay too; programs collect as they do elsewhere.
        gc.set_threshold(20_000, 20, 20)


class OneIn:
    """Leaves out slow tests, after those that the markers leave out."""

    def __init__(self, number: int, commit: str) -> None:
        self.number, self.turn = number, int(commit[:8] or "0", 16)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep of each long family one case in so many, and of the others one in half as many, alike in every process."""
        families: dict[str, list[pytest.Item]] = {}
        for item in items:
            if item.get_closest_marker("slow"):
                families.setdefault(item.nodeid.partition("[")[0], []).append(item)
        long = [members for members in families.values() if len(members) >= LONG]
        others = [item for members in families.values() if len(members) < LONG for item in members]
        left = {item for members in long for item in self._not_now(members, self.number)}
        left |= set(self._not_now(others, max(self.number // 2, 1)))
        config.hook.pytest_deselected(items=[item for item in items if item in left])
        items[:] = [item for item in items if item not in left]

    def _not_now(self, members: list[pytest.Item], number: int) -> list[pytest.Item]:
        return [item for place, item in enumerate(members) if (place + self.turn) % number]


@pytest.fixture(scope="session")
def collected(pytestconfig) -> dict[str, bool]:
    """Each test of the files that this session was given, as path::name, and whether it runs every day."""
    return pytestconfig.stash[COLLECTED]


@pytest.fixture(autouse=True)
def log_level():
    """Keep a level of the log that is set in a test, by a benchmark say, from the tests after it."""
    logger = logging.getLogger("segbench")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def git_state():
    """Ask git once about the checkout, not before each training, as it hashes the files of a new checkout every time."""
    from segbench import environment

    told = functools.cache(environment.git_state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "git_state", lambda folder=None: dict(told(folder)))
        yield


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
    """Compose the project's configuration with overrides, as the command line does; the same ones only once."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    from segbench.configuration.resolvers import register

    register()

    @functools.cache
    def known(overrides: tuple[str, ...]):
        with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
            return hydra_compose("config", list(overrides))

    def composed(*overrides: str):
        return copy.deepcopy(known(overrides))

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


class Done(NamedTuple):
    """What a program left: its exit code, or minus the signal that ended it, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def _begin(script: Path, arguments: list[str], output: Path, folder: Path, environment: dict[str, str]) -> None:
    """Become the program, as far as this can be done without loading everything again."""
    from hydra.core.plugins import Plugins
    from hydra.core.singleton import Singleton

    for number, name in enumerate(("stdout", "stderr"), start=1):
        sink = os.open(output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, number)
        setattr(sys, name, os.fdopen(sink, "w", encoding="utf-8"))
    os.environ.update(environment)
    os.chdir(folder)
    own = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = own
    if own:
        # Plug-ins are looked for once in a process.
        Singleton._instances.pop(Plugins, None)
    for path in [path for entry in own for path in Path(entry).glob("*.py")]:
        sys.modules.pop(path.stem, None)  # of an earlier test, by the same name
    logging.getLogger().handlers.clear()
    warnings.simplefilter("ignore")
    gc.set_threshold(*THRESHOLDS)
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


# What the programs import sooner or later.
LOADED = (
    "commands.run",
    "following",
    "prediction",
    "reporting.page",
    "reporting.results",
    "reporting.single",
    "starting",
    "sweep.launcher",
    "sweep.processes",
    "tracking.tensorboard",
    "train",
)


@pytest.fixture(scope="session")
def program(repository, tmp_path_factory):
    """Run a script of src/ in a fork of this process: what a user types, but for the seconds that its imports take."""
    from hydra.core.plugins import Plugins

    from segbench import environment

    for module in LOADED:
        importlib.import_module(f"segbench.{module}")
    Plugins.instance()
    environment.git_state()

    def ran(script: str, *arguments: str, folder: Path | None = None, seconds: float = 240, **environment: str) -> Done:
        output = tmp_path_factory.mktemp("program")
        begun = (repository / "src" / script, list(arguments), output, folder or output, environment)
        process = multiprocessing.get_context("fork").Process(target=_begin, args=begun)
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"{script} {' '.join(arguments)}: still running after {seconds} s")
        return Done(process.exitcode, *((output / name).read_text() for name in ("stdout", "stderr")))

    return ran


@pytest.fixture
def fresh_program(repository, tmp_path):
    """Run a script of src/ in a process that begins with nothing loaded."""

    def ran(script: str, *arguments: str, folder: Path = tmp_path, **environment: str) -> Done:
        command = [sys.executable, str(repository / "src" / script), *arguments]
        variables = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=variables, timeout=240)
        return Done(done.returncode, done.stdout, done.stderr)

    return ran


@pytest.fixture(params=["program", pytest.param("fresh_program", marks=pytest.mark.slow)])
def either_program(request):
    """Run a script of src/ in one of the two ways: in a fork every day, in CI from nothing too."""
    return request.getfixturevalue(request.param)


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
def tiny(compose, tmp_path_factory):
    """Compose a configuration that trains within seconds, its files below a folder, its images drawn once for all.

    Pictures, which take longer than such a training, are drawn where an override is about ``callbacks.panels``.
    """

    cache = tmp_path_factory.mktemp("cache")

    def composed(folder: Path, *overrides: str):
        pictures = any("callbacks.panels" in override for override in overrides)
        cfg = compose(*TINY, *(() if pictures else ("~callbacks.panels",)), *overrides)
        # Not among the overrides, for these are the same in many tests.
        cfg.paths.outputs = str(folder)
        if not any(override.startswith("paths.cache=") for override in overrides):
            cfg.paths.cache = str(cache)
        return cfg

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


BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
]


def unavailable(reason):
    if os.environ.get("SEGBENCH_REQUIRE_BROWSER"):
        pytest.fail(f"SEGBENCH_REQUIRE_BROWSER is set, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium: CHROMIUM, or the one on the path. CI requires it; elsewhere these tests are skipped."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        unavailable("there is no Chromium; on Debian: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed; pip install -e '.[test]'")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=BROWSER_FLAGS)
        yield browser
        browser.close()
