"""Cityscapes end to end: frames are scored at the network's size and at their own, class 0 like any other."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rich.console import Console

from segbench.callbacks.volumes import VolumeScores
from segbench.data.cityscapes import CityscapesData
from segbench.data.cityscapes_labels import LABELS
from segbench.models import UNet
from segbench.pictures.panels import TITLES_KEY
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.single import print_run
from segbench.runs.scores_file import read_scores

HEIGHT, WIDTH = 32, 64


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Six frames of road (train id 0, dark) and sky (10, bright), with a strip that is ignored."""
    root = tmp_path_factory.mktemp("cityscapes")
    chance = np.random.default_rng(0)
    for number, frame in enumerate(("train/a/1", "train/a/2", "train/b/3", "train/b/4", "val/c/5", "val/d/6")):
        ids = np.full((HEIGHT, WIDTH), 7, np.uint8)
        ids[: 11 + number, 5:-3] = 23
        ids[-3:] = 1
        image = (chance.integers(0, 40, (HEIGHT, WIDTH, 3)) + 200 * (ids == 23)[..., None]).astype(np.uint8)
        for folder, kind, pixels in (("leftImg8bit", "leftImg8bit", image), ("gtFine", "gtFine_labelIds", ids)):
            path = root / folder / f"{frame}_{kind}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


def configured(compose, street, folder, *overrides):
    return compose(
        "data=cityscapes", f"data.root={street}", "data.batch_size=2", "model.width=1", "loss=ce",
        "trainer.max_epochs=1", "trainer.accelerator=cpu", f"paths.outputs={folder}", *overrides,
    )  # fmt: skip


def read_off(self, image):
    """A network that needs no training: bright is sky (10), dark is road (0)."""
    logits = torch.full((len(image), 19, *image.shape[-2:]), -9.0)
    brightness = image.mean(dim=1)
    logits[:, 10], logits[:, 0] = 20 * (brightness - 0.4), -20 * (brightness - 0.4)
    return logits + 0 * sum(weight.sum() for weight in self.parameters())


def test_frames_are_scored_at_their_own_size_too(street, compose, run, tmp_path, monkeypatch):
    monkeypatch.setattr(UNet, "forward", read_off)
    size = ("data.size=[16,32]", "data.normalise=false", "data.full_resolution_scores=true")
    summary = run(configured(compose, street, tmp_path, *size), tmp_path / "runs" / "one")
    frame = pd.read_parquet(tmp_path / "runs" / "one" / "scores.parquet")
    assert list(frame["split"].unique()) == ["val", "val_full"]
    splits = read_scores(tmp_path / "runs" / "one" / "scores.parquet")
    assert [split.background for split in splits.values()] == [False, False]
    full = frame[frame["split"] == "val_full"]
    assert set(zip(full["height"], full["width"], strict=True)) == {(HEIGHT, WIDTH)}
    assert set(full["group"]) == {"c", "d"}
    for name, part in full.groupby("id"):
        ids = np.asarray(Image.open(street / "gtFine" / f"{name}_gtFine_labelIds.png"))
        part = part.sort_values("class_index")
        expected = [(ids == next(label.id for label in LABELS if label.train_id == index)).sum() for index in range(19)]
        np.testing.assert_array_equal(part["tp"] + part["fn"], expected)
        # All but the ignored strip is counted.
        np.testing.assert_array_equal(part[["tp", "fp", "fn", "tn"]].sum(axis=1), (ids != 1).sum())
    scores = summary["scores"]["val_full"]
    assert 0.9 < scores["miou"] < 1
    assert scores["micro_dice"] == pytest.approx(scores["pixel_accuracy"])
    assert scores["dice"] == pytest.approx(np.nanmean([scores["dice_road"], scores["dice_sky"]]))
    assert summary["data"]["class_colours"][0] == "#804080"
    with Image.open(tmp_path / "runs" / "one" / "figures" / "predictions.png") as picture:
        assert len(json.loads(picture.text[TITLES_KEY])) == 2
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    road = np.array([128, 64, 128])
    assert (np.abs(pixels - road).max(axis=2) < 4).sum() > 50
    found = compare(collect([tmp_path / "runs"]))
    assert found.classes[0] == "road"
    assert found.rows[0].scores["dice"].mean == pytest.approx(summary["scores"]["val"]["dice"])
    console = Console(record=True, width=200)
    print_run(tmp_path / "runs" / "one", console)
    text = console.export_text()
    assert "val_full, 2 images at their own size" in text
    assert "road" in text
    assert "pooled mIoU" in text


@pytest.mark.slow
def test_class_0_has_surfaces_too_at_both_sizes_in_pixels(street, compose, run, tmp_path, monkeypatch):
    monkeypatch.setattr(UNet, "forward", read_off)
    size = ("data.size=[16,32]", "data.normalise=false", "data.full_resolution_scores=true")
    run(configured(compose, street, tmp_path, *size, "scores=[hd95,nsd]"), tmp_path / "runs" / "one")
    table = pd.read_parquet(tmp_path / "runs" / "one" / "scores.parquet").set_index(["split", "class_name"])
    for split, most in (("val", 2), ("val_full", 3)):
        for name in ("road", "sky"):
            rows = table.loc[(split, name)]
            assert (rows["hd95_images"] == 1).all()
            assert (rows["hd95_sum"] <= most).all()
            # The boundary of an image, and not all of its pixels, as in a volume of one slice.
            assert (rows["nsd_points"] < 0.6 * (2 * rows["tp"] + rows["fn"] + rows["fp"])).all()
        assert (table.loc[(split, "car"), ["hd95_sum", "hd95_images"]] == 0).all(axis=None)


@pytest.mark.slow
def test_objects_are_not_scored_on_a_grid_that_they_were_not_drawn_on(street, compose, run, tmp_path, monkeypatch):
    size = ("data.size=[16,32]", "data.full_resolution_scores=true", "scores=hd95")
    objects = "+scores.objects={_target_: segbench.scores.objects.ObjectScores, classes: [car]}"
    run(configured(compose, street, tmp_path, *size, objects), tmp_path / "runs" / "components")
    monkeypatch.setattr(CityscapesData, "instances", lambda self, record: np.ones((16, 32), np.uint8))
    run(configured(compose, street, tmp_path, *size, objects), tmp_path / "runs" / "drawn")
    found = {name: read_scores(tmp_path / "runs" / name / "scores.parquet") for name in ("components", "drawn")}
    known = {
        name: {split: "object_f1" in scores.scores for split, scores in both.items()} for name, both in found.items()
    }
    assert known == {"components": {"val": True, "val_full": True}, "drawn": {"val": True, "val_full": False}}
    assert all("hd95" in scores.scores for both in found.values() for scores in both.values())


def test_crops_are_trained_and_whole_frames_validated(street, compose, run, tmp_path):
    cfg = configured(compose, street, tmp_path, "data.input=crop", "data.size=[16,16]", "trainer.monitor=val/miou")
    shapes = []
    real = UNet.forward

    def spy(self, image):
        shapes.append((self.training, tuple(image.shape[-2:])))
        return real(self, image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet, "forward", spy)
        summary = run(cfg, tmp_path / "runs" / "crops")
    assert {shape for training, shape in shapes if training} == {(16, 16)}
    assert (False, (HEIGHT, WIDTH)) in shapes
    assert list(summary["scores"]) == ["val"]
    frame = pd.read_parquet(tmp_path / "runs" / "crops" / "scores.parquet")
    assert set(zip(frame["height"], frame["width"], strict=True)) == {(HEIGHT, WIDTH)}


@pytest.mark.slow
def test_with_crops_the_frames_own_size_is_what_was_scored(street, compose, run, tmp_path):
    """So that networks of either input can be compared on ``val_full``, without predicting frames twice."""
    cfg = configured(
        compose, street, tmp_path, "data.input=crop", "data.size=[16,16]", "trainer.monitor=last",
        "data.full_resolution_scores=true", "data.score_train=true", "predict.window=[16,16]",
    )  # fmt: skip
    real = VolumeScores.on_test_epoch_end

    def watch(self, trainer, module):
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(type(module), "forward", lambda *_: pytest.fail("frames are predicted again"))
            real(self, trainer, module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VolumeScores, "on_test_epoch_end", watch)
        run(cfg, tmp_path / "runs" / "crops")
    frame = pd.read_parquet(tmp_path / "runs" / "crops" / "scores.parquet")
    parts = {split: part.drop(columns="split").reset_index(drop=True) for split, part in frame.groupby("split")}
    assert set(parts) == {"train", "train_full", "val", "val_full"}
    for split in ("train", "val"):
        pd.testing.assert_frame_equal(parts[split], parts[f"{split}_full"])
    assert set(zip(frame["height"], frame["width"], strict=True)) == {(HEIGHT, WIDTH)}


@pytest.mark.slow
def test_other_data_writes_the_files_it_ever_wrote(tiny, run, tmp_path):
    summary = run(tiny(tmp_path, "trainer.max_epochs=1"), tmp_path / "runs" / "phantom")
    assert all(split.background for split in read_scores(tmp_path / "runs" / "phantom" / "scores.parquet").values())
    assert "class_colours" not in summary["data"]
    assert not any(name.startswith("micro") or name == "miou" for name in summary["scores"]["val"])
