"""Objects where none are drawn: connected components of each foreground class."""

import numpy as np
import pytest

from segbench.data.instances import instances_of
from segbench.data.phantom import PhantomData
from segbench.data.records import Record


class Street(PhantomData):
    """Two classes, neither of which is a background."""

    class_names = ("road", "car")
    background = False


@pytest.mark.parametrize(("kind", "expected"), [(Street, [[1, 3, 2]]), (PhantomData, [[0, 1, 0]])])
def test_class_0_has_objects_where_it_is_no_background(tmp_path, kind, expected):
    found = instances_of(kind(cache_dir=tmp_path), Record("a", "a"), np.array([[0, 1, 0]], np.uint8))
    assert found.tolist() == expected
