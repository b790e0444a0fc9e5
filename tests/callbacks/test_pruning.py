"""A trial of a search that is hopeless ends before its last epoch."""

import json

import pytest

from segbench.reporting.collection.runs import collect
from segbench.reporting.single import print_run
from segbench.runs.directory import PRUNED, RunDirectory
from segbench.runs.identity import run_id
from segbench.runs.study import Proposal, Study
from segbench.runs.tuning import Trial, Tuning, read_row, write_row
from segbench.train import train

pytest.importorskip("optuna")
PRUNER = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2, "n_warmup_steps": 2}


@pytest.fixture
def trial(tiny, tmp_path):
    """Train the third trial of a search, beside two that had these losses in each epoch."""

    def trained(loss, pruner=PRUNER, seed=1000):
        folder = tmp_path / "row"
        for name in ("trial0", "trial1"):
            (folder / name).mkdir(parents=True)
            rows = "".join(f"{epoch},{loss}\n" for epoch in (1, 2, 3))
            (folder / name / "metrics.csv").write_text(f"epoch,val/loss\n{rows}")
            (folder / name / "status.json").write_text('{"state": "done"}')
            (folder / name / "summary.json").write_text(json.dumps({"best": {"value": loss}}))
        study = Study(7, {}, pruner, tuple(Proposal({"optimizer.lr": 0.1}, known) for known in (0, 1, 2)))
        space = {"optimizer.lr": (1e-4, 1e-1, "log")}
        names = tuple(map(Trial, ("trial0", "trial1", "trial2")))
        write_row(folder, Tuning("", "val/loss", False, space, names, study=study))
        cfg = tiny(tmp_path, f"seed={seed}", "tuning.row=row", "trainer.monitor=val/loss")
        run = RunDirectory(folder / "trial2")
        identity = {"id": run_id(cfg), "name": "trial2", "experiment": "runs", "choices": {}, "overrides": []}
        train(cfg, run, {**identity, "seed": seed})
        return run

    return trained


def test_a_hopeless_trial_ends_says_so_and_is_nowhere_finished(trial):
    run = trial(0.0)
    status = json.loads((run.path / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == (PRUNED, 0)
    assert status["reason"].startswith("pruned after epoch 2 of 3, with val/loss 0.")
    assert status["reason"].endswith(" at best, by MedianPruner beside 2 earlier trials")
    assert len((run.metrics).read_text().splitlines()) == 3
    assert not run.summary.exists()
    ended = read_row(run.path.parent, settings=False)
    assert (ended.pruned, ended.failed, ended.chosen.name) == ([ended.trials[2]], [], "trial0")
    (found,) = collect([run.path])
    assert (found.state, found.reason) == (PRUNED, status["reason"])
    # The end of a command has nothing to print, and nothing to complain of.
    print_run(run.path, None)


@pytest.mark.parametrize(("loss", "pruner", "seed"), [(9.0, PRUNER, 1000), (0.0, None, 1000), (0.0, PRUNER, 0)])
@pytest.mark.slow
def test_a_good_trial_one_without_a_pruner_and_any_other_run_are_trained_to_their_end(trial, loss, pruner, seed):
    assert trial(loss, pruner, seed).state() == "done"
