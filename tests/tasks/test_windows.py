"""Images predicted window by window."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from segbench.tasks.windows import Windows, gaussian, starts


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0, 0.95))
def test_windows_cover_a_side_and_overlap_enough(side, window, overlap):
    window = min(side, window)
    places = starts(side, window, overlap)
    assert places[0] == 0
    assert places[-1] + window == side
    steps = [after - before for before, after in pairwise(places)]
    # At least so much in common, and no window more than that takes.
    least = max(window - math.ceil(window * overlap - 1e-9), 1)
    assert all(1 <= step <= least for step in steps)
    assert len(steps) == math.ceil((side - window) / least)


def test_the_overlap_is_no_less_where_it_is_no_whole_number_of_pixels():
    """Of windows of 5, a half is 2.5 pixels: 2 in common, as rounding the places gives, would be less."""
    assert starts(10, 5, 0.5) == [0, 2, 3, 5]
    assert starts(190, 100, 0.55) == [0, 45, 90]


def pointwise(image):
    return torch.cat((image * 2, 1 - image), dim=1)


@examples(25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.integers(1, 24), st.floats(0, 0.8))
def test_a_network_that_sees_one_pixel_sees_the_same_through_windows(
    height, width, window_height, window_width, overlap
):
    image = torch.randn(2, 1, height, width, generator=torch.Generator().manual_seed(height * 41 + width))
    windows = Windows(size=(window_height, window_width), overlap=overlap)
    assert torch.allclose(windows.predict(pointwise, image), pointwise(image), atol=1e-5)


def test_overlapping_windows_are_blended_by_a_gaussian_around_their_centres():
    image = torch.zeros(1, 1, 4, 12)
    seen = []

    def number(part):
        seen.append(part.shape[-2:])
        return torch.full((1, 1, *part.shape[-2:]), float(len(seen)))

    found = Windows(size=(4, 8), overlap=0.5).predict(number, image)
    assert [tuple(shape) for shape in seen] == [(4, 8), (4, 8)]
    first, second = gaussian(4, 8), gaussian(4, 8)
    middle = (first[:, 4:] + 2 * second[:, :4]) / (first[:, 4:] + second[:, :4])
    expected = torch.cat((torch.ones(4, 4), middle, torch.full((4, 4), 2.0)), dim=1)
    assert torch.allclose(found[0, 0], expected, atol=1e-6)
    centre = torch.exp(-0.5 * torch.tensor([0.5, 0.5]).div(torch.tensor([4 / 8, 8 / 8])).square().sum())
    assert gaussian(4, 8)[2, 4] == pytest.approx(centre.item())


@pytest.mark.parametrize("images", [1, 2])
def test_windows_that_go_through_the_network_together_are_put_where_they_belong(images):
    image = torch.randn(images, 1, 11, 13, generator=torch.Generator().manual_seed(0))
    windows, sizes = Windows(size=(4, 5), overlap=0.4), []

    def of_each(part):
        # What depends on the window, and on no other.
        sizes.append(len(part))
        return torch.cat((part * part.mean(dim=(1, 2, 3), keepdim=True), part.cumsum(dim=-1)), dim=1)

    alone = windows.predict(of_each, image, together=1)
    count = len(sizes)
    assert set(sizes) == {images}
    sizes.clear()
    assert torch.equal(windows.predict(of_each, image, together=6), alone)
    assert sizes[0] == 6
    assert sum(sizes) == count * images


def test_tiles_are_predicted_alone():
    image = torch.arange(30.0).view(1, 1, 5, 6)
    means = Windows(tiles=(1, 2)).predict(lambda part: part.mean().expand(1, 1, *part.shape[-2:]), image)
    assert torch.equal(means[0, 0, 0], torch.tensor([13.0] * 3 + [16.0] * 3))
