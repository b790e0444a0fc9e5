"""A search by Optuna with trainings that only write down what they would have scored."""

import json
import math
from contextlib import suppress
from functools import partial

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from segbench.configuration.resolvers import register
from segbench.errors import ConfigError, SegbenchError
from segbench.runs.readers import planned_runs
from segbench.runs.study import Study
from segbench.runs.tuning import read_row
from segbench.sweep.searched import read_searched
from segbench.sweep.searching import Job, Searching

pytest.importorskip("optuna")
BEST_RATE = 2e-2
STUDY = Study(0, {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 4}, None)
ASKED = ("optimizer.lr=interval(1e-4,1e-1)", "seed=0,1")


@pytest.fixture(scope="module")
def default(repository):
    register()
    with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
        overrides = ["hydra.mode=MULTIRUN", "~callbacks.panels"]
        return hydra_compose("config", overrides, return_hydra_config=True)


@pytest.fixture
def search(default, tmp_path):
    """Begin a search, or go on with one."""

    def composed(overrides, folder=tmp_path):
        config = default.copy()
        config.paths.outputs = str(folder)
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            OmegaConf.update(config, override.key_or_group, override.value(), merge=False)
        return Job(list(overrides), config, folder / "runs" / str(config.hydra.sweep.subdir))

    def begun(*asked, folder=tmp_path):
        compose = partial(composed, folder=folder)
        return Searching(read_searched(asked), STUDY, compose), compose

    return begun


class Trainings:
    """Trains in no time: the nearer the learning rate is to the best one, the better it validates.

    ``stop`` after so many; ``ends`` maps the number of a trial to its exit code; ``diverge`` above a rate.
    """

    def __init__(self, searching, stop=math.inf, ends=None, diverge=math.inf):
        (self.searching, self.composed), self.stop, self.ends = searching, stop, ends or {}
        self.diverge, self.rates = diverge, []

    def launch(self, jobs, first):
        for number, overrides in enumerate(jobs, first):
            if len(self.rates) == self.stop:
                raise KeyboardInterrupt
            job = self.composed(overrides)
            assert job.config.seed == 1000
            assert job.config.tuning.row == self.searching.folder.name
            directory, rate = self.searching.folder / job.directory.name, job.config.optimizer.lr
            self.rates.append(rate)
            code = 4 if rate > self.diverge else self.ends.get(number, 0)
            directory.mkdir(parents=True, exist_ok=True)
            own = OmegaConf.masked_copy(job.config, [key for key in job.config if key != "hydra"])
            (directory / "config.yaml").write_text(yaml.dump(OmegaConf.to_container(own, resolve=True)))
            status = {"state": "failed" if code else "done", "exit_code": code, "reason": "as planned"}
            (directory / "status.json").write_text(json.dumps(status))
            if not code:
                score = 1 / (1 + abs(math.log10(rate / BEST_RATE)))
                (directory / "summary.json").write_text(json.dumps({"best": {"value": score, "epoch": 1}}))
            else:
                (directory / "metrics.csv").write_text("epoch,val/dice\n1,2.0\n")

    def train(self, count=12, together=1):
        self.searching.train(self.launch, count, together)
        return self.rates


def test_it_finds_the_better_rate_and_gives_it_to_the_seeds(search, tmp_path):
    searching = search("trainer.monitor=val/dice", *ASKED)
    rates = Trainings(searching).train()
    best = min(rates, key=lambda rate: abs(math.log(rate / BEST_RATE)))
    row = read_row(searching[0].folder)
    chosen = [searching[1](overrides) for overrides in searching[0].chosen()]
    assert [(job.config.seed, job.config.optimizer.lr) for job in chosen] == [(0, best), (1, best)]
    assert BEST_RATE / 2 < best < BEST_RATE * 2
    assert len(row.trials) == len(set(rates)) == 12
    # Until then they were planned, and would be missed.
    assert [name.endswith("-untuned") for name in planned_runs(tmp_path / "runs")] == [True, True]
    assert read_row(row_folder := searching[0].folder).runs == {
        job.directory.name: ("trainer.monitor=val/dice", f"seed={job.config.seed}") for job in chosen
    }
    assert row_folder.parent == tmp_path / "runs" / "tuning"


@pytest.mark.parametrize("together", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_goes_on_and_ends_as_it_would_have(search, tmp_path, together):
    whole = Trainings(search(*ASKED, folder=tmp_path / "other")).train(together=together)
    other = search(*ASKED)
    with suppress(KeyboardInterrupt):
        Trainings(other, stop=5).train(together=together)
    first = [trial for trial in read_row(other[0].folder).trials if trial.over]
    rest = Trainings(search(*ASKED)).train(together=together)
    assert (len(first), len(rest)) == (5, 7)
    recorded = [one.values["optimizer.lr"] for one in read_row(other[0].folder).study.proposals]
    assert recorded == whole
    assert recorded[-7:] == rest
    assert other[0].folder.parent == tmp_path / "runs" / "tuning"


@pytest.mark.slow
def test_more_trials_go_on_from_fewer_and_fewer_count_all_that_were_tried(search):
    begun = search(*ASKED)
    few = Trainings(begun).train(count=4)
    assert len(Trainings(search(*ASKED)).train(count=6)) == 2
    assert Trainings(search(*ASKED)).train(count=3) == []
    assert len(few) == 4
    assert len(read_row(begun[0].folder).trials) == 6


@pytest.mark.slow
def test_a_trial_that_diverges_never_wins(search):
    searching = search("trainer.monitor=val/dice", *ASKED)
    rates = Trainings(searching, diverge=1e-2).train(count=16)
    row = read_row(searching[0].folder)
    assert row.chosen.settings["optimizer.lr"] == max(rate for rate in rates if rate <= 1e-2)
    assert len(row.failed) == sum(rate > 1e-2 for rate in rates) > 0


@pytest.mark.slow
@pytest.mark.parametrize("code", [143, 3, 74])
def test_what_stops_a_trial_from_outside_costs_no_trial(search, code):
    with pytest.raises(SegbenchError, match="is not over: as planned; the same command goes on with it"):
        Trainings(search(*ASKED), ends={2: code}).train()
    assert len(Trainings(search(*ASKED)).train()) == 10


@pytest.mark.slow
def test_where_all_trials_fail_no_seed_is_trained(search):
    searching = search(*ASKED)
    Trainings(searching, diverge=0).train(count=3)
    with pytest.raises(SegbenchError, match="all 3 trials failed: as planned"):
        searching[0].chosen()


@pytest.mark.slow
def test_a_small_space_has_fewer_trials_and_says_so(search, caplog):
    searching = search("data.batch_size=4,8")
    Trainings(searching).train()
    assert "the space has only 2 different trials" in caplog.text


@pytest.mark.slow
def test_rerun_trains_all_trials_again(search):
    first = Trainings(search(*ASKED)).train(count=3)
    assert Trainings(search("rerun=true", *ASKED)).train(count=3) == first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["trainer.monitor=last"], "hydra/sweeper=optuna: trainer.monitor=last leaves no score to choose by"),
        (["data.folds=3", "data.fold=0"], "a fold is validated on images that other folds test"),
        (["seed=1000"], "tuning.seed=1000: is a seed of the comparison"),
        (["data.split_seed=${seed}", "seed=0"], "data.split_seed=0: follows the seed"),
        (["tuning.trials=3"], "tuning.trials: hydra/sweeper=optuna has hydra.sweeper.n_trials"),
        (["optimizer.lrr=interval(1,2)"], "optimizer.lrr: no such key; did you mean optimizer.lr?"),
        (["data=phantom,cmr"], "data: cannot be tuned, only what is below"),
        (["loss.smooth=interval(1,2)"], "loss.smooth: changes val/loss, which chooses"),
        (
            ["comparison={question: '?', factors: [optimizer.lr], metric: dice, split: test}"],
            "optimizer.lr: is compared, so it cannot be tuned",
        ),
    ],
)
def test_what_would_not_be_fair_is_refused(search, asked, said):
    with pytest.raises(ConfigError) as refused:
        search(ASKED[0], *asked)
    assert said in str(refused.value)
