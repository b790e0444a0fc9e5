import time

import numpy as np
import pytest
from tests.data.folder.conftest import picture, read, save

from segbench.data.folder import numbered
from segbench.errors import DataError


def blocks(values, shape=(48, 64)):
    """A mask with a block of 5x5 pixels for each value, in a grid; a value that is repeated has several."""
    mask = np.zeros(shape, np.uint8)
    for place, value in enumerate(values):
        row, column = 6 * (place // 10), 6 * (place % 10)
        mask[row : row + 5, column : column + 5] = value
    return mask


def write(own, masks):
    for number, values in enumerate(masks):
        save(own / f"images/{number}.png", picture(number, (48, 64, 3)))
        save(own / f"masks/{number}.png", blocks(values))


COUNTS = (12, 3, 33, 20, 7, 16, 9, 25)
NUMBERED = [range(1, count + 1) for count in COUNTS]


def test_masks_that_number_objects_are_refused_before_they_are_learned_as_classes(own, folder):
    write(own, NUMBERED)
    with pytest.raises(DataError) as refused:
        read(folder())
    assert str(refused.value) == (
        "data.masks: values 0..33 look like object numbers: data.instances=true makes them objects,"
        " data.classes={...} keeps them as classes"
    )
    assert len(read(folder(instances=True))) == len(read(folder(classes=[f"c{n}" for n in range(34)]))) == 8


def test_an_object_that_was_erased_or_cut_in_two_changes_nothing(own, folder):
    masks = [list(numbers) for numbers in NUMBERED]
    masks[2].remove(17)
    masks[3].append(4)
    write(own, masks)
    with pytest.raises(DataError, match="look like object numbers"):
        read(folder())


@pytest.mark.slow
@pytest.mark.parametrize(
    "masks",
    [
        # Streets: some of many classes in each image.
        [np.random.default_rng(n).choice(33, 15, replace=False) + 1 for n in range(8)],
        # Every class in every image, but for one: organs, or parts of a face.
        [range(1, 19 - n % 2) for n in range(8)],
        # Classes that come up one by one, of which an image has several things.
        [[*range(1, count + 1)] * 2 for count in (5, 7, 9, 11, 12, 10, 8, 6)],
        # A few classes, of which some images lack the first.
        [range(1 + n % 2, 4) for n in range(8)],
        # One class, and one that is in nearly all images too.
        [range(1, 2 + (n > 0)) for n in range(8)],
    ],
)
def test_classes_are_no_object_numbers(own, folder, masks):
    write(own, masks)
    assert len(read(folder())) == 8


FEW = [range(1, count + 1) for count in (3, 1, 2, 3, 2, 4, 1, 2, 3, 2)]


def test_few_objects_are_told_from_classes_by_all_masks(own, folder):
    write(own, FEW)
    with pytest.raises(DataError) as refused:
        read(folder())
    assert str(refused.value) == (
        "data.masks: values 0..4 look like object numbers: data.instances=true makes them objects,"
        " data.classes={...} keeps them as classes"
    )
    assert len(read(folder(instances=True))) == len(read(folder(classes=list("abcde")))) == 10
    # In two pieces each: a class of several things.
    write(own, [[*values, *values] for values in FEW])
    assert len(read(folder())) == 10


def test_classes_that_come_up_one_by_one_are_told_by_their_brightness(own, folder, caplog):
    for number, values in enumerate(FEW):
        mask = blocks(values)
        image = picture(number, (48, 64, 3)) // 8 + 40 * mask[..., None]
        save(own / f"images/{number}.png", image.astype(np.uint8))
        save(own / f"masks/{number}.png", mask)
    with caplog.at_level("INFO", logger="segbench"):
        assert len(read(folder())) == 10
    assert "values 1..4 count up as object numbers do, but the same ones are always brighter: classes" in caplog.text


def test_a_border_of_255_around_objects_is_no_object(own, folder):
    for number, values in enumerate(FEW):
        mask = blocks(values)
        mask[40:42] = 255
        save(own / f"images/{number}.png", picture(number, (48, 64, 3)))
        save(own / f"masks/{number}.png", mask)
    with pytest.raises(
        DataError, match=r"values 0\.\.4 look like object numbers.*border around them: data.ignore=255$"
    ):
        read(folder())
    with pytest.raises(DataError, match=r"255 is beside the object numbers of most masks.*: data.ignore=255; if it is"):
        read(folder(instances=True))
    found = read(folder(instances=True, ignore=255))
    assert all((target[40:42] == 255).all() and (target[:36] != 255).all() for _, target in found.values())


def test_255_objects_are_numbers_like_others(own, folder):
    mask = np.arange(1, 301, dtype=np.uint16).reshape(15, 20).repeat(4, 0).repeat(4, 1)
    for number in range(4):
        save(own / f"images/{number}.png", picture(number, (60, 80, 3)))
        save(own / f"masks/{number}.png", mask)
    assert len(read(folder(instances=True, boundary=0))) == 4


def test_many_objects_in_black_and_white_images_are_not_taken_for_swapped_folders(own, folder):
    mask = np.arange(1, 101, dtype=np.uint8).reshape(10, 10).repeat(5, 0).repeat(5, 1)
    for number in range(4):
        save(own / f"images/{number}.png", 255 * (picture(number, (50, 50)) > 128).astype(np.uint8))
        save(own / f"masks/{number}.png", mask)
    assert len(read(folder(instances=True, boundary=0))) == 4


def test_it_takes_no_longer_for_an_image_where_there_are_many():
    def seconds(images):
        began = time.process_time()
        assert numbered._counts_up([range(1, 2 + image % 7) for image in range(images)])
        return time.process_time() - began

    seconds(2_000)
    # Sixteen times as many; compared with all others each time, it would be 256 times as long.
    assert seconds(32_000) < 80 * max(seconds(2_000), 1e-3)
