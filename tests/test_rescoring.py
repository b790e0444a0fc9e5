"""A finished run is scored by what it lacks without being trained again, or left as it was."""

import hashlib
import importlib
import json
import logging
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
from omegaconf import OmegaConf

import segbench.train
from segbench.errors import CheckpointError, ConfigError
from segbench.rescoring import lacking_scores, record_scores, scoring_configuration
from segbench.runs.directory import RunDirectory
from segbench.runs.scores_file import write_scores
from segbench.runs.split_scores import About
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


def test_what_comes_from_the_environment_is_recorded_by_its_name_and_no_difference(tmp_path, monkeypatch):
    monkeypatch.setenv("PLACE", "canary-5d1f")
    score = {"_target_": "segbench.scores.hd95.HD95", "place": "${oc.env:PLACE}"}
    cfg = OmegaConf.create({"scores": {"mine": score}})
    (tmp_path / "config.yaml").write_text("seed: 0\ncomparison: null\nscores: {}\n")
    (tmp_path / "summary.json").write_text("{}")
    run = RunDirectory(tmp_path)
    assert lacking_scores(run, cfg) == ["mine"]
    record_scores(run, scoring_configuration(run, cfg), {})
    assert "canary-5d1f" not in (tmp_path / "config.yaml").read_text()
    assert lacking_scores(run, cfg) == []
    # Not asked for, it cannot be computed again: its value is not known.
    with pytest.raises(ConfigError, match=r"scores\.mine\.place: came from the environment"):
        scoring_configuration(run, OmegaConf.create({"scores": {}}))


def test_further_columns_come_beside_the_same_counts(tiny, run, trained, at_once, finished, untrained, caplog):
    folder, summary = trained
    before, files = pd.read_parquet(finished / "scores.parquet"), contents(finished)
    with caplog.at_level(logging.INFO, logger="segbench"):
        again = run(tiny(folder, "scores=[hd95,nsd]"), finished)
    assert "already trained, but not scored by hd95, nsd: evaluating the best weights again" in caplog.text
    after = pd.read_parquet(finished / "scores.parquet")
    pd.testing.assert_frame_equal(after[before.columns], before)
    assert list(after.columns.difference(before.columns)) == [
        "hd95_images",
        "hd95_most",
        "hd95_sum",
        "nsd_points",
        "nsd_within",
    ]
    changed = ("scores.parquet", "summary.json", "config.yaml")
    assert contents(finished, *changed) == {k: v for k, v in files.items() if k.name not in changed}
    # Only the scores of the summary, their rules, and who computed them, are new.
    assert {key for key in again if again[key] != summary.get(key)} == {"scores", "convention", "scored_again"}
    assert again["convention"].startswith(f"{summary['convention']}; ")
    assert "HD95: a class that only truth or only prediction has counts as" in again["convention"]
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


@pytest.mark.slow
def test_a_sweep_starts_the_job_of_a_run_that_lacks_scores(tiny, trained, scored):
    folder, _ = trained
    assert done_before(scored, tiny(folder))
    assert done_before(scored, tiny(folder, "scores=hd95"))
    assert not done_before(scored, tiny(folder, "scores=surface"))


def other_counts(table):
    table.loc[3, ["fn", "tn"]] += [1, -1]


def other_groups(table):
    table["group"] = "one"


def another_image(table):
    table["id"] += "x"


@pytest.mark.slow
@pytest.mark.parametrize("change", [other_counts, other_groups, another_image])
def test_other_predictions_are_refused_and_the_run_stays_as_it_was(tiny, run, trained, finished, untrained, change):
    folder, _ = trained
    table = pd.read_parquet(finished / "scores.parquet").drop(columns=[f"predicted_{index}" for index in range(4)])
    change(table)
    write_scores(finished / "scores.parquet", [table], About("segmentation"))
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
@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("config.yaml", None, "config.yaml is missing"),
        ("config.yaml", "seed: [", "config.yaml: while parsing"),
        ("config.yaml", "seed: 0\ncomparison:\n", "config.yaml: scores is not a mapping"),
        ("scores.parquet", None, "scores.parquet is missing"),
        ("scores.parquet", "no table", "scores.parquet: Parquet magic bytes not found"),
    ],
)
def test_damaged_files_of_a_finished_run_are_one_line_with_what_to_do(
    tiny, run, trained, finished, untrained, name, damage, said
):
    folder, _ = trained
    (finished / name).unlink()
    if damage is not None:
        (finished / name).write_text(damage)
    with pytest.raises(CheckpointError, match=f"{said}.*; rerun=true trains the run again$") as refusal:
        run(tiny(folder, "scores=hd95"), finished)
    assert str(refusal.value).startswith(f"{finished}: ")
    assert "\n" not in str(refusal.value)
    if name == "config.yaml":
        with pytest.raises(CheckpointError, match=said):
            done_before(finished, tiny(folder))


OWN = """
from segbench.scores.columns import ColumnScore, Ratio


class Found:
    dimensions = (2,)

    def declare(self, unit):
        return [ColumnScore("found", "found", (Ratio({"found_yes": 1}, {"found_all": 1}),))]

    def scored_classes(self, data):
        return data.foreground

    def terms(self, region):
        return {"found_yes": 1.0, "found_all": 1.0}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write the module of an own score, as another process would find it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def write(text):
        (tmp_path / "own_score.py").write_text(text)
        monkeypatch.delitem(sys.modules, "own_score", raising=False)
        importlib.invalidate_caches()
        return "+scores.found={_target_: own_score.Found}"

    return write


@pytest.mark.slow
def test_own_code_that_has_changed_is_another_score(tiny, run, trained, finished, untrained, own):
    folder, _ = trained
    directory = RunDirectory(finished)
    cfg = tiny(folder, own(OWN))
    run(cfg, finished)
    assert not lacking_scores(directory, cfg)
    (digest,) = json.loads(directory.summary.read_text())["scored_by"]["found"].values()
    assert digest == hashlib.sha256(OWN.encode()).hexdigest()[:12]
    # Neither the settings nor the identity of the run tell that it counts otherwise now.
    own(OWN.replace('"found_yes": 1.0', '"found_yes": 0.25').replace("found_all", "found_any"))
    assert lacking_scores(directory, cfg) == ["found"]
    assert not done_before(finished, cfg)
    summary = run(cfg, finished)
    assert summary["scores"]["val"]["found"] == 0.25
    assert "found_all" not in pd.read_parquet(finished / "scores.parquet")
    assert not lacking_scores(directory, cfg)


class Marks(pl.Callback):
    """Adds a column that no score declares."""

    def bind(self, context):
        self.width = len(context.data.class_names)

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        table = list(pl_module.evaluation.values())[dataloader_idx]
        table.add_columns({"mark": np.ones((len(batch["id"]), self.width))})

    def finish(self, context):
        (context.run.path / "marks.txt").write_text(" ".join(context.splits))


@pytest.mark.slow
def test_callbacks_that_take_part_in_the_evaluation_take_part_again(tiny, run, tmp_path, monkeypatch):
    marks = f"+callbacks.marks={{_target_: {__name__}.Marks}}"
    run(tiny(tmp_path, marks, "trainer.max_epochs=1"), tmp_path / "run")
    monkeypatch.setattr(segbench.train, "_fit_and_evaluate", lambda *_: pytest.fail("it is trained again"))
    (tmp_path / "run" / "marks.txt").unlink()
    cfg = tiny(tmp_path, marks, "trainer.max_epochs=1", "scores=hd95")
    run(cfg, tmp_path / "run")
    assert {"mark", "hd95_sum"} <= set(pd.read_parquet(tmp_path / "run" / "scores.parquet"))
    assert (tmp_path / "run" / "marks.txt").read_text() == "val test"
    # A column that would vanish is not given up for another.
    monkeypatch.setattr(Marks, "on_test_batch_end", lambda *_: None)
    files = contents(tmp_path / "run")
    with pytest.raises(CheckpointError, match="the column mark of its scores would be lost, so scores=nsd cannot be"):
        run(tiny(tmp_path, marks, "trainer.max_epochs=1", "scores=nsd"), tmp_path / "run")
    assert contents(tmp_path / "run") == files


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_was_scored_again_is_scored_again(
    tiny, run, trained, finished, untrained, monkeypatch
):
    folder, _ = trained
    cfg, stop = tiny(folder, "scores=hd95"), RuntimeError("killed")
    with monkeypatch.context() as patch:
        patch.setattr(segbench.train.rescoring, "record_scores", lambda *_: (_ for _ in ()).throw(stop))
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
