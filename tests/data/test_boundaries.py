import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from segbench.data.boundaries import with_boundary
from segbench.scores.objects import components

LABELS = st.sampled_from([0, 0, 0, 1, 2, 300, 65534, 65535])
CELLS = arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=LABELS)


def naive(cells, width):
    """The definition, pixel by pixel."""
    height, breadth = cells.shape
    mask = np.zeros(cells.shape, np.uint8)
    for y in range(height):
        for x in range(breadth):
            window = cells[max(y - width, 0) : y + width + 1, max(x - width, 0) : x + width + 1]
            others = set(np.unique(window).tolist()) - {0, int(cells[y, x])}
            mask[y, x] = 2 if others else int(cells[y, x] > 0)
    return mask


@given(CELLS, st.integers(0, 3))
def test_it_is_the_definition_for_any_labels(cells, width):
    expected = naive(cells, width) if width else (cells > 0).astype(np.uint8)
    assert np.array_equal(with_boundary(cells, width), expected)


@given(CELLS, st.integers(1, 3))
def test_no_component_has_pixels_of_two_cells(cells, width):
    mask = with_boundary(cells, width)
    found = components(mask == 1)
    for label in range(1, found.max() + 1):
        assert len(np.unique(cells[found == label])) == 1
    assert (cells[mask == 1] > 0).all()
    assert (mask[cells > 0] > 0).all()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_touching_cells_lose_their_shared_edge_and_nothing_else(width):
    cells = np.zeros((40, 60), np.uint16)
    cells[10:30, 10:30] = 7
    cells[10:30, 30:50] = 9
    mask = with_boundary(cells, width)
    assert (mask[10:30, 30 - width : 30 + width] == 2).all()
    assert (mask[10:30, 10 : 30 - width] == 1).all()
    assert (mask[10:30, 30 + width : 50] == 1).all()
    rim = np.zeros(cells.shape, bool)
    rim[10 - width : 30 + width, 10 - width : 50 + width] = True
    assert ((mask == 2)[cells == 0] == rim[cells == 0]).all()
    assert components(mask == 1).max() == 2
    assert components(with_boundary(cells, 0) == 1).max() == 1
