"""What the values of a mask mean, of one class a pixel and of classes that overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segbench.labels import IGNORE_INDEX
from segbench.masks import BITS, INDICES, MOST_BITS, MaskKey, bit_sets

NAMES = ("a", "b", "c")
indices = arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, IGNORE_INDEX]))
sets = arrays(np.uint8, (4, 5), elements=st.sampled_from([*range(8), IGNORE_INDEX]))
several = arrays(bool, (3, 4, 5))


@given(indices)
def test_a_class_is_where_its_index_stands(mask):
    key = MaskKey(NAMES)
    for index in range(3):
        np.testing.assert_array_equal(key.inside(mask, index), mask == index)
    np.testing.assert_array_equal(
        key.count(np.bincount(mask.ravel(), minlength=256)), [(mask == index).sum() for index in range(3)]
    )
    (layer,) = key.layers(mask)
    assert (layer.index, layer.names) == (None, {0: "a", 1: "b", 2: "c"})
    assert layer.mask is mask


@given(several, arrays(bool, (4, 5)))
def test_what_was_packed_comes_back_and_255_is_none_of_them(classes, ignored):
    mask, key = bit_sets(list(classes), ignored), MaskKey(NAMES, BITS, background=False)
    assert mask.dtype == np.uint8
    for index, inside in enumerate(classes):
        np.testing.assert_array_equal(key.inside(mask, index), inside & ~ignored)
        layer = key.layers(mask)[index]
        np.testing.assert_array_equal(layer.mask, np.where(ignored, 255, inside))
        assert (layer.index, layer.names) == (index, {1: NAMES[index]})
    np.testing.assert_array_equal(
        key.count(np.bincount(mask.ravel(), minlength=256)), (classes & ~ignored).sum(axis=(1, 2))
    )


@given(sets)
def test_as_many_classes_as_there_are_bits_leave_255_alone(mask):
    full = bit_sets([mask != IGNORE_INDEX] * MOST_BITS)
    assert full.max(initial=0) <= BITS.largest(MOST_BITS) == 127
    assert not any(
        BITS.values(index)[IGNORE_INDEX] or INDICES.values(index)[IGNORE_INDEX] for index in range(MOST_BITS)
    )


def test_more_classes_than_bits_are_refused():
    with pytest.raises(ValueError, match=r"^8 overlapping classes; a mask holds 1 to 7$"):
        bit_sets([np.ones((2, 2), bool)] * 8)


@pytest.mark.parametrize(
    ("options", "shown", "partial"),
    [
        ({}, [1, 2], True),
        ({"background": False}, [0, 1, 2], False),
        ({"colours": ("#000000",) * 3}, [0, 1, 2], False),
        ({"form": BITS, "background": False}, [0, 1, 2], True),
    ],
)
def test_which_classes_are_shown_and_whether_they_cover_everything(options, shown, partial):
    key = MaskKey(NAMES, **options)
    assert (list(key.shown), key.partial) == (shown, partial)
