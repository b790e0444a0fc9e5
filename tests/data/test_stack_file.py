import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.stack_file import StackFile


@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 4), max_size=3),
    st.sampled_from(["uint8", "uint16", "float32", "bool"]),
)
def test_the_file_is_what_numpy_saves_of_the_stack(tmp_path_factory, count, shape, dtype):
    folder = tmp_path_factory.mktemp("stack")
    chance = np.random.default_rng(count)
    # As (H,W,C) read from (C,H,W), an array need not be contiguous.
    arrays = [np.asarray((100 * chance.random(shape)).astype(dtype).T) for _ in range(count)]
    with StackFile(folder / "ours.npy", count) as stack:
        for array in arrays:
            stack.append(array)
        assert np.array_equal(np.stack(stack.written()), np.stack(arrays))
    np.save(folder / "numpy.npy", np.ascontiguousarray(np.stack(arrays)))
    content = (folder / "ours.npy").read_bytes()
    assert content == (folder / "numpy.npy").read_bytes()
    assert stack.crc32 == zlib.crc32(content)


@pytest.mark.parametrize("other", [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint16)])
def test_another_shape_or_type_does_not_fit(tmp_path, other):
    with StackFile(tmp_path / "a.npy", 2) as stack:
        assert stack.takes(other)
        assert stack.written() == []
        stack.append(np.zeros((3, 2), np.uint8))
        assert not stack.takes(other)
        with pytest.raises(ValueError, match="does not fit"):
            stack.append(other)


@pytest.mark.parametrize("left", [np.zeros((3, 4), np.uint8), np.zeros((2, 4), np.uint8, order="F"), np.zeros(())])
def test_nothing_is_written_behind_what_is_no_such_stack(tmp_path, left):
    np.save(tmp_path / "a.npy", left)
    before = (tmp_path / "a.npy").read_bytes()
    with pytest.raises(ValueError, match="not 1 of 2 arrays"):
        StackFile(tmp_path / "a.npy", 2, kept=1)
    assert (tmp_path / "a.npy").read_bytes() == before
