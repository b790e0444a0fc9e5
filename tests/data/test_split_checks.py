import numpy as np
import pytest

from segbench.data.records import Record
from segbench.data.split_checks import report_absent, report_duplicates
from segbench.errors import DataError

RECORDS = [Record(f"image{index}", f"group{index}") for index in range(6)]
SPLITS = {"train": [0, 1, 2], "val": [3], "test": [4, 5]}


def images(*values):
    return np.stack([np.full((4, 5, 1), value, np.uint8) for value in values])


def report(found, policy="warn", splits=SPLITS):
    report_duplicates(found, splits, RECORDS, "data.root=folder", policy)


def test_equal_images_in_one_part_are_nobodys_business(caplog):
    report(images(1, 1, 1, 2, 3, 3), "error")
    assert not caplog.messages


def test_one_copy_is_named_with_its_twin_in_one_line(caplog):
    report(images(1, 2, 3, 4, 2, 5))
    assert caplog.messages == [
        "data.root=folder: 1 image is in two parts of the split: image4 (test) equals image1 (train); scores on copies of"
        " training images mean nothing (data.on_duplicates=error refuses them)"
    ]


def test_many_copies_are_counted_and_some_named():
    with pytest.raises(DataError) as refusal:
        report(images(1, 2, 3, 3, 2, 1), "error")
    assert str(refusal.value) == (
        "data.root=folder: 3 images are in two parts of the split: image3 (val) equals image2 (train),"
        " image4 (test) equals image1 (train) and image5 (test) equals image0 (train); remove the copies, or use"
        " data.on_duplicates=warn"
    )


def test_validation_and_test_images_are_compared_too():
    with pytest.raises(DataError, match=r"image5 \(test\) equals image3 \(val\)"):
        report(images(1, 2, 3, 4, 5, 4), "error")


def test_images_of_several_sizes_and_types_are_compared():
    several = [*images(1, 2, 3), np.full((5, 4, 1), 1, np.uint8), np.full((4, 5, 1), 1, np.uint16), images(2)[0]]
    with pytest.raises(DataError, match=r"1 image is in two parts of the split: image5 \(test\) equals image1"):
        report(several, "error")


def test_one_pixel_makes_another_image(caplog):
    several = images(1, 1, 1, 1, 1, 1)
    for index in range(6):
        several[index, 0, index % 5, 0] += index + 1
    report(several, "error")


def test_absent_classes_are_named_in_one_line(caplog):
    report_absent(["sky", "road", "car", "bus"], np.array([1, 0, 5, 0]), "pixel", "data.root=folder")
    assert caplog.messages == ["data.root=folder: no training pixel of road and bus"]


def test_nothing_is_said_where_all_classes_occur(caplog):
    report_absent(["sky", "road"], np.array([1, 2]), "pixel", "data.root=folder")
    assert not caplog.messages
