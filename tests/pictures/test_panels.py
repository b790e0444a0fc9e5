"""Overlapping classes in pictures: every class can be seen, also where another one is."""

import numpy as np
import pytest

from segbench.masks import BITS, MaskKey, bit_sets
from segbench.pictures.panels import GREY, class_colour, draw_panels, overlay

KEY = MaskKey(("whole", "part"), BITS, background=False)
WHOLE, PART = (np.array(class_colour(index, KEY)) for index in (0, 1))


def nested(size=24):
    """A square, and one inside it that reaches to its right edge; a corner is ignored."""
    whole, part, ignored = np.zeros((3, size, size), bool)
    whole[2:22, 2:22] = part[8:16, 8:22] = ignored[:2, :2] = True
    return bit_sets([whole, part], ignored)


def test_areas_have_the_mean_of_their_colours_and_classes_their_own_edges():
    mask, picture = nested(), np.full((24, 24, 3), 0.2)
    result = overlay(picture, mask, KEY)
    np.testing.assert_allclose(result[0, 12], 0.2)
    np.testing.assert_allclose(result[0, 0], 0.1 + 0.5 * np.array(GREY))
    np.testing.assert_allclose(result[5, 5], 0.1 + 0.5 * WHOLE)
    np.testing.assert_allclose(result[12, 12], 0.1 + 0.5 * (WHOLE + PART) / 2)
    np.testing.assert_allclose(result[2:22, 2], np.broadcast_to(WHOLE, (20, 3)))
    np.testing.assert_allclose(result[8, 9:20], np.broadcast_to(PART, (11, 3)))


def test_where_edges_coincide_their_colours_alternate():
    shared = overlay(np.zeros((24, 24, 3)), nested(), KEY)[8:16, 21]
    of_whole = (np.abs(shared - WHOLE).max(axis=1) < 1e-9).tolist()
    of_part = (np.abs(shared - PART).max(axis=1) < 1e-9).tolist()
    assert [not there for there in of_whole] == of_part
    assert 2 <= sum(of_whole) <= 6


def test_panels_take_masks_of_classes_that_overlap(tmp_path):
    mask = nested()
    draw_panels([np.zeros((24, 24, 3))], [mask], [mask], KEY, tmp_path / "panels.png", ["nested"])
    assert (tmp_path / "panels.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="is not of its image's size|size"):
        draw_panels([np.zeros((23, 24, 3))], [mask], [mask], KEY, tmp_path / "other.png", ["nested"])


def test_every_pixel_has_the_colour_of_its_class_or_of_its_edge():
    """Pixel by pixel, from the definition."""
    key = MaskKey(("background", "a", "b", "c"))
    chance = np.random.default_rng(0)
    mask = np.kron(chance.choice([0, 1, 2, 3, 255], (5, 6)), np.ones((4, 4), int)).astype(np.uint8)
    picture = chance.random((*mask.shape, 3))
    for dtype, tolerance in ((np.float64, 0), (np.float32, 1e-6)):
        result = overlay(picture.astype(dtype), mask, key)
        assert result.dtype == dtype
        for row, column in np.ndindex(mask.shape):
            value = mask[row, column]
            around = [mask[r, c] for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
                      if 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1]]  # fmt: skip
            colour = np.array(GREY if value == 255 else class_colour(value, key)) if value else None
            if colour is not None and value != 255 and any(other != value for other in around):
                expected = colour
            else:
                expected = picture[row, column] if colour is None else 0.5 * picture[row, column] + 0.5 * colour
            np.testing.assert_allclose(result[row, column], expected, rtol=0, atol=tolerance)
