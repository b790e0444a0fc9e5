import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import distance_transform_edt

from segbench.losses.distance_transform import distance_to, signed_distance

# The root's; neighbouring squares of up to 500 pixels are further apart.
ROUNDING = 3e-7


@given(arrays(bool, array_shapes(min_dims=2, max_dims=3, max_side=9), elements=st.booleans()))
def test_distances_are_scipy_s(sources):
    found = distance_to(torch.from_numpy(sources)).numpy()
    for image, there in zip(
        found.reshape(-1, *sources.shape[-2:]), sources.reshape(-1, *sources.shape[-2:]), strict=True
    ):
        expected = distance_transform_edt(~there) if there.any() else np.full(there.shape, np.inf)
        np.testing.assert_allclose(image, expected, rtol=ROUNDING)


def test_long_distances_are_exact():
    sources = torch.zeros(300, 400, dtype=torch.bool)
    sources[3, 7] = sources[290, 310] = True
    np.testing.assert_allclose(distance_to(sources), distance_transform_edt(~sources.numpy()), rtol=ROUNDING)


def test_the_sign_is_that_of_the_side_and_an_unknown_pixel_bounds_nothing():
    line = torch.tensor([[0, 0, 1, 1, 1, 1, 0]])
    inside = line == 1
    assert signed_distance(inside, ~inside).tolist() == [[2, 1, 0, -1, -1, 0, 1]]
    known = torch.tensor([[1, 1, 0, 1, 1, 0, 0]]) == 1
    assert signed_distance(inside & known, ~inside & known)[known[0][None]].tolist() == [3, 2, -1, -2]
    assert not signed_distance(inside, torch.zeros_like(inside)).any()
    assert not signed_distance(torch.zeros_like(inside), inside).any()
