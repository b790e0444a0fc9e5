"""Regions of a data set, learned, scored, compared, shown and predicted: nested classes from the command to the page."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from segbench.assembly import build_data, build_task
from segbench.commands import report
from segbench.data.phantom import PhantomData
from segbench.errors import ConfigError
from segbench.masks import BITS, MaskKey
from segbench.prediction import predict_files
from segbench.predictor import Predictor
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures import draw_all
from segbench.runs.archive import PREDICTIONS, Archive

MEMBERS = {"whole heart": (1, 2, 3), "epicardium": (2, 3)}
REGIONS = "data.regions={whole heart: [right ventricle, myocardium, left ventricle], epicardium: [left ventricle, myocardium]}"
KEY = MaskKey(tuple(MEMBERS), BITS, background=False)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def train_regions(run, tiny, tmp_path_factory):
    """Train a network on the regions of the phantoms; return its run directory."""
    folder = tmp_path_factory.mktemp("regions")

    def trained(model, seed, *overrides):
        options = REGIONS, "loss=bce_dice", "optimizer.lr=0.01", "callbacks.panels.at_epochs=[1,2]"
        cfg = tiny(folder, *options, f"model={model}", f"seed={seed}", *overrides)
        run(cfg, folder / "heart" / f"{model}-{seed}", "heart")
        return folder / "heart" / f"{model}-{seed}"

    return trained


@pytest.fixture(scope="module")
def trained(train_regions):
    return train_regions("unet_cardiac", 0, "trainer.max_epochs=8")


@pytest.fixture(scope="module")
def swept(trained, train_regions):
    """Two networks of two seeds each."""
    for model, seed in (("unet_cardiac", 1), ("unet", 0), ("unet", 1)):
        train_regions(model, seed, "trainer.max_epochs=8")
    return trained.parent


@pytest.fixture(scope="module")
def stored(trained):
    """The data as it is stored: class indices, which no region has touched."""
    data = PhantomData(cache_dir=trained.parent.parent / "plain", subjects=8, slices=2, size=[32, 32])
    data.setup()
    return data


def counted(directory, name):
    """The counts of an image that a run stored, in the order of the regions."""
    rows = pd.read_parquet(directory / "scores.parquet")
    rows = rows[(rows["split"] == "test") & (rows["id"] == name)].sort_values("class_index")
    assert list(rows["class_name"]) == list(MEMBERS)
    return rows[["tp", "fp", "fn", "tn"]].to_numpy()


def test_what_was_kept_of_an_image_is_what_was_counted(trained, stored):
    predictions = Archive.open(trained / PREDICTIONS)
    (images,) = (Archive.open(path) for path in trained.parent.glob("images-test-*.zip"))
    assert set(predictions.ids) == set(images.ids) == {stored.records[index].id for index in stored.splits["test"]}
    found = []
    for index in stored.splits["test"]:
        name, classes = stored.records[index].id, np.asarray(stored.datasets["test"].arrays.targets[index])
        for bit, members in enumerate(MEMBERS.values()):
            there, said = np.isin(classes, members), KEY.inside(predictions.mask(name), bit)
            np.testing.assert_array_equal(KEY.inside(images.mask(name), bit), there)
            cells = [(said & there), (said & ~there), (~said & there), (~said & ~there)]
            assert counted(trained, name)[bit].tolist() == [cell.sum() for cell in cells]
        found.append(predictions.mask(name))
    # The network has learned something, and the regions overlap in what it says.
    assert 3 in np.unique(found)


def test_scores_and_curves_are_of_the_regions(trained):
    summary = json.loads((trained / "summary.json").read_text())
    assert {"dice", "iou", "dice_whole heart", "iou_epicardium", "micro_dice"} <= summary["scores"]["test"].keys()
    assert "all classes (there is no background)" in summary["convention"]
    assert summary["data"]["class_frequencies"].keys() == MEMBERS.keys()
    curves = pd.read_csv(trained / "metrics.csv")
    assert "val/dice_whole heart" in curves
    assert not {"val/pixel_accuracy", "val/miou"} & set(curves)
    for name in ("predictions.png", "epochs.png"):
        assert (trained / "figures" / name).stat().st_size > 1000


@pytest.mark.slow
def test_a_comparison_is_tables_and_every_figure_that_applies(swept, tmp_path, monkeypatch):
    # Networks of so few epochs may have learned nothing, and would not be compared.
    monkeypatch.setattr("segbench.reporting.conclusions.evidence.collapses", lambda _: {})
    found = compare(collect([swept]))
    assert (found.task.name, found.metric, found.classes) == ("multilabel", "dice", tuple(MEMBERS))
    skipped = []
    drawn_titles = draw_all(found, evidence(found), tmp_path, skipped)
    drawn = {file for _, file in drawn_titles}
    shown = {"classes.png", "distributions.png", "differences.png", "panels.png", "contours.png", "epochs.png"}
    assert shown | {"frequencies.png", "curves.png"} <= drawn
    # No class is taken for another.
    assert not {"Confusion of classes", "Most confident errors"} & {title for title, _ in [*drawn_titles, *skipped]}
    assert report.main([str(swept)]) == 0
    page = (swept / "index.html").read_text()
    assert "whole heart" in page
    assert "Dice" in page


def test_a_folder_is_predicted_to_a_mask_a_class(trained, stored, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for index in stored.splits["test"]:
        pixels = np.asarray(stored.datasets["test"].arrays.images[index])[:, :, 0]
        Image.fromarray(pixels).save(folder / f"{stored.records[index].id}.png")
    voxels = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.5, 1.5, 8, 1])), folder / "volume.nii.gz")
    outcome = predict_files(Predictor.load(trained, CPU), folder, tmp_path / "out", overlays=True)
    assert outcome.predicted == len(stored.splits["test"]) + 1
    assert len(outcome.masks) == 2 * outcome.predicted
    told = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert told == {
        "classes": {"0": "whole heart", "1": "epicardium"},
        "colours": {"0": "#E69F00", "1": "#56B4E9"},
        "masks": {"0": "_whole_heart", "1": "_epicardium"},
    }
    for index in stored.splits["test"]:
        name, classes = stored.records[index].id, np.asarray(stored.datasets["test"].arrays.targets[index])
        for bit, members in enumerate(MEMBERS.values()):
            mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{name}{told['masks'][str(bit)]}.png"))
            assert set(np.unique(mask)) <= {0, 1}
            tp, fp, *_ = counted(trained, name)[bit]
            there = np.isin(classes, members)
            assert [(there & (mask == 1)).sum(), (~there & (mask == 1)).sum()] == [tp, fp]
        assert Image.open(tmp_path / "out" / "overlays" / f"{name}.png").size == (32, 32)
    volume = nibabel.load(tmp_path / "out" / "masks" / "volume_whole_heart.nii.gz")
    assert (volume.shape, volume.get_data_dtype()) == ((32, 32, 3), np.uint8)


def test_names_of_255_bytes_have_room_for_those_of_the_classes(trained, tmp_path):
    names = ["x" * 251 + ".png", "é" * 125 + ".png"]
    (tmp_path / "long").mkdir()
    for name in names:
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "long" / name)
    outcome = predict_files(Predictor.load(trained, CPU), tmp_path / "long", tmp_path / "out", overlays=False)
    assert len({path.name for path in outcome.masks}) == 4
    assert all(path.name.endswith(("_whole_heart.png", "_epicardium.png")) for path in outcome.masks)


def test_large_images_are_predicted_by_windows(trained, tmp_path):
    Image.fromarray(np.full((50, 41), 90, np.uint8)).save(tmp_path / "large.png")
    from segbench.tasks.windows import Windows

    predictor = Predictor.load(trained, CPU, windows=Windows(size=(32, 32)))
    outcome = predict_files(predictor, tmp_path / "large.png", tmp_path / "out", overlays=False)
    assert [Image.open(path).size for path in outcome.masks] == [(41, 50)] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss=ce"], "loss: CrossEntropy is not for multilabel (data=phantom); use loss=bce_dice"),
        (["loss=weighted_ce"], "loss: WeightedCrossEntropy is not for multilabel"),
        (["loss=ce_dice"], "loss: CEDice is not for multilabel"),
        (["loss=weighted_ce_dice"], "loss: WeightedCEDice is not for multilabel"),
        (["loss=boundary_ce"], "loss: BoundaryCrossEntropy is not for multilabel"),
        (["loss=focal", "loss.alpha=[1,2,3]"], "loss.alpha: 3 factors for 2 classes"),
        (["activation=softmax"], "activation=softmax: classes of phantom overlap; use activation=auto"),
        (
            ["model._target_=segbench.models.mnist.MnistCNN"],
            "model: MnistCNN is for classification, data=phantom for segmentation; use model=unet",
        ),
        (
            ["model=unet3plus", "model.classification=true"],
            "model.classification=true: takes the first class for background",
        ),
        (["trainer.monitor=val/dice_myocardium"], "trainer.monitor=val/dice_myocardium: no such score"),
        (["trainer.monitor=val/pixel_accuracy"], "trainer.monitor=val/pixel_accuracy: no such score"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tiny, tmp_path, overrides, message):
    cfg = tiny(tmp_path, REGIONS, *overrides)
    with pytest.raises(ConfigError) as error:
        build_task(cfg, build_data(cfg))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    ["bce_dice", "focal", "dice", "bce", "dice_focal"],
)
def test_losses_with_one_logit_fit(tiny, tmp_path, loss):
    for data in (REGIONS, "data=overlapping"):
        cfg = tiny(tmp_path, REGIONS, f"loss={loss}") if data == REGIONS else tiny_overlapping(tiny, tmp_path, loss)
        task = build_task(cfg, build_data(cfg))
        classes = len(task.class_names)
        batch = {
            "image": torch.randn(2, 1, 16, 16),
            "mask": torch.randint(0, 2, (2, classes, 16, 16)),
            "id": ["a", "b"],
        }
        assert torch.isfinite(task.batch_loss(batch))


def tiny_overlapping(tiny, folder, loss):
    cfg = tiny(folder, f"loss={loss}")
    cfg.data = {"_target_": "segbench.data.overlapping.OverlappingData", "size": [32, 32], "batch_size": 4}
    return cfg
