import numpy as np
import pytest
from tests.data.formats.writers import nifti

from segbench.data.formats.volume_file import open_volume
from segbench.data.nifti import check_same_grid, labels, normalised
from segbench.errors import DataError

LABELS = np.arange(24).reshape(3, 4, 2) % 4
ROWS = np.array([[-1.5, 0, 0, 10], [0, -1.5, 0, 20], [0, 0, 8.0, 30]])


def volume(tmp_path, voxels=None, name="label.nii", **options):
    (tmp_path / name).write_bytes(nifti(LABELS.astype(np.uint8) if voxels is None else voxels, **options))
    return open_volume(tmp_path / name)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_whole_numbers_of_every_type_are_labels(tmp_path, dtype):
    found = labels(volume(tmp_path, LABELS.astype(dtype)))
    np.testing.assert_array_equal(found, LABELS)
    assert found.dtype == np.int64


SCALED = [
    (0.1, 0.0, LABELS * 10),
    (1 / 3, 0.0, LABELS * 3),
    (0.5, 1.0, LABELS * 2 - 2),
    (1.0, -100.0, LABELS + 100),
    (2.0, -4.0, LABELS / 2 + 2),
]


@pytest.mark.parametrize(("slope", "inter", "stored"), SCALED)
def test_what_a_scaling_makes_counts_as_label(tmp_path, slope, inter, stored):
    """0.1 and 1/3 are no numbers of a float32: what they give is whole to a millionth."""
    stored = stored.astype(np.int16 if stored.dtype.kind == "i" else np.float32)
    np.testing.assert_array_equal(labels(volume(tmp_path, stored, slope=slope, inter=inter)), LABELS)


def test_labels_that_a_scaling_spoils_are_refused(tmp_path):
    """As nibabel stores floats in 16 bits: 0..3 in steps of 3/65535."""
    stored = np.round(LABELS * 65535 / 3.0004).astype(np.int32)
    with pytest.raises(DataError, match=r"not integers \(after scaling by scl_slope and scl_inter\)"):
        labels(volume(tmp_path, stored, slope=3.0004 / 65535 * 1.001))


@pytest.mark.parametrize("bad", [0.5, 1e-5, float("nan"), float("inf"), 1e300])
def test_what_is_no_whole_number_is_no_label(tmp_path, bad):
    values = LABELS.astype(float)
    values[1, 2, 0] = bad
    with pytest.raises(DataError, match=r"not integers \(resampled with interpolation\?\)"):
        labels(volume(tmp_path, values))


def test_a_label_beyond_what_counts_is_never_wrapped(tmp_path):
    values = LABELS.astype(np.uint64)
    values[0, 0, 0] = 2**64 - 255
    with pytest.raises(DataError, match="label 18446744073709551361 is too large"):
        labels(volume(tmp_path, values))


def test_intensities_of_every_scale_and_type_are_brought_to_0_to_1(tmp_path):
    values = np.arange(24).reshape(3, 4, 2)
    for dtype, slope, inter in (("u1", 1.0, 0.0), ("i2", 2.0, -5.0), ("f8", 0.0, 0.0), ("i8", 1.0, 1000.0)):
        found = normalised(volume(tmp_path, values.astype(dtype), slope=slope, inter=inter), (0, 100))
        np.testing.assert_allclose(found, values / 23, atol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e300])
def test_intensities_that_are_not_finite_are_refused(tmp_path, bad):
    values = np.arange(24.0).reshape(3, 4, 2)
    values[0, 0, :] = bad
    with pytest.raises(DataError, match=r"2 voxels are not finite"):
        normalised(volume(tmp_path, values), (0, 100))


OTHER = {
    "flipped": ({"sform": ROWS * [[-1], [1], [1]]}, "puts it up to 20 mm away from its image"),
    "shifted": ({"sform": ROWS + [[0, 0, 0, 1]] * 3}, "puts it up to 1 mm away from its image"),
    "of another size": ({"sform": ROWS, "spacing": (1.5, 1.5, 8.0), "dim": (4, 3, 2)}, "shape (4, 3, 2), but its image has (3, 4, 2)"),
    "in another unit": ({"sform": ROWS, "units": 3}, "mm away from its image"),
    "without a place": ({}, "mm away from its image"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_a_label_that_lies_elsewhere_is_refused(tmp_path, case):
    options, expected = OTHER[case]
    image = volume(tmp_path, name="image.nii", sform=ROWS)
    label = volume(tmp_path, **options)
    with pytest.raises(DataError) as refusal:
        check_same_grid(image, label)
    assert str(refusal.value).startswith(f"{label.path}: ")
    assert expected in str(refusal.value)


def test_one_grid_written_in_two_units_is_one(tmp_path):
    metres = ROWS / 1000
    image = volume(tmp_path, name="image.nii", sform=ROWS, units=2)
    label = volume(tmp_path, sform=metres, spacing=(0.0015, 0.0015, 0.008), units=1)
    check_same_grid(image, label)
    assert image.spacing == label.spacing
