"""A finished run is scored by what it lacks without being trained again, or left as it was."""

import json
import logging
import shutil

import numpy as np
import pandas as pd
import pytest

import segbench.train
from segbench.errors import CheckpointError
from segbench.rescoring import lacking_scores
from segbench.runs.directory import RunDirectory
from segbench.sweep.finished import done_before


@pytest.fixture(scope="module")
def trained(tiny, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    summary = run(tiny(folder), folder / "run")
    return folder, summary


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of the finished run, without further scores."""
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def untrained(monkeypatch):
    """Fail where a run would be trained."""
    monkeypatch.setattr(segbench.train, "_fit_and_evaluate", lambda *_: pytest.fail("it is trained again"))


def contents(directory, *besides):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in ("train.log", ".lock", *besides)
    }


@pytest.fixture(scope="module")
def at_once(tiny, run, tmp_path_factory):
    """The scores file of a run that had the further scores from the start."""
    folder = tmp_path_factory.mktemp("at_once")
    run(tiny(folder, "scores=[hd95,nsd]"), folder / "run")
    return (folder / "run" / "scores.parquet").read_bytes()


def test_further_columns_come_beside_the_same_counts(tiny, run, trained, at_once, finished, untrained, caplog):
    folder, summary = trained
    before, files = pd.read_parquet(finished / "scores.parquet"), contents(finished)
    with caplog.at_level(logging.INFO, logger="segbench"):
        again = run(tiny(folder, "scores=[hd95,nsd]"), finished)
    assert "already trained, but not scored by hd95, nsd: evaluating the best weights again" in caplog.text
    after = pd.read_parquet(finished / "scores.parquet")
    pd.testing.assert_frame_equal(after[before.columns], before)
    assert list(after.columns.difference(before.columns)) == ["hd95_images", "hd95_sum", "nsd_points", "nsd_within"]
    changed = ("scores.parquet", "summary.json", "config.yaml")
    assert contents(finished, *changed) == {k: v for k, v in files.items() if k.name not in changed}
    # Only the scores of the summary, and who computed them, are new.
    assert {key for key in again if again[key] != summary.get(key)} == {"scores", "scored_again"}
    for split, scores in summary["scores"].items():
        assert scores.items() <= again["scores"][split].items()
    # The file, with what it says of itself, is that of a run that had been trained with them.
    assert (finished / "scores.parquet").read_bytes() == at_once


@pytest.fixture
def scored(tiny, run, trained, finished, untrained):
    folder, _ = trained
    run(tiny(folder, "scores=hd95"), finished)
    return finished


@pytest.mark.slow
def test_what_is_there_already_is_kept_and_not_computed_again(tiny, run, trained, scored, monkeypatch, caplog):
    folder, _ = trained
    cfg = {overrides: tiny(folder, *overrides) for overrides in ((), ("scores=hd95",), ("scores=nsd",))}
    directory = RunDirectory(scored)
    assert [lacking_scores(directory, found) for found in cfg.values()] == [[], [], ["nsd"]]
    run(cfg["scores=nsd",], scored)
    assert {"hd95_sum", "nsd_within"} <= set(pd.read_parquet(scored / "scores.parquet"))
    assert not any(lacking_scores(directory, found) for found in cfg.values())
    monkeypatch.setattr(segbench.train, "_score_again", lambda *_: pytest.fail("it is evaluated again"))
    with caplog.at_level(logging.INFO, logger="segbench"):
        run(tiny(folder, "scores=[nsd,hd95]"), scored)
    assert "already done, nothing to do" in caplog.text
    # Another tolerance is another score.
    assert lacking_scores(directory, tiny(folder, "scores=nsd", "scores.nsd.tolerance=5")) == ["nsd"]


def test_a_sweep_starts_the_job_of_a_run_that_lacks_scores(tiny, trained, scored):
    folder, _ = trained
    assert done_before(scored, tiny(folder))
    assert done_before(scored, tiny(folder, "scores=hd95"))
    assert not done_before(scored, tiny(folder, "scores=surface"))


def test_other_predictions_are_refused_and_the_run_stays_as_it_was(tiny, run, trained, finished, untrained):
    folder, _ = trained
    table = pd.read_parquet(finished / "scores.parquet")
    table.loc[3, ["fn", "tn"]] += [1, -1]
    table.to_parquet(finished / "scores.parquet")
    files = contents(finished)
    with pytest.raises(CheckpointError, match="so scores=hd95 cannot be added and it stays as it was; rerun=true"):
        run(tiny(folder, "scores=hd95"), finished)
    assert contents(finished) == files


def test_without_its_best_weights_a_run_cannot_be_scored_again(tiny, run, trained, finished, untrained):
    folder, _ = trained
    (finished / "checkpoints" / "best.ckpt").unlink()
    files = contents(finished)
    with pytest.raises(
        CheckpointError, match=r"best.ckpt: gone, so scores=.hd95,assd,nsd,boundary_f1. cannot be added"
    ):
        run(tiny(folder, "scores=surface"), finished)
    assert contents(finished) == files
    assert json.loads((finished / "status.json").read_text())["state"] == "done"


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_was_scored_again_is_scored_again(
    tiny, run, trained, finished, untrained, monkeypatch
):
    folder, _ = trained
    cfg, stop = tiny(folder, "scores=hd95"), RuntimeError("killed")
    with monkeypatch.context() as patch:
        patch.setattr(segbench.train.rescoring, "record_scores", lambda *_, **__: (_ for _ in ()).throw(stop))
        with pytest.raises(RuntimeError, match="killed"):
            run(cfg, finished)
    assert lacking_scores(RunDirectory(finished), cfg) == ["hd95"]
    run(cfg, finished)
    assert not lacking_scores(RunDirectory(finished), cfg)
    assert np.isfinite(pd.read_parquet(finished / "scores.parquet")["hd95_sum"]).any()


@pytest.mark.slow
def test_a_fine_tuned_run_needs_no_weights_to_start_from(tiny, run, trained, tmp_path, monkeypatch):
    folder, _ = trained
    shutil.copytree(folder / "run", tmp_path / "source")
    options = (f"init_from={tmp_path / 'source'}", "freeze=encoder", "trainer.max_epochs=1")
    run(tiny(folder, *options), tmp_path / "tuned")
    shutil.rmtree(tmp_path / "source")
    monkeypatch.setattr(segbench.train, "_fit_and_evaluate", lambda *_: pytest.fail("it is trained again"))
    run(tiny(folder, *options, "scores=assd"), tmp_path / "tuned")
    stored = (tmp_path / "tuned" / "config.yaml").read_text()
    assert f"init_from: {tmp_path / 'source'}" in stored
    assert "segbench.scores.assd.ASSD" in stored
    assert "assd_sum" in pd.read_parquet(tmp_path / "tuned" / "scores.parquet")
