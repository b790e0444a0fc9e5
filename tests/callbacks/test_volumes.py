"""Volumes are scored on their own grid, once each, beside their slices."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch

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


@pytest.fixture
def configured(acdc, compose, tmp_path):
    """Compose a run of an epoch on these patients."""

    def composed(*overrides):
        return compose(
            "data=acdc", f"data.root={acdc}", "data.size=[24,32]", "data.batch_size=2", "data.percentiles=[0,100]",
            "model=unet_cardiac", "model.width=1", "trainer.max_epochs=1", "trainer.accelerator=cpu",
            f"paths.outputs={tmp_path}", *overrides,
        )  # fmt: skip

    return composed


@pytest.fixture
def evaluated_by(monkeypatch):
    """Let a function of the image take the network's place in evaluation."""

    def replaced(read_off):
        real = CardiacUNet.forward
        monkeypatch.setattr(
            CardiacUNet, "forward", lambda self, image: real(self, image) if self.training else read_off(image)
        )

    return replaced


def brightness(image):
    """The intensities between 0 and 1: of the background 0 to 0.1, of the classes about 0.5 and 1."""
    return (image - image.amin()) / (image.amax() - image.amin())


def test_volumes_stand_beside_slices_in_the_scores(acdc, configured, evaluated_by, run, tmp_path):
    def read_off(image):
        """A network that needs no training: intensity thresholds."""
        level = brightness(image)
        return 50 * torch.cat([0.25 - level, 0.2 - (level - 0.5).abs(), level - 0.75, level * 0 - 9], 1)

    evaluated_by(read_off)
    summary = run(configured(), tmp_path / "run")
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


def test_regions_are_scored_by_volumes_too(acdc, configured, evaluated_by, run, tmp_path):
    members = {"outer": (1, 2), "inner": (2,)}
    regions = "data.regions={outer: [right ventricle, myocardium], inner: [myocardium]}"
    evaluated_by(lambda image: 50 * torch.cat([brightness(image) - 0.25, brightness(image) - 0.75], 1))
    summary = run(configured(regions, "loss=bce_dice"), tmp_path / "run")
    assert summary["scores"].keys() == {"val", "test", "val_volumes", "test_volumes"}
    frame = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    volumes = frame[frame["split"] == "test_volumes"]
    assert list(volumes["id"].unique()) == ["patient011/ED", "patient011/ES"]
    for (name, label), part in volumes.groupby(["id", "class_name"]):
        path = acdc / "testing" / "patient011" / f"patient011_frame0{1 if name.endswith('ED') else 2}_gt.nii.gz"
        truth = np.isin(np.asarray(nibabel.load(path).dataobj), members[label])
        (tp, fp, fn, tn) = part[["tp", "fp", "fn", "tn"]].to_numpy()[0]
        assert (tp + fn, tp + fp + fn + tn) == (truth.sum(), truth.size)
        assert 2 * tp / (2 * tp + fp + fn) > 0.9
