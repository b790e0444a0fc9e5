"""Finished runs of several seeds predict together, and are scored as one."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from segbench.assembly import build_data, build_task
from segbench.errors import CheckpointError, ConfigError
from segbench.prediction.ensemble import networks
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.conclusions.winner import how_to_predict
from segbench.runs.checkpoint_io import load_checkpoint
from segbench.runs.identity import run_id

SETTINGS = ("model=unet_cardiac", "trainer.max_epochs=4")


def named(cfg, folder):
    return folder / "runs" / f"phantom-unet-dice-seed{cfg.seed}-{run_id(cfg)}"


@pytest.fixture(scope="module")
def trained(tiny, run, tmp_path_factory):
    """The finished runs of two seeds."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in range(2):
        cfg = tiny(folder, *SETTINGS, f"seed={seed}")
        run(cfg, named(cfg, folder))
    return folder


@pytest.fixture(scope="module")
def together(tiny, run, trained):
    cfg = tiny(trained, *SETTINGS, "predict.ensemble=2")
    return named(cfg, trained), run(cfg, named(cfg, trained))


def mean_probabilities(tiny, folder, seeds, images):
    found = []
    for seed in seeds:
        cfg = tiny(folder, *SETTINGS, f"seed={seed}")
        task = build_task(cfg, build_data(cfg), restored=True)
        task.load_state_dict(load_checkpoint(named(cfg, folder) / "checkpoints" / "best.ckpt")["state_dict"])
        with torch.inference_mode():
            found.append(task.eval().network(images).double().softmax(dim=1).numpy())
    return np.mean(found, axis=0)


@pytest.mark.slow
def test_the_scores_are_those_of_the_mean_of_the_probabilities(tiny, trained, together):
    directory, summary = together
    data = build_data(tiny(trained, *SETTINGS))
    data.setup()
    table = pd.read_parquet(directory / "scores.parquet")
    table = table[table["split"] == "test"]
    items = {item["id"]: item for item in (data.scored("test")[index] for index in range(len(data.scored("test"))))}
    for image, rows in table.groupby("id"):
        item = items[image]
        taken = mean_probabilities(tiny, trained, (0, 1), item["image"][None])[0].argmax(axis=0)
        truth = np.asarray(item["mask"])
        expected = [int(((taken == index) & (truth == index)).sum()) for index in rows["class_index"]]
        assert list(rows["tp"]) == expected
    alone = [json.loads((trained / "runs" / name / "summary.json").read_text()) for name in summary["weights_of"]]
    assert summary["scores"] != alone[0]["scores"]
    assert [one["seed"] for one in alone] == [0, 1]
    for key in ("parameters", "flops_per_image", "wall_seconds"):
        assert summary["cost"][key] == pytest.approx(sum(one["cost"][key] for one in alone), abs=0.01)
    assert "best" not in summary


@pytest.mark.slow
def test_it_is_a_row_of_its_own_that_says_what_it_is(trained, together, monkeypatch):
    directory, _ = together
    # Networks of so few steps have learned nothing, and would not be ranked.
    monkeypatch.setattr("segbench.reporting.conclusions.evidence.collapses", lambda _: {})
    comparison = compare(collect([trained / "runs"]), mix=True)
    assert [row.label for row in comparison.rows] == ["ensemble=none", "ensemble=2"]
    assert [len(row.done) for row in comparison.rows] == [2, 1]
    text = " ".join(notes(comparison))
    assert "predict.ensemble=2: a run averages the probabilities of 2 trained networks, that of seed 0 those" in text
    assert "One seed only: ensemble=2; told from no other row." in text
    means = [np.mean([run.summary["scores"]["test"]["dice"] for run in row.done]) for row in comparison.rows]
    expected = f" run={directory} " if means[1] > means[0] else " 'run=["
    assert expected in how_to_predict(comparison, evidence(comparison)).commands[0]


@pytest.mark.slow
def test_its_directory_predicts_by_its_members(tiny, run, trained, together):
    directory, summary = together
    members = [directory.parent / name for name in summary["weights_of"]]
    assert networks(directory) == dict.fromkeys(members, "none")
    assert networks(members[0]) == {members[0]: "auto"}
    cfg = tiny(trained, *SETTINGS, "predict.ensemble=2", "predict.tta=flips")
    run(cfg, named(cfg, trained))
    assert networks(named(cfg, trained)) == dict.fromkeys(members, "flips")


@pytest.mark.slow
def test_further_scores_come_to_it_too(tiny, run, trained, together):
    directory, summary = together
    again = run(tiny(trained, *SETTINGS, "predict.ensemble=2", "scores=[hd95]"), directory)
    assert "hd95" in again["scores"]["test"]
    assert again["scores"]["test"].items() >= summary["scores"]["test"].items()


@pytest.mark.slow
def test_what_cannot_be_averaged_is_refused_before_anything_is_written(tiny, run, tmp_path):
    cfg = tiny(tmp_path, "predict.ensemble=2", "seed=1")
    with pytest.raises(CheckpointError) as error:
        run(cfg, named(cfg, tmp_path))
    assert str(error.value) == (
        f"predict.ensemble=2: seed=1 averages the seeds 2 to 3, of which 2 and 3 are not trained in {tmp_path}/runs;"
        " first the same command with predict.ensemble=null seed=2,3 -m"
    )
    assert not named(cfg, tmp_path).exists()


@pytest.mark.slow
def test_networks_that_were_trained_on_each_others_test_images_are_refused(tiny, run, tmp_path):
    settings = ("trainer.max_epochs=1", "data.split_seed=${seed}")
    for seed in range(2):
        cfg = tiny(tmp_path, *settings, f"seed={seed}")
        run(cfg, named(cfg, tmp_path))
    cfg = tiny(tmp_path, *settings, "predict.ensemble=2")
    with pytest.raises(ConfigError, match="settings of data follow the seed, so some networks were trained on images"):
        run(cfg, named(cfg, tmp_path))
