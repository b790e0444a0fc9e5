import numpy as np
import pytest
from sklearn.metrics import f1_score

from segbench.data.phantom import PhantomData, draw_slice


@pytest.fixture(scope="module")
def slices():
    return [[draw_slice(0, subject, level / 5, (96, 96)) for level in range(6)] for subject in range(12)]


@pytest.mark.slow
def test_a_slice_is_a_function_of_its_numbers(slices):
    image, mask = draw_slice(0, 3, 0.2, (96, 96))
    assert np.array_equal(image, slices[3][1][0])
    assert np.array_equal(mask, slices[3][1][1])
    assert not np.array_equal(image, draw_slice(1, 3, 0.2, (96, 96))[0])
    assert (image.dtype, image.shape, mask.shape) == (np.uint8, (96, 96, 1), (96, 96))


def test_no_two_are_alike(slices):
    images = {image.tobytes() for subject in slices for image, _ in subject}
    assert len(images) == 72


def test_the_anatomy(slices):
    base = np.stack([subject[0][1] for subject in slices])
    assert all(set(np.unique(mask)) == {0, 1, 2, 3} for mask in base)
    # The right ventricle ends before the left one, and some slices show no heart at all.
    absent = [[set(np.unique(mask)) for _, mask in subject] for subject in slices]
    assert any(labels == {0, 2, 3} for subject in absent for labels in subject)
    assert any(labels == {0} for subject in absent for labels in subject)
    for mask in base:
        ring = mask == 2
        for axis in (0, 1):
            for shift in (-1, 1):
                touching = np.roll(mask == 3, shift, axis) & ~(mask == 3)
                assert (ring | (mask == 1))[touching].all(), "the cavity is enclosed by muscle"


@pytest.mark.slow
def test_brightness_alone_does_not_solve_it(slices):
    images = np.concatenate([image[..., 0].ravel() for subject in slices for image, _ in subject])
    masks = np.concatenate([mask.ravel() for subject in slices for _, mask in subject])
    # The best lookup table from brightness to class, fitted on the test data itself.
    table = np.array(
        [
            np.bincount(masks[images == level], minlength=4).argmax() if (images == level).any() else 0
            for level in range(256)
        ]
    )
    assert f1_score(masks, table[images], labels=[1, 2, 3], average="macro", zero_division=0) < 0.3
    balanced = np.array(
        [
            (np.bincount(masks[images == level], minlength=4) / np.bincount(masks, minlength=4)).argmax()
            if (images == level).any()
            else 0
            for level in range(256)
        ]
    )
    assert f1_score(masks, balanced[images], labels=[1, 2, 3], average="macro", zero_division=0) < 0.3


def test_other_sizes_show_the_same_anatomy(slices):
    _, large = draw_slice(0, 0, 0.0, (192, 192))
    small = slices[0][0][1]
    assert abs((large > 0).mean() - (small > 0).mean()) < 0.01
    assert draw_slice(0, 0, 0.0, (40, 64))[1].shape == (40, 64)


def test_subjects_are_groups(tmp_path):
    module = PhantomData(subjects=10, slices=3, size=[32, 32], cache_dir=tmp_path)
    module.setup()
    groups = {part: {module.records[i].group for i in indices} for part, indices in module.splits.items()}
    assert len(groups["train"]) + len(groups["val"]) + len(groups["test"]) == 10
    assert module.summary()["images"] == {part: 3 * len(names) for part, names in groups.items()}
