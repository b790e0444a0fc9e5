"""Volumes are scored on their own grid, once each, beside their slices."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from tests.oracles import monai

from segbench.callbacks import VolumeScores
from segbench.models import CardiacUNet


@pytest.fixture(scope="module")
def acdc(tmp_path_factory):
    """Ten training patients and one for testing, whose labels are written on their images."""
    root = tmp_path_factory.mktemp("acdc")
    for number, group in enumerate(("DCM", "HCM", "MINF", "NOR", "RV") * 2 + ("DCM",), start=1):
        folder = root / ("testing" if number == 11 else "training") / f"patient{number:03d}"
        folder.mkdir(parents=True)
        (folder / "Info.cfg").write_text(f"ED: 1\nES: 2\nGroup: {group}\n")
        for frame in (1, 2):
            # Spacings differ, so that a volume is not its slices; the second frame has more slices than the first.
            labels = np.zeros((20 + 4 * (number % 3), 28, 1 + frame), np.uint8)
            labels[6:14, 8:20] = 1
            labels[8:12, 10:16] = 2
            spacing = (2.0, 1.0, 8.0)
            for suffix, voxels in (("", labels * 300.0 + np.arange(28)[None, :, None]), ("_gt", labels)):
                nibabel.save(
                    nibabel.Nifti1Image(voxels.astype(np.int16 if suffix == "" else np.uint8), np.diag([*spacing, 1])),
                    folder / f"{folder.name}_frame{frame:02d}{suffix}.nii.gz",
                )
    return root


real = CardiacUNet.forward


def read_off(network, image):
    """A network that needs no training: intensity thresholds."""
    if network.training:
        return real(network, image)
    level = (image - image.amin()) / (image.amax() - image.amin())
    return 50 * torch.cat([0.25 - level, 0.2 - (level - 0.5).abs(), level - 0.75, level * 0 - 9], 1)


def configured(compose, acdc, folder, *overrides):
    return compose(
        "data=acdc", f"data.root={acdc}", "data.size=[24,32]", "data.batch_size=2", "data.percentiles=[0,100]",
        "model=unet_cardiac", "model.width=1", "trainer.max_epochs=1", "trainer.accelerator=cpu",
        f"paths.outputs={folder}", *overrides,
    )  # fmt: skip


@pytest.mark.slow
def test_volumes_stand_beside_slices_in_the_scores(acdc, compose, run, tmp_path, monkeypatch):
    cfg = configured(compose, acdc, tmp_path)
    monkeypatch.setattr(CardiacUNet, "forward", read_off)
    summary = run(cfg, tmp_path / "run")
    frame = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert list(frame["split"].unique()) == ["val", "test", "val_volumes", "test_volumes"]
    volumes = frame[frame["split"] == "test_volumes"]
    assert list(volumes["id"].unique()) == ["patient011/ED", "patient011/ES"]
    assert set(volumes["group"]) == {"patient011"}
    for name, part in volumes.groupby("id"):
        number = 1 if name.endswith("ED") else 2
        path = acdc / "testing" / "patient011" / f"patient011_frame{number:02d}_gt.nii.gz"
        truth = np.asarray(nibabel.load(path).dataobj)
        part = part.sort_values("class_index")
        # Every voxel of the original volume is counted, once.
        np.testing.assert_array_equal(part[["tp", "fp", "fn", "tn"]].sum(axis=1), truth.size)
        np.testing.assert_array_equal(part["tp"] + part["fn"], np.bincount(truth.ravel(), minlength=4))
        assert (part["height"].iloc[0], part["width"].iloc[0]) == truth.shape[1::-1]
        dice = 2 * part["tp"] / (2 * part["tp"] + part["fp"] + part["fn"])
        assert (dice.to_numpy()[:2] > 0.9).all()
    slices = frame[frame["split"] == "test"]
    assert slices["id"].nunique() == 2 + 3
    assert (slices[["tp", "fp", "fn", "tn"]].sum(axis=1) < 24 * 32).any()  # padding is not counted
    stored = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert stored["scores"].keys() == summary["scores"].keys() == {"val", "test", "val_volumes", "test_volumes"}


@pytest.mark.slow
def test_regions_are_scored_by_volumes_too(acdc, compose, run, tmp_path, monkeypatch):
    """Their counts by hand, their surfaces in mm by MONAI."""
    predicted, predict = {}, VolumeScores._predict
    members = {"outer": (1, 2), "inner": (2,)}

    def both(network, image):
        level = (image - image.amin()) / (image.amax() - image.amin())
        return real(network, image) if network.training else 50 * torch.cat([level - 0.25, level - 0.75], 1)

    def watch(self, task, trainer, split, volume):
        return predicted.setdefault(volume.id, predict(self, task, trainer, split, volume))

    monkeypatch.setattr(VolumeScores, "_predict", watch)
    monkeypatch.setattr(CardiacUNet, "forward", both)
    regions = "data.regions={outer: [right ventricle, myocardium], inner: [myocardium]}"
    summary = run(configured(compose, acdc, tmp_path, regions, "loss=bce_dice", "scores=assd"), tmp_path / "run")
    assert summary["scores"].keys() == {"val", "test", "val_volumes", "test_volumes"}
    table = pd.read_parquet(tmp_path / "run" / "scores.parquet").set_index(["split", "id", "class_name"])
    theirs = monai.metrics.SurfaceDistanceMetric(include_background=True, symmetric=True)
    for frame, phase in ((1, "ED"), (2, "ES")):
        name = f"patient011/{phase}"
        path = acdc / "testing" / "patient011" / f"patient011_frame{frame:02d}_gt.nii.gz"
        drawn = np.asarray(nibabel.load(path).dataobj).T
        for bit, label in enumerate(members):
            row = table.loc[("test_volumes", name, label)]
            truth, found = np.isin(drawn, members[label]), (predicted[name] >> bit & 1).astype(bool)
            cells = [(found & truth), (found & ~truth), (~found & truth), (~found & ~truth)]
            assert row[["tp", "fp", "fn", "tn"]].tolist() == [cell.sum() for cell in cells]
            pair = (torch.from_numpy(part)[None, None].float() for part in (found, truth))
            expected = theirs(*pair, spacing=[8.0, 1.0, 2.0]).item()
            assert row["assd_sum"] / row["assd_points"] == pytest.approx(expected, rel=1e-5)
            assert 2 * row["tp"] / (2 * row["tp"] + row["fp"] + row["fn"]) > 0.9


@pytest.mark.slow
def test_surfaces_of_volumes_are_as_far_apart_as_voxels_are_large(acdc, compose, run, tmp_path, monkeypatch):
    """In mm, slices 8 mm apart, against MONAI on the predicted volumes."""
    predicted, predict = {}, VolumeScores._predict

    def watch(self, task, trainer, split, volume):
        return predicted.setdefault(volume.id, predict(self, task, trainer, split, volume))

    monkeypatch.setattr(VolumeScores, "_predict", watch)
    monkeypatch.setattr(CardiacUNet, "forward", read_off)
    run(configured(compose, acdc, tmp_path, "scores=assd"), tmp_path / "run")
    table = pd.read_parquet(tmp_path / "run" / "scores.parquet").set_index(["split", "id", "class_index"])
    theirs = monai.metrics.SurfaceDistanceMetric(include_background=True, symmetric=True)
    for frame, phase in ((1, "ED"), (2, "ES")):
        name = f"patient011/{phase}"
        path = acdc / "testing" / "patient011" / f"patient011_frame{frame:02d}_gt.nii.gz"
        truth = np.asarray(nibabel.load(path).dataobj).T
        for index in (1, 2):
            pair = (torch.from_numpy(part == index)[None, None].float() for part in (predicted[name], truth))
            row = table.loc[("test_volumes", name, index)]
            # Axes (slice, y, x).
            expected = theirs(*pair, spacing=[8.0, 1.0, 2.0]).item()
            assert row["assd_sum"] / row["assd_points"] == pytest.approx(expected, rel=1e-5)
        # There is no left ventricle on either side.
        assert table.loc[("test_volumes", name, 3), ["assd_sum", "assd_points"]].tolist() == [0, 0]
    slices = table.loc["test"]
    assert (slices["assd_points"] > 0).any()
    assert slices.xs(0, level="class_index")["assd_points"].isna().all()
