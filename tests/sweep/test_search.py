"""``hydra/sweeper=optuna`` with networks that are trained."""

import itertools
import json
import logging
import multiprocessing
import os
import signal
from functools import partial

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from torch import nn

from segbench.callbacks import Curves
from segbench.configuration.resolvers import register
from segbench.errors import ConfigError
from segbench.runs.directory import RunDirectory
from segbench.runs.identity import run_id
from segbench.runs.study import Study
from segbench.runs.tuning import read_row
from segbench.sweep import forks
from segbench.sweep.search import OptunaSweeper
from segbench.sweep.searched import read_searched
from segbench.sweep.searching import Job, Searching
from segbench.train import train

pytest.importorskip("optuna")
TINY = [
    "data.subjects=8",
    "data.slices=2",
    "data.size=[16,16]",
    "data.batch_size=all",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
    "trainer.max_epochs=6",
    "loss=ce",
    "~callbacks.panels",
    "~callbacks.predictions",
]
STUDY = Study(
    0,
    {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 4},
    {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 4, "n_warmup_steps": 3},
)


class Linear(nn.Module):
    """Nine weights a class and channel: its loss has one minimum, and one best learning rate."""

    def __init__(self, in_channels: int, out_channels: int, width: int = 1) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layer(image)


@pytest.fixture(scope="module")
def configuration(repository):
    register()
    with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
        config = hydra_compose("config", [*TINY, "hydra.mode=MULTIRUN"], return_hydra_config=True)
    OmegaConf.update(config, "model", {"_target_": f"{__name__}.Linear", "width": 1}, merge=False)
    return config


def composed(configuration, folder, overrides):
    config = configuration.copy()
    config.paths.outputs = str(folder)
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        OmegaConf.update(config, override.key_or_group, override.value(), merge=False)
    return Job(list(overrides), config, folder / "runs" / str(config.hydra.sweep.subdir))


def trained(searching, compose, jobs, number):
    """Train jobs one after the other, in this process, as Hydra's basic launcher does."""
    for overrides in jobs:
        made = compose(overrides)
        cfg = OmegaConf.masked_copy(made.config, [key for key in made.config if key != "hydra"])
        run = RunDirectory(searching.folder / made.directory.name)
        identity = {"id": run_id(cfg), "name": run.path.name, "experiment": "runs", "choices": {}, "overrides": []}
        train(cfg, run, {**identity, "seed": cfg.seed})


def searched(configuration, folder, seed, killed_in=None):
    """Search the learning rate by 12 trials; the process kills itself after an epoch of one of them."""
    compose = partial(composed, configuration, folder)
    asked = ["optimizer.lr=interval(1e-3,10)", f"data.phantom_seed={seed}", f"tuning.seed={1000 + seed}"]
    searching = Searching(read_searched(asked), STUDY, compose)
    left = killed_in

    def launch(jobs, number):
        nonlocal left
        if left is not None and (left := left - 1) == 0:
            Curves.on_train_epoch_end = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        trained(searching, compose, jobs, number)

    searching.train(launch, 12, 1)
    return searching, compose


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"sampler": "TPESampler"},
            r"sampler=TPESampler: .* hydra.sweeper.sampler._target_=optuna.samplers.TPESampler$",
        ),
        ({"sampler": None}, r"sampler=None: .* hydra.sweeper.sampler._target_=optuna.samplers.TPESampler$"),
        ({"pruner": "NopPruner"}, r"pruner=NopPruner: .* hydra.sweeper.pruner._target_=optuna.pruners.NopPruner$"),
    ],
)
def test_a_sampler_or_pruner_by_its_bare_name_is_refused_with_what_to_type(parts, said):
    known = OmegaConf.create({"_target_": "optuna.samplers.TPESampler"})
    with pytest.raises(ConfigError, match=rf"^hydra.sweeper.{said}"):
        OptunaSweeper(1, **{"sampler": known, **parts})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_is_killed_in_its_sixth_trial_finds_the_better_learning_rate(
    configuration, tmp_path, caplog, seed
):
    # 4 s of CPU a case. Between 0.1 and 1 the loss comes down from 1.3 or more to 0.3 to 0.7; with 0.01 it hardly
    # moves, and with 10 it rises above what it was.
    caplog.set_level(logging.WARNING, "segbench")
    first = multiprocessing.get_context("fork").Process(target=searched, args=(configuration, tmp_path, seed, 6))
    first.start()
    first.join()
    assert first.exitcode == -signal.SIGKILL
    (record,) = tmp_path.rglob("row.json")
    before = read_row(record.parent)
    assert [trial.over for trial in before.trials] == [True] * 5 + [False]
    searching, compose = searched(configuration, tmp_path, seed)
    row = read_row(searching.folder)
    assert (len(row.trials), row.trials[:5]) == (12, before.trials[:5])
    assert json.loads((searching.folder / row.trials[5].name / "status.json").read_text())["attempts"] == 2
    (chosen,) = map(compose, searching.chosen())
    assert 0.1 < chosen.config.optimizer.lr < 1


@pytest.mark.slow
def test_the_command_goes_on_after_a_kill_and_its_page_says_among_how_many_trials_it_chose(program, tmp_path):
    asked = ["-m", f"paths.outputs={tmp_path}", *TINY, "model.width=2", "trainer.monitor=val/dice", "seed=0,1"]
    asked += ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "optimizer.lr=1e-4,3e-2,1e30"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])
        begin, begun = forks.begin, itertools.count(1)
        # The sweep is killed as it would begin its third job.
        patch.setattr(forks, "begin", lambda *a: os.kill(os.getpid(), 9) if next(begun) == 3 else begin(*a))
        assert program("run.py", *asked).returncode == -signal.SIGKILL
        patch.setattr(forks, "begin", begin)
        done = program("run.py", *asked)
        again = program("run.py", *asked)
    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    # One trial and two seeds; then nothing.
    ended = [line for line in done.stderr.splitlines() if line.startswith("#") and "skipped" not in line]
    assert len(ended) == 3
    assert not [line for line in again.stderr.splitlines() if line.startswith("#") and "skipped" not in line]
    (record,) = tmp_path.rglob("row.json")
    row = read_row(record.parent)
    (diverged,) = row.failed
    assert (diverged.settings["optimizer.lr"], diverged.exit_code, len(row.trials)) == (1e30, 4, 3)
    runs = json.loads((tmp_path / "runs" / "sweep.json").read_text())["jobs"]
    assert {run["directory"] for run in runs} == set(row.runs)
    assert f"optimizer.lr={row.chosen.settings['optimizer.lr']}; 0 pruned, 1 failed" in done.stderr
    page = (tmp_path / "runs" / "index.html").read_text()
    assert "3 trials of 6 epochs for each tuned row" in page
    assert "The trials are those of a search by TPESampler and MedianPruner" in page
