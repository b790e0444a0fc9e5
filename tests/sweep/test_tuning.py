"""Equal tuning before a sweep's seeds, with trainings that only write down what they would have scored."""

import json
import math
from contextlib import suppress

import pytest
import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from segbench.configuration.resolvers import register
from segbench.errors import ConfigError, SegbenchError
from segbench.runs.directory import RunDirectory
from segbench.runs.tuning import FOLDER, read_row
from segbench.sweep import finished, tuning
from segbench.sweep.job import Job

MODELS, SEEDS = ("unet", "attunet"), (0, 1)
BEST_RATE = {"unet": 3e-3, "attunet": 4e-4}


@pytest.fixture(scope="module")
def networks(repository):
    """The composed configuration of each network."""
    register()
    with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
        overrides = ["hydra.mode=MULTIRUN", "~callbacks.panels"]
        return {
            model: hydra_compose("config", [f"model={model}", *overrides], return_hydra_config=True) for model in MODELS
        }


@pytest.fixture
def composed(networks, tmp_path):
    """Make a job of a network and values, as the launcher does."""
    parser = OverridesParser.create()

    def made(number, overrides):
        first, *others = map(parser.parse_override, overrides)
        config = networks[first.value()].copy()
        config.paths.outputs = str(tmp_path)
        for override in others:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=False)
        return Job(number, list(overrides), config, tmp_path / "runs" / str(config.hydra.sweep.subdir))

    return made


@pytest.fixture
def jobs(composed):
    def made(*further, models=MODELS, seeds=SEEDS):
        wanted = [(model, seed) for model in models for seed in seeds]
        return [
            composed(number, [f"model={model}", f"seed={seed}", "tuning.trials=3", *further])
            for number, (model, seed) in enumerate(wanted)
        ]

    return made


@pytest.fixture(autouse=True)
def done_by_its_state(monkeypatch):
    """Take a run for finished by its status alone: these have neither data nor scores."""

    def done(directory, config):
        return not config.rerun and RunDirectory(directory).state() == "done"

    monkeypatch.setattr(finished, "done_before", done)


class Trainings:
    """Trains in no time: the nearer a network's learning rate is to its best one, the better it validates.

    ``stop`` after so many, ``ends`` maps the number of a trial to an exit code; test scores say the opposite.
    """

    def __init__(self, stop=math.inf, ends=None):
        self.stop, self.ends, self.begun = stop, ends or {}, []

    def __call__(self, jobs, is_done=finished.done_before):
        for job in jobs:
            try:
                if is_done(job.directory, job.config):
                    continue
            except SegbenchError as error:
                job.outcome = {"exit_code": error.exit_code, "reason": str(error)}
                continue
            if len(self.begun) == self.stop:
                raise KeyboardInterrupt
            self.begun.append(job.directory.name)
            self.train(job, self.ends.get(job.number, 0) if job.directory.parent.parent.name == FOLDER else 0)

    def train(self, job, code):
        job.directory.mkdir(parents=True, exist_ok=True)
        own = OmegaConf.masked_copy(job.config, [key for key in job.config if key != "hydra"])
        (job.directory / "config.yaml").write_text(yaml.dump(OmegaConf.to_container(own, resolve=True)))
        status = {"state": "failed" if code else "done", "exit_code": code, "reason": "as planned" if code else None}
        (job.directory / "status.json").write_text(json.dumps(status))
        if not code:
            network = job.config.hydra.runtime.choices.model
            miss = abs(math.log10(job.config.optimizer.lr / BEST_RATE[network]))
            value = miss if job.config.trainer.monitor == "val/loss" else 1 / (1 + miss)
            best = {"value": value, "epoch": 1}
            scores = {"test": {"dice": miss}, "val": {"dice": 1 / (1 + miss)}}
            (job.directory / "summary.json").write_text(json.dumps({"best": best, "scores": scores}))


def tuned(jobs, composed, trainings):
    rows = tuning.plan(jobs, composed)
    found = tuning.tune(rows, composed, trainings)
    final = [found.jobs.get(job.directory, job) for job in jobs]
    trainings(final, found.done_before)
    return rows, final


def rates(jobs):
    return [job.config.optimizer.lr for job in jobs]


@pytest.mark.slow
def test_nothing_is_tuned_by_default(composed, tmp_path):
    job = composed(0, ["model=unet", "seed=0"])
    trainings = Trainings()
    assert tuned([job], composed, trainings) == ([], [job])
    assert trainings.begun == [job.directory.name]
    assert not (tmp_path / "runs" / FOLDER).exists()


@pytest.mark.parametrize("monitor", ["val/loss", "val/dice"])
def test_each_row_gets_its_best_settings_from_as_many_trials_of_the_same_values(jobs, composed, monitor):
    asked = jobs(f"trainer.monitor={monitor}", "tuning.epochs=3")
    rows, final = tuned(asked, composed, Trainings())
    assert [len(row.trials) for row in rows] == [3, 3]
    assert rates(rows[0].trials) == rates(rows[1].trials)
    # The first trial has the settings as they were, and no trial a seed of the comparison.
    assert rates(rows[0].trials)[0] == 1e-3
    assert {(trial.config.seed, trial.config.trainer.max_epochs) for row in rows for trial in row.trials} == {(1000, 3)}
    # An oracle of its own: the rate nearest to the network's best one.
    expected = [min(rates(row.trials), key=lambda rate: abs(math.log(rate / BEST_RATE[model])))
                for row, model in zip(rows, MODELS, strict=True)]  # fmt: skip
    assert rates(final) == [expected[0]] * 2 + [expected[1]] * 2
    assert expected[0] != expected[1]
    assert [(job.config.seed, job.config.trainer.max_epochs) for job in final] == [(0, 20), (1, 20)] * 2
    # What was chosen makes another run.
    assert not {job.directory for job in asked} & {job.directory for job in final}


@pytest.mark.slow
def test_the_record_names_trials_ranges_and_runs_as_they_were_typed(jobs, composed, tmp_path):
    rows, final = tuned(jobs(), composed, Trainings())
    found = read_row(rows[0].folder)
    assert rows[0].folder.parent == tmp_path / "runs" / FOLDER
    assert [trial.name for trial in found.trials] == [trial.directory.name for trial in rows[0].trials]
    assert found.space["optimizer.lr"] == (1e-4, 1e-2, "log")
    assert found.chosen.settings["optimizer.lr"] == final[0].config.optimizer.lr
    assert found.runs == {job.directory.name: ("model=unet", f"seed={job.config.seed}", "tuning.trials=3")
                          for job in final[:2]}  # fmt: skip
    assert final[0].config.tuning.row == rows[0].folder.name


@pytest.mark.slow
@pytest.mark.parametrize("stop", [4, 0, 2, 6, 7])
def test_what_was_killed_goes_on_with_what_is_missing(jobs, composed, stop):
    first = Trainings(stop)
    with suppress(KeyboardInterrupt):
        tuned(jobs(), composed, first)
    again = Trainings()
    _, final = tuned(jobs(), composed, again)
    assert len(first.begun) + len(again.begun) == 3 * 2 + 4
    assert not set(first.begun) & set(again.begun)
    assert [job.directory for job in final] == [job.directory for job in tuned(jobs(), composed, Trainings(0))[1]]


@pytest.mark.slow
def test_a_larger_budget_goes_on_from_the_smaller_one(jobs, composed):
    tuned(jobs(), composed, Trainings())
    more = Trainings()
    rows, _ = tuned(jobs("tuning.trials=5"), composed, more)
    assert [len(row.trials) for row in rows] == [5, 5]
    assert sum(name in {trial.directory.name for row in rows for trial in row.trials} for name in more.begun) == 4


@pytest.mark.slow
def test_trials_that_fail_by_their_settings_are_spent_and_named(jobs, composed, caplog):
    caplog.set_level("INFO", logger="segbench")
    rows, final = tuned(jobs(models=["unet"]), composed, Trainings(ends={2: 4, 3: 137}))
    assert rates(final) == [rates(rows[0].trials)[0]] * 2
    assert "2 trials of the budget failed" in caplog.text
    assert f"{rows[0].trials[1].directory.name} (as planned)" in caplog.text
    # Started again, nothing is tried a second time.
    tuned(jobs(models=["unet"]), composed, Trainings(0))


@pytest.mark.slow
@pytest.mark.parametrize("code", [3, 74, 143])
def test_what_stops_a_trial_from_outside_costs_no_trial(jobs, composed, code):
    trainings = Trainings(ends={2: code})
    rows, final = tuned(jobs(models=["unet"]), composed, trainings)
    assert [job.outcome["exit_code"] for job in final] == [1, 1]
    name = rows[0].trials[1].directory.name
    assert final[0].outcome["reason"] == (
        f"not tuned, as trial {name} is not over: as planned; the same command goes on with it"
    )
    again = Trainings()
    _, final = tuned(jobs(models=["unet"]), composed, again)
    assert again.begun == [name, *(job.directory.name for job in final)]


@pytest.mark.slow
def test_where_all_trials_fail_no_seed_is_trained(jobs, composed):
    trainings = Trainings(ends=dict.fromkeys(range(1, 4), 4))
    _, final = tuned(jobs(models=["unet"]), composed, trainings)
    assert len(trainings.begun) == 3
    assert final[0].outcome["reason"] == "not tuned, as all 3 trials failed: as planned"


@pytest.mark.slow
def test_a_small_space_has_fewer_trials_and_says_so(jobs, composed, caplog):
    asked = jobs("tuning.space={data.batch_size: [7, 8, int]}", models=["unet"])
    rows, _ = tuned(asked, composed, Trainings())
    # 8 is what is configured.
    assert [trial.config.data.batch_size for trial in rows[0].trials] == [8, 7]
    assert "the space has only 2 different trials" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.monitor=last"], "trainer.monitor=last leaves no score to choose by"),
        (["data.folds=3", "data.fold=0"], "a fold is validated on images that other folds test"),
        (["tuning.seed=1"], "tuning.seed=1: is a seed of the comparison"),
        (["data.split_seed=${seed}"], "data.split_seed=0: follows the seed"),
        (["init_from='${paths.outputs}/seed${seed}'"], "init_from=<outputs>/seed0: follows the seed"),
        (
            ["comparison={question: '?', factors: [optimizer.lr], metric: dice, split: test}"],
            "optimizer.lr: is compared",
        ),
    ],
)
def test_what_would_not_be_fair_is_refused(jobs, composed, overrides, said):
    with pytest.raises(ConfigError) as refused:
        tuning.plan(jobs(*overrides, models=["unet"]), composed)
    assert said in str(refused.value)


@pytest.mark.slow
def test_runs_that_only_predict_otherwise_share_a_row_and_its_trials(jobs, composed):
    plain = jobs(models=["unet"])
    others = [*jobs("predict.tta=flips", models=["unet"]), *jobs("predict.ensemble=2", models=["unet"], seeds=[0])]
    trainings = Trainings()
    rows, final = tuned([*plain, *others], composed, trainings)
    (row,) = rows
    assert row.folder == tuning.plan(plain, composed)[0].folder
    assert {(trial.config.predict.tta, trial.config.predict.ensemble) for trial in row.trials} == {(None, None)}
    assert len(trainings.begun) == len(row.trials) + len(final)
    assert len(set(rates(final))) == 1
    assert [job.config.predict.ensemble for job in final] == [None] * 4 + [2]
    assert set(read_row(row.folder).runs) == {job.directory.name for job in final}


@pytest.mark.slow
def test_the_log_tells_trials_of_all_rows_apart_by_their_numbers(jobs, composed):
    rows = tuning.plan(jobs(), composed)
    assert [trial.number for row in rows for trial in row.trials] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_runs_are_planned_before_their_settings_are_chosen(jobs, composed):
    asked = jobs()
    rows = tuning.plan(asked, composed)
    waiting = tuning.untuned(rows)
    assert [job.config.seed for job in waiting] == [job.config.seed for job in asked]
    assert len({job.directory for job in (*waiting, *asked)}) == 2 * len(asked)


def test_a_trial_is_no_twin_of_a_run_that_has_to_be_scored(tmp_path):
    run = "phantom-unet-dice-seed0-0123456789"
    for folder in ("tuning/row", "other/tuning/row"):
        (tmp_path / folder / run).mkdir(parents=True)
        (tmp_path / folder / run / "status.json").write_text('{"state": "done"}')
    finished._link_twin(tmp_path / "new" / run, tmp_path, trial=False)
    assert not (tmp_path / "new").exists()
    finished._link_twin(tmp_path / "new" / run, tmp_path, trial=True)
    assert (tmp_path / "new" / run).is_symlink()


def test_what_is_swept_is_not_tuned(composed):
    swept = [
        composed(number, ["model=unet", f"optimizer.lr={rate}", "tuning.trials=2"])
        for number, rate in enumerate((1e-3, 1e-2))
    ]
    with pytest.raises(ConfigError, match="optimizer.lr: is compared, so it cannot be tuned"):
        tuning.plan(swept, composed)
    assert len(tuning.plan([swept[0]], composed)) == 1


def test_a_single_run_and_hydra_s_own_launchers_refuse_trials(jobs):
    (job,) = jobs(models=["unet"], seeds=[0])
    with pytest.raises(ConfigError, match="tuning.trials=3: trials are trained before the runs of a sweep; add -m"):
        tuning.require_none(job.config)
    job.config.tuning.row = "its row"
    tuning.require_none(job.config)
