"""New images become inputs of a network as the images of the folder did, by what checkpoints hold."""

from dataclasses import asdict

import nibabel
import numpy as np
import pytest
from tests.data.folder.conftest import drawing, picture, save

from segbench.data.input_format import InputFormat
from segbench.data.pictures import open_picture


def volume(path, values, spacing):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1.0])), path)


def drawn(own, suffix, shape=(24, 32, 3), kind=np.uint8):
    for number in range(8):
        save(own / "images" / f"{number}{suffix}", picture(number, shape, kind))
        save(own / "masks" / f"{number}.png", drawing(number))


KINDS = {
    "8 bits": (".png", (24, 32, 3), np.uint8, {}),
    "16 bits by percentiles": (".tif", (24, 32), np.uint16, {}),
    "16 bits by a range": (".tif", (24, 32), np.uint16, {"intensity": [100, 3000]}),
    "grey as colours": (".png", (24, 32), np.uint8, {"channels": 3}),
    "resized": (".png", (24, 32, 3), np.uint8, {"size": [16, 20], "fit": "stretch"}),
    "padded": (".png", (24, 32, 3), np.uint8, {"size": [16, 16], "fit": "pad"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_that_are_stored(folder, own, kind):
    suffix, shape, numbers, options = KINDS[kind]
    drawn(own, suffix, shape, numbers)
    data = folder(**options)
    data.inspect()
    data.find()
    inputs = InputFormat(**asdict(data.input_format()))
    for record in data.records:
        (found,) = open_picture(record.image, inputs).inputs()
        np.testing.assert_array_equal(found, data.read(record)[0])


@pytest.mark.parametrize("options", [{}, {"intensity": [100, 3000]}], ids=["percentiles", "range"])
def test_slices_of_volumes_too(folder, own, options):
    for number in range(8):
        values = picture(number, (32, 24, 2), np.uint16).astype(np.int16)
        volume(own / "images" / f"{number}.nii.gz", values, (1.0, 1.5, 8.0))
        labels = np.stack([drawing(number).T] * 2, axis=-1)
        volume(own / "masks" / f"{number}.nii.gz", labels, (1.0, 1.5, 8.0))
    data = folder(size="auto", **options)
    data.inspect()
    data.find()
    inputs = InputFormat(**asdict(data.input_format()))
    slices = {}
    for record in data.records:
        slices.setdefault(record.image, []).append(data.read(record)[0])
    for path, stored in slices.items():
        # What is stored is rounded to whole numbers.
        np.testing.assert_allclose(np.stack(open_picture(path, inputs).inputs()), np.stack(stored), atol=1)


STORED = {
    "values": ({}, (0, 255), lambda mask: mask * 255),
    "named": ({"classes": {"background": 3, "leaf": [9, 7]}}, (3, 9), lambda mask: np.where(mask == 1, 9, 3)),
    "colours": ({}, ("#000000", "#FF8000"), lambda mask: mask[..., None] * np.array([255, 128, 0])),
    "objects": ({"instances": True, "boundary": 2}, None, lambda mask: mask),
}


@pytest.mark.parametrize("kind", STORED)
def test_predictions_can_be_written_as_the_masks_are(folder, own, kind):
    options, expected, form = STORED[kind]
    for number in range(8):
        save(own / "images" / f"{number}.png", picture(number))
        save(own / "masks" / f"{number}.png", form(drawing(number)).astype(np.uint8))
    data = folder(**options)
    data.inspect()
    assert data.stored_values() == expected
    assert data.told_apart() == (("object",) if kind == "objects" else ())
