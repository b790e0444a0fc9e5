"""Classification runs: read, checked, compared; scores against scikit-learn, contributions by leaving images out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from labelled import NAMES, digits, label_run, labels_table
from rich.console import Console
from scored import store
from sklearn.metrics import f1_score, precision_score, recall_score

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.single import print_run
from segbench.reporting.statistics.jackknife import parts
from segbench.runs.scores_file import read_scores
from segbench.runs.split_labels import SplitLabels
from segbench.runs.split_scores import About, derive
from segbench.scores.derive import Convention
from segbench.scores.labels import LABEL_CONVENTION

pytestmark = pytest.mark.usefixtures("no_power")


def read(tmp_path: Path, truth: np.ndarray, prediction: np.ndarray, groups: list[str] | None = None) -> SplitLabels:
    path = tmp_path / "scores.parquet"
    store(path, labels_table(truth, prediction, groups).sample(frac=1, random_state=0), About("classification"))
    found = read_scores(path)["test"]
    assert isinstance(found, SplitLabels)
    return found


def test_scores_are_those_of_scikit_learn(tmp_path: Path) -> None:
    truth, prediction = digits(300, 0.3, 1)
    found = read(tmp_path, truth, prediction)
    assert found.class_names == NAMES
    assert derive(found, "accuracy", LABEL_CONVENTION) == np.mean(truth == prediction)
    for name, oracle in (("f1", f1_score), ("sensitivity", recall_score), ("precision", precision_score)):
        each = oracle(truth, prediction, average=None)
        got = [derive(found, f"{name}_{label}", LABEL_CONVENTION) for label in NAMES]
        assert got == pytest.approx(each.tolist(), rel=1e-12)
        assert derive(found, name, LABEL_CONVENTION) == pytest.approx(each.mean(), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "f1", "f1_dog"])
def test_a_contribution_is_what_the_score_loses_without_the_group(tmp_path: Path, metric: str) -> None:
    truth, prediction = digits(60, 0.3, 1)
    groups = [f"w{index // 2}" for index in range(60)]
    whole = read(tmp_path, truth, prediction, groups)
    found = parts(whole, metric, LABEL_CONVENTION)
    for index, name in enumerate(found.names):
        keep = np.array(groups) != name
        part = read(tmp_path, truth[keep], prediction[keep])
        expected = derive(whole, metric, LABEL_CONVENTION) - derive(part, metric, LABEL_CONVENTION)
        assert found.loss[index] == pytest.approx(expected, abs=1e-12)


def test_images_that_are_their_own_groups_are_not_mixed_up(tmp_path: Path) -> None:
    truth, prediction = digits(20, 0.4, 1)
    groups = [f"w{19 - index:02d}" for index in range(20)]
    found = parts(read(tmp_path, truth, prediction, groups), "accuracy", LABEL_CONVENTION)
    right = (truth == prediction)[::-1]
    assert found.pseudo_values(np.ones(20, bool)) == pytest.approx(right.astype(float), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop(columns="probability"), "no column probability"),
        (lambda table: table.assign(prediction=table["prediction"].astype(str)), "must be categories"),
        (lambda table: table.assign(id="same"), "not one row for each image"),
        (lambda table: table.assign(probability=1.2), "not between 0 and 1"),
        (lambda table: table.assign(probability=np.nan), "not between 0 and 1"),
        (lambda table: table.assign(truth=table["truth"].cat.remove_categories("eel")), "the same classes"),
        (lambda table: table.assign(truth=table["truth"].where(table["truth"] != "eel")), "lacks its truth"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "scores.parquet"
    store(path, change(labels_table(*digits(30, 0.2, 1))), About("classification"))  # type: ignore[operator]
    with pytest.raises(ValueError, match=said):
        read_scores(path)


@pytest.mark.slow
def test_a_comparison_of_classifiers(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, wrong in (("ff", 0.3), ("cnn", 0.05)):
        for seed in range(3):
            label_run(make_run, model, seed, *digits(400, wrong, 10 * seed + len(model)))
    runs = collect([tmp_path])
    found = compare(runs)
    assert (found.task.name, found.metric, found.classes) == ("classification", "accuracy", NAMES)
    cnn = found.rows[0]
    assert cnn.label == "cnn"
    truths = [(run.counts["test"].truth, run.counts["test"].prediction) for run in cnn.done]  # type: ignore[union-attr]
    assert cnn.scores["accuracy"].mean == pytest.approx(np.mean([np.mean(a == b) for a, b in truths]))
    assert cnn.scores["f1_eel"].mean == pytest.approx(np.mean([f1_score(a, b, average=None)[2] for a, b in truths]))
    line = notes(found)[0]
    assert "400 images" in line
    assert not any(word in line for word in ("background", "255", "resolution", "pixel"))
    with pytest.raises(ConfigError, match="--reduction"):
        compare(runs, Convention("pooled"))


def test_an_unknown_metric_is_refused_with_those_there_are(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make_run.comparison = {"question": "?", "factors": ["model"], "metric": "dice", "split": "test"}
    label_run(make_run, "ff", 0, *digits(30, 0.3, 0))
    with pytest.raises(ConfigError, match="comparison.metric: no score 'dice' of a classification; there are accuracy"):
        compare(collect([tmp_path]))


def test_a_stray_segmentation_is_excluded(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for seed in range(2):
        label_run(make_run, "ff", seed, *digits(30, 0.3, seed))
    make_run(model="unet", experiment="mnist/networks", choices={"loss": "ce"})
    found = compare(collect([tmp_path]))
    assert [row.label for row in found.rows] == ["all runs"]
    assert [(run.state, "share no score" in reason) for run, reason in found.unfinished] == [("excluded", True)]


def test_the_end_of_a_run_shows_classes_and_accuracy(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    truth, prediction = digits(50, 0.2, 1)
    folder = label_run(make_run, "ff", 0, truth, prediction)
    console = Console(width=150, record=True, file=(tmp_path / "out").open("w"))
    print_run(folder, console)
    text = console.export_text()
    assert f"accuracy {np.mean(truth == prediction):.4f} ({np.sum(truth == prediction)} of 50 images correct)" in text
    assert f"{f1_score(truth, prediction, average='macro'):.4f}" in text
    assert "background" not in text
    assert "83 GFLOPs an image" in text
    assert "weights of epoch" not in text
    assert "no image was taken for" not in text


def test_failed_classifications_are_no_segmentations(make_run, tmp_path, monkeypatch):
    folder = make_run(model="ff", state="failed", experiment="mnist/networks")
    known = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(known | {"task": "classification"}))
    found = compare(collect([tmp_path]))
    assert (found.task.name, found.metric) == ("classification", "accuracy")
    # The configuration of a run does not choose what its reader imports.
    monkeypatch.syspath_prepend(tmp_path)
    code = "from pathlib import Path; Path(__file__).with_name('imported').touch()\nclass D: task = 'classification'\n"
    (tmp_path / "hostile.py").write_text(code)
    data = {"_target_": "hostile.D"}
    make_run(model="ff", state="failed", experiment="other/networks", config={"data": data})
    assert compare(collect([tmp_path / "outputs" / "other"])).task.name == "segmentation"
    assert not (tmp_path / "imported").exists()


def test_classes_that_are_never_predicted_are_named(make_run, tmp_path):
    truth, prediction = digits(50, 0.2, 1)
    folder = label_run(make_run, "ff", 0, truth, np.zeros_like(prediction))
    console = Console(width=150, record=True, file=(tmp_path / "out").open("w"))
    print_run(folder, console)
    assert "no image was taken for dog, eel: other seeds may do better" in console.export_text()


@pytest.mark.parametrize(("monitor", "words"), [("val/loss", "the best by val/loss"), ("last", "the last")])
def test_the_end_of_a_run_says_which_epoch_was_scored(make_run, tmp_path: Path, monitor: str, words: str) -> None:  # type: ignore[no-untyped-def]
    folder = make_run()
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {"best": {"epoch": 3, "value": 0.5, "monitor": monitor}, "epochs": 5}
    (folder / "summary.json").write_text(json.dumps(summary))
    console = Console(width=150, record=True, file=(tmp_path / "out").open("w"))
    print_run(folder, console)
    text = console.export_text()
    assert f"weights of epoch 3 of 5, {words}" in text
    assert "at 50x20 pixels" in text
