"""What Optuna is told of trials, and what it proposes: a function of the files."""

import json
from dataclasses import replace

import pytest
import torch

from segbench.errors import ConfigError
from segbench.runs import optuna_study
from segbench.runs.optuna_study import past, propose, running
from segbench.runs.study import Proposal, Study, build_part
from segbench.runs.tuning import Trial, Tuning, read_row, write_row

optuna = pytest.importorskip("optuna")
SAMPLER = {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 3}
PRUNER = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2, "n_warmup_steps": 2}
SPACE = {"optimizer.lr": (1e-4, 1e-1, "log"), "model.width": (2, 8, "int"), "model": ("unet", "attunet")}


def make_trial(folder, name, scores, state="done", code=0):
    """Write a trial by its validation scores of the epochs."""
    (folder / name).mkdir(parents=True)
    (folder / name / "status.json").write_text(json.dumps({"state": state, "exit_code": code, "reason": "as planned"}))
    rows = "".join(f"{epoch},{score}\n" for epoch, score in enumerate(scores, 1))
    (folder / name / "metrics.csv").write_text(f"epoch,val/dice\n{rows}")
    if state == "done":
        (folder / name / "summary.json").write_text(json.dumps({"best": {"value": max(scores), "epoch": 1}}))


def row_of(folder, ends, known=None, pruner=PRUNER):
    """Write trials and their record: each of ``ends`` has scores, perhaps a state and an exit code."""
    proposals = []
    for number, (scores, *end) in enumerate(ends):
        make_trial(folder, f"trial{number}", scores, *end)
        values = {"optimizer.lr": float(f"{1e-3 * (number + 1):.3g}"), "model.width": 2 + number, "model": "unet"}
        proposals.append(Proposal(values, number if known is None else known))
    names = tuple(Trial(f"trial{number}") for number in range(len(ends)))
    study = Study(7, SAMPLER, pruner, tuple(proposals))
    write_row(folder, Tuning("", "val/dice", True, SPACE, names, study=study))
    return read_row(folder, settings=False)


@pytest.fixture
def ended(tmp_path):
    """Trials that ended in every way there is."""
    folder = tmp_path / "row"
    ends = [([0.3, 0.5],), ([0.2, 0.1], "pruned"), ([0.4, 0.9], "failed", 4), ([0.1], "failed", 2), ([0.6, 0.55],)]
    return folder, row_of(folder, ends)


def test_optuna_is_told_how_trials_ended_and_neither_a_diverged_nor_a_pruned_one_is_best(ended):
    folder, row = ended
    study = past(row, folder)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "PRUNED", "FAIL", "COMPLETE"]
    assert study.best_trial.user_attrs == {"directory": "trial4"}
    assert study.trials[0].intermediate_values == {1: 0.3, 2: 0.5}
    # What it scored before it diverged says nothing for its values.
    assert study.trials[2].intermediate_values == {}
    assert (row.chosen.name, [trial.name for trial in row.failed]) == ("trial4", ["trial2", "trial3"])
    assert [trial.name for trial in row.pruned] == ["trial1"]


def test_proposals_follow_from_seed_and_ends_alone(ended):
    folder, row = ended
    found = propose(row, folder, 3)
    assert found == propose(read_row(folder, settings=False), folder, 3)
    assert len({tuple(values.items()) for values in found}) == 3
    for values in found:
        assert 1e-4 <= values["optimizer.lr"] <= 1e-1
        assert values["optimizer.lr"] == float(f"{values['optimizer.lr']:.3g}")
        assert values["model.width"] in range(2, 9)
        assert values["model"] in ("unet", "attunet")
    other = replace(row, study=replace(row.study, seed=8))
    assert propose(other, folder, 3) != found


def test_a_space_that_is_used_up_ends_the_proposals(tmp_path):
    row = replace(row_of(tmp_path / "row", []), space={"model": ("unet", "attunet")})
    found = propose(row, tmp_path / "row", 9)
    assert sorted(values["model"] for values in found) == ["attunet", "unet"]


def ask(row, folder, number, scores):
    """Return the epoch after which a trial is pruned; None for none."""
    trial = running(row, folder, number)
    for epoch, score in enumerate(scores, 1):
        trial.report(score, epoch)
        if trial.should_prune():
            return epoch
    return None


def test_the_worse_half_is_pruned_after_the_epochs_that_it_has_at_least(tmp_path):
    row = row_of(tmp_path, [([0.1, 0.4, 0.6],), ([0.1, 0.5, 0.7],), ([0.0],)])
    assert ask(row, tmp_path, 2, [0.0, 0.1, 0.2]) == 2
    assert ask(row, tmp_path, 2, [0.0, 0.6, 0.8]) is None


def test_a_trial_is_compared_with_those_alone_that_had_ended_when_it_was_proposed(tmp_path):
    row = row_of(tmp_path, [([0.1, 0.4, 0.6],), ([0.1, 0.5, 0.7],), ([0.0],)], known=1)
    assert ask(row, tmp_path, 2, [0.0, 0.1, 0.2]) is None


def test_pruners_that_remember_how_far_trials_came_do_so(tmp_path):
    halving = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 2}
    row = row_of(tmp_path, [([0.5, 0.6, 0.7],), ([0.4, 0.5, 0.6],), ([0.0],)], pruner=halving)
    assert ask(row, tmp_path, 2, [0.1, 0.1, 0.1]) == 1
    assert ask(row, tmp_path, 2, [0.9, 0.9, 0.9]) is None


@pytest.mark.parametrize(
    ("key", "part", "said"),
    [
        ("sampler", {"_target_": "os.system"}, "hydra.sweeper.sampler._target_=os.system: none of optuna.samplers."),
        ("sampler", {"_target_": "optuna.samplers.TPESample"}, "did you mean optuna.samplers.TPESampler?"),
        ("sampler", {"_target_": "optuna.samplers.CmaEsSampler"}, "CmaEsSampler: none of"),
        ("sampler", {"_target_": "optuna.samplers.TPESampler", "n_startup": 3}, "hydra.sweeper.sampler: "),
        ("pruner", {"_target_": "optuna.samplers.TPESampler"}, "none of optuna.pruners."),
    ],
)
def test_nothing_but_optuna_s_own_classes_is_built(key, part, said):
    with pytest.raises(ConfigError) as refused:
        build_part(key, part)
    assert said in str(refused.value)


def test_a_sampler_begins_no_threads_which_the_forks_of_a_sweep_would_wait_for(ended, monkeypatch):
    used = []

    class Sampler(optuna.samplers.RandomSampler):
        def sample_relative(self, *arguments):
            used.append(torch.get_num_threads())
            return super().sample_relative(*arguments)

    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: threads.append(number))
    monkeypatch.setattr(optuna_study, "build_part", lambda *_, seed: Sampler(seed))
    threads = [4]
    propose(ended[1], ended[0], 1)
    assert (used, threads) == ([1], [4, 1, 4])
