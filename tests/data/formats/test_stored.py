import numpy as np
import pytest
from PIL import Image, ImageOps

from segbench.data.formats.stored import check_pixels, turned
from segbench.errors import DataError


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(3, 5), (4, 4)])
def test_every_orientation_turns_as_pillow_does(orientation, shape):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(turned(pixels, orientation), np.asarray(ImageOps.exif_transpose(image)))
    colours = np.dstack([pixels] * 3)
    np.testing.assert_array_equal(turned(colours, orientation)[..., 1], turned(pixels, orientation))


def test_the_first_row_and_column_go_where_the_standard_says():
    """CIPA DC-008, Orientation: the side of what is seen at which the 0th row and the 0th column lie."""
    sides = {1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
             5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")}  # fmt: skip
    row, column = np.zeros((5, 7), int), np.zeros((5, 7), int)
    row[0], column[:, 0] = 1, 1
    edges = {"top": np.s_[0], "bottom": np.s_[-1], "left": np.s_[:, 0], "right": np.s_[:, -1]}
    for orientation, (first_row, first_column) in sides.items():
        assert turned(row, orientation)[edges[first_row]].all()
        assert turned(column, orientation)[edges[first_column]].all()


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (10_001, 10_000)])
def test_sizes_beyond_reason_are_refused(width, height):
    with pytest.raises(DataError, match=rf"^a.png: (damaged \(an image of )?{width}x{height} pixels"):
        check_pixels("a.png", width, height)
    check_pixels("a.png", 10_000, 10_000)
