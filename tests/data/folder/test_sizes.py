import numpy as np
import pytest
from tests.data.folder.conftest import drawing, picture, read, save

from segbench.data.folder.sizes import Fit, cropped, proposed_fit, proposed_spacing
from segbench.data.loader import Draw


@pytest.mark.parametrize(
    ("sizes", "size", "how"),
    [
        ([(512, 640)], None, "stretch"),
        ([(768, 768)], None, "stretch"),
        ([(1280, 1918)], (320, 480), "stretch"),
        ([(2048, 1024)], (512, 256), "stretch"),
        ([(522, 775), (520, 770), (430, 640)], (256, 384), "stretch"),
        ([(100, 200), (210, 100), (150, 160)], (192, 192), "pad"),
        ([(300, 400), (300, 600)], (304, 496), "pad"),
    ],
)
def test_sizes_that_are_proposed(sizes, size, how):
    fit, why = proposed_fit(sizes, "auto", None)
    assert (fit.size, fit.how) == (size, how)
    assert why


def test_crops_are_cut_at_the_images_own_scale():
    assert proposed_fit([(100, 120)], "auto", (64, 64))[0] == Fit()
    assert proposed_fit([(100, 120), (90, 200)], "auto", (128, 64))[0] == Fit((128, 200), "pad")


def test_padding_keeps_proportions_and_only_shrinks():
    plane = Fit((64, 64), "pad").plane((100, 50))
    assert (plane.resampled, plane.size) == ((64, 32), (64, 64))
    assert Fit((64, 64), "pad").plane((20, 30)).resampled == (20, 30)


def test_slices_get_the_median_pixel_and_hold_the_largest():
    fit, _ = proposed_spacing([(100, 120), (200, 100)], [(2.0, 2.0), (1.0, 1.0)], 2.0)
    assert (fit.size, fit.spacing) == ((112, 128), 2.0)


def test_images_of_many_sizes_train_without_being_asked(own, folder):
    for number in range(8):
        shape = (20 + 3 * number, 40 - 2 * number)
        save(own / f"images/{number}.png", picture(number, (*shape, 3)))
        save(own / f"masks/{number}.png", drawing(number, shape))
    data = folder(size="auto")
    data.setup()
    image, mask = data.read(data.records[0])
    assert image.shape[:2] == mask.shape == data.size
    # Pixels around the image count nowhere, and every pixel of the image does.
    plane = data.input_format().plane((20, 40), None)
    assert (mask != 255).sum() == np.prod(plane.resampled)
    assert {tuple(item["image"].shape) for item in data.datasets["train"]} == {(3, *data.size)}


def test_crops_are_what_training_sees(own, folder):
    for number in range(8):
        save(own / f"images/{number}.png", picture(number))
        save(own / f"masks/{number}.png", drawing(number))
    data = folder(size="auto", crop=[16, 16])
    data.setup()
    drawn = data.datasets["train"][Draw(0, 1)]
    assert drawn["image"].shape[1:] == drawn["mask"].shape == (16, 16)
    assert read(data)["0"][0].shape == (24, 32, 3)


def test_what_a_crop_of_slices_leaves_is_said():
    fit = Fit((64, 48), "pad", 1.5625)
    sizes, spacings = [(216, 256), (60, 40)], [(8.0, 1.5625, 1.5625)] * 2
    assert cropped(fit, sizes, spacings) == (", cropped to 48x64 pixels around the centre (75x100 mm of 400x338 mm)")
    assert cropped(fit, sizes[1:], spacings[1:]) == ", padded to 48x64"
    assert cropped(Fit(None, "pad", 1.5625), sizes, spacings) == ""


def test_sizes_are_said_width_first():
    assert "64x32, as they are" in proposed_fit([(32, 64)], "auto", None)[1]
