"""What is written of a predicted image."""

import io
import json

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from segbench.assembly import build_data
from segbench.commands.predict import HELP
from segbench.data.reading import read_instances, read_mask
from segbench.masks import BITS, MaskKey
from segbench.prediction import Wanted, predict_files, procedure
from segbench.scores.objects import components


@pytest.fixture
def image(tmp_path, classes):
    path = tmp_path / "photos" / "a.png"
    path.parent.mkdir()
    Image.fromarray(classes * 64).save(path)
    return path


STORED = {
    "values": ((0, 255, 7, 30), "L"),
    "16 bits": ((0, 1000, 7, 65535), "I;16"),
    "colours": (("#000000", "#FF0000", "#00FF00", "#804080"), "RGB"),
}


@pytest.mark.parametrize("kind", STORED)
def test_masks_hold_what_the_training_masks_hold(image, reader, tmp_path, classes, kind):
    stored, mode = STORED[kind]
    labels = [tuple(bytes.fromhex(value[1:])) if isinstance(value, str) else value for value in stored]
    outcome = predict_files(reader(stored=stored), image.parent, tmp_path / "out", overlays=False)
    assert Image.open(outcome.masks[0]).mode == mode
    # As a data set reads its own.
    np.testing.assert_array_equal(read_mask(outcome.masks[0], {label: i for i, label in enumerate(labels)}), classes)
    told = json.loads((tmp_path / "out" / "classes.json").read_text())["values"]
    assert list(told.values()) == list(stored)
    assert outcome.legend == f"masks: {stored[0]} background, {stored[1]} cell, {stored[2]} =2+3, {stored[3]} debris"
    (plain,) = predict_files(reader(stored=stored), image, tmp_path / "plain", False, Wanted("indices")).masks
    np.testing.assert_array_equal(np.asarray(Image.open(plain)), classes)
    assert json.loads((tmp_path / "plain" / "classes.json").read_text())["values"] == {str(i): i for i in range(4)}


def volume(path, classes):
    affine = np.diag([0.5, 0.5, 4.0, 1.0])
    voxels = np.stack([classes.T * 64] * 3, axis=-1).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


@pytest.mark.slow
def test_volumes_hold_values_too_and_class_indices_for_colours(reader, tmp_path, classes):
    volume(tmp_path / "a.nii.gz", classes)
    for stored, values in (((0, 9, 300, 4), [0, 9, 300, 4]), (STORED["colours"][0], range(4))):
        network = reader(stored=stored, objects=(1,))
        (path,) = predict_files(
            network, tmp_path / "a.nii.gz", tmp_path / "out", False, Wanted(probabilities=True)
        ).masks
        mask = nibabel.load(path)
        found = np.asarray(mask.dataobj)
        indices = np.asarray(nibabel.load(tmp_path / "out" / "probabilities" / "a.nii.gz").dataobj).argmax(axis=-1)
        assert indices.shape == (16, 12, 3)
        np.testing.assert_array_equal(found, np.asarray(values)[indices])
        np.testing.assert_allclose(mask.affine, np.diag([0.5, 0.5, 4.0, 1.0]))
        assert np.asarray(nibabel.load(tmp_path / "out" / "objects" / "a.nii.gz").dataobj).max() >= 1


def test_objects_are_numbered_as_they_are_scored(image, reader, tmp_path, classes):
    predict_files(reader(objects=(1,)), image, tmp_path / "out", overlays=False)
    found = read_instances(tmp_path / "out" / "objects" / "a.png")
    np.testing.assert_array_equal(found, components(classes == 1))
    assert found.dtype == np.uint16
    # Of several classes no two objects share a number, though they touch.
    predict_files(reader(objects=(1, 3)), image, tmp_path / "both", overlays=False)
    found = read_instances(tmp_path / "both" / "objects" / "a.png")
    assert sorted(np.unique(found)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(found == 3, classes == 3)


@pytest.mark.slow
def test_more_objects_than_16_bits_are_a_tiff(reader, tmp_path):
    pixels = np.zeros((600, 600), np.uint8)
    pixels[::2, ::2] = 64
    Image.fromarray(pixels).save(tmp_path / "a.png")
    predict_files(reader(objects=(1,)), tmp_path / "a.png", tmp_path / "out", overlays=False)
    assert tifffile.imread(tmp_path / "out" / "objects" / "a.tif").max() == 300 * 300


def test_probabilities_are_a_page_a_class(image, reader, tmp_path, classes):
    predict_files(reader(), image, tmp_path / "out", False, Wanted(probabilities=True))
    pages = tifffile.imread(tmp_path / "out" / "probabilities" / "a.tif")
    assert (pages.shape, pages.dtype) == ((4, 12, 16), np.uint16)
    np.testing.assert_array_equal(pages.argmax(axis=0), classes)
    np.testing.assert_allclose(pages.max(axis=0) / 65535, 0.7, atol=1e-5)


def test_overlapping_classes_have_a_mask_each_and_no_values(image, reader, tmp_path):
    network = reader(key=MaskKey(("a", "b", "c", "d"), BITS, background=False))
    network.masks = lambda probabilities: (probabilities > 0.5).transpose(0, 2, 3, 1).dot([1, 2, 4, 8]).astype(np.uint8)
    outcome = predict_files(network, image, tmp_path / "out", overlays=False)
    assert outcome.legend == "masks: one a class; 1 inside it, 0 outside"
    assert "values" not in json.loads((tmp_path / "out" / "classes.json").read_text())


def test_overlays_of_many_images_are_drawn_only_if_asked_for(image, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(procedure, "MOST_OVERLAYS", 1)
    few = predict_files(reader(), image.parent, tmp_path / "few")
    assert (few.undrawn, (tmp_path / "few" / "overlays").exists()) == (False, True)
    Image.open(image).save(image.with_name("b.png"))
    many = predict_files(reader(), image.parent, tmp_path / "many")
    assert (many.undrawn, (tmp_path / "many" / "overlays").exists()) == (True, False)
    asked = predict_files(reader(), image.parent, tmp_path / "asked", overlays=True)
    assert (asked.undrawn, len(list((tmp_path / "asked" / "overlays").iterdir()))) == (False, 2)


def test_the_help_says_of_how_many_images_overlays_are_drawn():
    assert f"of at most {procedure.MOST_OVERLAYS} images" in HELP


def test_label_images_are_small_files(image, reader, tmp_path):
    """Of labels, runs say nearly all: a file is no larger than zlib's usual search makes it."""
    pixels = np.kron(np.random.default_rng(0).integers(0, 4, (30, 30), np.uint8), np.ones((20, 20), np.uint8)) * 64
    Image.fromarray(pixels).save(image)
    (mask,) = predict_files(reader(), image, tmp_path / "out", overlays=False).masks
    usual = io.BytesIO()
    Image.open(mask).save(usual, format="PNG")
    assert mask.stat().st_size <= len(usual.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("phantom", (0, 1, 2, 3)),
        ("carvana", (0, 1)),
        ("glas128", (0, 255)),
        ("cells", (0, 1, 2)),
        ("cityscapes", (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)),
        ("ctc", None),
    ],
)
def test_each_data_set_says_what_its_masks_store(compose, data, values):
    found = build_data(compose(f"data={data}"))
    assert found.stored_values() == values
    if values is not None:
        assert [found.label_map[value] for value in values] == list(range(len(found.class_names)))
