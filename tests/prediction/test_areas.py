"""Areas and counts of predicted classes as a table."""

import csv

import nibabel
import numpy as np
import pytest
from PIL import Image

from segbench.prediction import predict_files
from segbench.prediction.areas import label_objects
from segbench.scores.objects import components


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_image_and_class_has_pixels_share_and_objects(reader, tmp_path, classes):
    folder = tmp_path / "photos" / "-1+2"
    folder.mkdir(parents=True)
    Image.fromarray(classes * 64).save(folder / "a.png")
    Image.fromarray(classes[:, ::-1] * 64).save(tmp_path / "photos" / "=cmd.bmp")
    predict_files(reader(), tmp_path / "photos", tmp_path / "out", overlays=False)
    found = rows(tmp_path / "out" / "areas.csv")
    # No cell begins a formula.
    assert [row["image"] for row in found] == ["'=cmd.bmp"] * 3 + ["'-1+2/a.png"] * 3
    assert [row["class"] for row in found] == ["cell", "'=2+3", "debris"] * 2
    assert [(row["pixels"], row["objects"]) for row in found] == [("18", "2"), ("8", "1"), ("2", "1")] * 2
    assert float(found[0]["share"]) == pytest.approx(18 / (12 * 16), abs=1e-6)
    # Only voxels have a size.
    assert "mm3" not in found[0]


def test_volumes_have_a_size(reader, tmp_path, classes):
    voxels = np.stack([classes.T * 64] * 3, axis=-1).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.5, 0.5, 4.0, 1.0])), tmp_path / "a.nii.gz")
    predict_files(reader(), tmp_path / "a.nii.gz", tmp_path / "out", overlays=False)
    mask = np.asarray(nibabel.load(tmp_path / "out" / "masks" / "a.nii.gz").dataobj)
    found = rows(tmp_path / "out" / "areas.csv")
    for index, row in enumerate(found, start=1):
        assert (row["image"], int(row["pixels"])) == ("a.nii.gz", (mask == index).sum())
        assert float(row["mm3"]) == pytest.approx((mask == index).sum() * 0.5 * 0.5 * 4)


def test_objects_are_the_components_that_scores_have():
    inside = np.random.default_rng(0).random((1, 40, 50)) < 0.3
    labels, count = label_objects(inside)
    expected = components(inside[0])
    assert count == expected.max()
    np.testing.assert_array_equal(labels[0] > 0, expected > 0)
    # The same parts, whatever their numbers.
    assert len(set(zip(labels[0].ravel().tolist(), expected.ravel().tolist(), strict=True))) == count + 1
