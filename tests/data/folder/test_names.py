"""Names by which images find their masks: each pair is read pixel by pixel as it was written."""

import numpy as np
import pytest
from tests.data.folder.conftest import CLASSES, drawing, pairs, picture, read, same, save

from segbench.errors import DataError


@pytest.mark.parametrize(
    ("image", "mask", "name", "options"),
    [
        ("photos/a{}.png", "drawings/a{}.png", "a{}", {"images": "photos", "masks": "drawings"}),
        ("images/a{}.png", "masks/a{}_mask.png", "a{}", {}),
        ("images/a{}.bmp", "masks/mask_a{}.png", "a{}", {}),
        ("images/a{}.png", "labels/a{}-label.png", "a{}", {}),
        ("img_{}.png", "seg_{}.png", "{}", {}),
        ("scan{}.png", "scan{}_gt.png", "scan{}", {}),
        ("x/a{}.png", "y/a{}.manual.png", "a{}", {"images": "x", "masks": "y"}),
        ("x/2024/cat/a{}.png", "y/2024/cat/a{}.png", "a{}", {"images": "x", "masks": "y"}),
        ("train/image/a{}.png", "train/mask/a{}_mask.png", "a{}", {"images": "image", "masks": "mask"}),
        ("x/a{}_leftImg.png", "y/a{}_gtFine_labelIds.png", "a{}", {"images": "x", "masks": "y"}),
        ("a{}.png", "a{}.roi.png", "a{}", {"pair": "*.roi"}),
        ("x/Photo_{:03}.png", "y/mask-{}.tif", "Photo_{:03}", {"images": "x", "masks": "y"}),
        ("IMG {:02} (a).png", "img-{}a_Mask.png", "IMG {:02} (a)", {}),
        ("x/leaf{}.red.png", "y/final_{:02}_red_leaf-v.png", "leaf{}.red", {"images": "x", "masks": "y"}),
        ("x/p{}q.png", "y/m-p{}q-done.png", "p{}q", {"images": "x", "masks": "y", "pair": "m-*-done"}),
    ],
)
def test_names_are_paired(own, folder, image, mask, name, options):
    written = pairs(own, image, mask)
    same(read(folder(**options)), written, name, CLASSES)


def test_names_without_zeros_and_signs_pair_what_begins_alike_only_in_part(own, folder):
    """photo_10 and mask_10 share their ends, photo_8 and mask_08 do not."""
    written = pairs(own, "x/photo_{}.png", "y/mask_{:02}.png", numbers=range(7, 16))
    same(read(folder(images="x", masks="y")), written, "photo_{}", CLASSES)


def test_words_and_numbers_that_two_images_have_are_refused_with_the_pairs(own, folder):
    pairs(own, "x/cell_{:02}.png", "y/mask-cell({}).png")
    save(own / "x/cell-3.png", picture(99))
    with pytest.raises(DataError) as refused:
        read(folder(images="x", masks="y"))
    for words in ("cell-3.png with ", "cell_03.png with ", "mask-cell(3).png", "data.table"):
        assert words in str(refused.value)


@pytest.mark.parametrize(("mask", "right"), [("cell{1}-day{0}", False), ("Day-0{0} cell {1}", True)])
def test_what_several_numbers_count_is_told_by_the_words_beside_them(own, folder, mask, right):
    """By its numbers alone, in their order, day1_cell2 would be paired with cell1-day2."""
    numbers = {(1, 2): 0, (2, 1): 1, (1, 1): 2, (2, 2): 3}
    for (day, cell), number in numbers.items():
        save(own / f"x/day{day}_cell{cell}.png", picture(number))
        save(own / f"y/{mask.format(day, cell)}.png", drawing(number))
    if not right:
        with pytest.raises(DataError, match=r"data\.pair: which mask belongs"):
            read(folder(images="x", masks="y"))
        return
    found = read(folder(images="x", masks="y"))
    for (day, cell), number in numbers.items():
        assert np.array_equal(found[f"day{day}_cell{cell}"][1], drawing(number))
