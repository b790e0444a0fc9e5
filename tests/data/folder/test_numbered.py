import numpy as np
import pytest
from tests.data.folder.conftest import picture, read, save

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


@pytest.mark.parametrize(
    "masks",
    [
        # Streets: some of many classes in each image.
        [np.random.default_rng(n).choice(33, 15, replace=False) + 1 for n in range(8)],
        # Every class in every image, but for one: organs, or parts of a face.
        [range(1, 19 - n % 2) for n in range(8)],
        # Classes that come up one by one, of which an image has several things.
        [[*range(1, count + 1)] * 2 for count in (5, 7, 9, 11, 12, 10, 8, 6)],
        # A few classes.
        [range(1, 2 + n) for n in range(8)],
    ],
)
def test_classes_are_no_object_numbers(own, folder, masks):
    write(own, masks)
    assert len(read(folder())) == 8
