"""One's own images from the command to scores and predicted masks."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from tests.data.folder.conftest import drawing, picture, save

QUICK = (
    "model.width=2",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
    "~callbacks.panels",
)


@pytest.fixture
def photos(tmp_path):
    """Ten pictures of two sizes in which what is drawn is bright."""
    for number in range(10):
        shape = (24 + 8 * (number % 2), 32)
        mask = drawing(number, shape)
        save(tmp_path / f"photos/leaf{number}.png", picture(number, (*shape, 3)) // 3 + 150 * mask[..., None])
        save(tmp_path / f"drawings/leaf{number}_mask.png", 255 * mask)
    return tmp_path


def test_two_folders_are_trained_and_new_images_predicted_when_the_old_are_gone(photos, program, tmp_path):
    words = ("data=folder", "data.images=photos", "data.masks=drawings", "data.test_fraction=0.2")
    done = program("run.py", *words, *QUICK, folder=photos)
    assert done.returncode == 0, done.stderr
    for line in ("10 images with masks, paired by * and *_mask", "values 0, 255: background, foreground", "two test"):
        assert line in done.stdout + done.stderr
    (run,) = (tmp_path / "outputs/runs").glob("folder-unet-*")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["data"]["class_frequencies"].keys() == {"background", "foreground"}
    (photos / "photos").rename(photos / "new")
    (photos / "drawings").rename(photos / "gone")
    done = program("predict.py", f"run={run}", "images=new", "out=predicted", folder=photos)
    assert done.returncode == 0, done.stderr
    for number in range(10):
        mask = np.asarray(Image.open(photos / f"predicted/masks/leaf{number}.png"))
        assert mask.shape == (24 + 8 * (number % 2), 32)


def test_without_folders_the_answer_is_the_command(photos, program):
    done = program("run.py", "data=folder", folder=photos)
    assert done.returncode == 2
    assert "try: python src/run.py data=folder data.images=photos data.masks=drawings" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    done = program("run.py", "data=folder", "data.images=photo", folder=photos)
    assert done.returncode == 3
    assert "did you mean photos" in done.stderr


@pytest.fixture
def composed(compose, tmp_path):
    def made(*overrides):
        return compose("data=folder", f"data.root={tmp_path}/own", f"paths.outputs={tmp_path}/out", *QUICK, *overrides)

    return made


@pytest.mark.slow
def test_numbered_objects_are_scored_as_objects(composed, run, tmp_path):
    for number in range(10):
        save(tmp_path / f"own/images/{number}.png", picture(number))
        save(tmp_path / f"own/masks/{number}.png", drawing(number, labels=(0, 5, 6)))
    summary = run(composed("data.instances=true"), tmp_path / "run")
    assert {"object_f1", "seg"} <= summary["scores"]["test"].keys()
    assert summary["data"]["class_frequencies"].keys() == {"background", "object", "boundary"}


@pytest.mark.slow
def test_overlapping_classes_have_a_sigmoid_each(composed, run, tmp_path):
    for number in range(10):
        save(tmp_path / f"own/images/{number}.png", picture(number))
        save(tmp_path / f"own/a/{number}.png", drawing(number))
        save(tmp_path / f"own/b/{number}.png", drawing(number + 1))
    summary = run(composed("data.masks={one: a, two: b}", "loss=bce_dice"), tmp_path / "run")
    assert summary["data"]["class_frequencies"].keys() == {"one", "two"}


@pytest.mark.slow
def test_volumes_are_scored_on_their_own_grid(composed, run, tmp_path):
    for number in range(10):
        for kind, values in (
            ("images", picture(number, (20, 16, 3), np.uint16).astype(np.float32)),
            ("masks", np.stack([drawing(number, (20, 16))] * 3, axis=2)),
        ):
            (tmp_path / "own" / kind).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(values, np.diag([1.5, 1.5, 6.0, 1])), tmp_path / "own" / kind / f"{number}.nii.gz")
    summary = run(composed("data.size=auto"), tmp_path / "run")
    assert summary["scores"].keys() == {"val", "test", "val_volumes", "test_volumes"}
    assert summary["data"]["images"] == {"train": 24, "val": 3, "test": 3}
