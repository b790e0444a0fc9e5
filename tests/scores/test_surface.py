"""The surfaces and distances of HD95, ASSD, NSD and boundary F1: by hand, against MONAI, and what must always hold."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from tests.examples import examples
from tests.oracles import monai

from segbench.scores.assd import ASSD
from segbench.scores.boundary_f1 import BoundaryF1
from segbench.scores.columns import Region
from segbench.scores.convention import Convention
from segbench.scores.hd95 import HD95
from segbench.scores.nsd import NSD
from segbench.scores.surface import surface, surface_distances

SHAPES = [
    ((48, 64), None),
    ((48, 64), (0.7, 0.7)),
    ((48, 64), (2.0, 0.5)),
    ((12, 32, 40), None),
    ((12, 32, 40), (10.0, 1.5, 1.25)),
]


def every(tolerance=2.0, empty="penalty"):
    return HD95(empty), ASSD(empty), NSD(tolerance, empty=empty), BoundaryF1(tolerance, empty=empty)


# -- by hand ----------------------------------------------------------------------------------------


def test_the_surface_are_the_pixels_with_a_side_outside():
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    rim = mask.copy()
    rim[2:5, 2:5] = False
    np.testing.assert_array_equal(surface(mask), rim)
    # A hole that touches pixels at its corners alone makes no border of these.
    mask[3, 3] = False
    assert surface(mask).sum() == 16 + 4
    assert surface(np.ones((1, 1, 1), bool)).all()


def test_at_the_edge_of_the_image_a_class_has_a_surface_and_in_the_first_and_last_slice():
    full = np.ones((5, 6), bool)
    assert surface(full).sum() == 30 - 12
    assert surface(np.ones((4, 5, 6), bool)).sum() == 120 - 2 * 12


def test_the_edge_of_an_unlabelled_region_counts_as_the_edge_of_the_image(region):
    road = np.ones((4, 8), bool)
    known = np.ones((4, 8), bool)
    known[:, 6:] = False
    shorter = road.copy()
    shorter[:, 5:] = False
    # As if the image ended there: what is predicted beyond plays no role.
    for predicted in (road, shorter):
        inside = surface_distances(region(road[:, :6], predicted[:, :6]))
        whole = surface_distances(region(road, predicted, known=known))
        np.testing.assert_array_equal(whole.truth, inside.truth)
        np.testing.assert_array_equal(whole.predicted, inside.predicted)
    assert surface_distances(region(road, shorter, known=known)).truth.max() == 1


def test_a_square_moved_by_three_pixels(region, score_of):
    """4x4, its rim 12 pixels: 3 to the right the columns lie 0 to 3 away."""
    truth, moved = np.zeros((12, 16), bool), np.zeros((12, 16), bool)
    truth[4:8, 2:6], moved[4:8, 5:9] = True, True
    distances = surface_distances(region(truth, moved))
    # To the nearest rim pixel of the other: 4 of column 2 at 3, 2 of column 3 at 2, 2 of column 4 at 1, column 5 meets.
    expected = sorted([3.0] * 4 + [2.0] * 2 + [1.0] * 2 + [0.0] * 4)
    assert sorted(distances.truth) == sorted(distances.predicted) == expected
    hd95, assd, nsd, boundary = every(1.0)
    assert score_of(hd95, region(truth, moved)) == 3
    assert score_of(assd, region(truth, moved)) == pytest.approx(18 / 12)
    assert score_of(nsd, region(truth, moved)) == score_of(boundary, region(truth, moved)) == pytest.approx(6 / 12)
    # Pixels of 2 x 0.5 mm: 3 columns are 1.5 mm.
    assert score_of(hd95, region(truth, moved, (2.0, 0.5))) == 1.5
    assert score_of(assd, region(truth, moved, (2.0, 0.5))) == pytest.approx(18 / 12 / 2)


def test_a_voxel_in_the_next_slice_is_as_far_as_slices_are(region, score_of):
    truth, found = np.zeros((3, 5, 5), bool), np.zeros((3, 5, 5), bool)
    truth[0, 2, 2], found[1, 2, 2] = True, True
    assert score_of(HD95(), region(truth, found, (8.0, 1.5, 1.5))) == 8
    assert score_of(NSD(7.9), region(truth, found, (8.0, 1.5, 1.5))) == 0
    assert score_of(NSD(8.0), region(truth, found, (8.0, 1.5, 1.5))) == 1


def test_a_distance_of_exactly_the_tolerance_is_within_it_whatever_the_spacing(region, score_of):
    """0.3 - 0.1 is not 0.2 in binary, but two pixels of 0.1 mm are within 0.2 mm."""
    for place in range(8):
        truth, found = np.zeros((3, 12), bool), np.zeros((3, 12), bool)
        truth[1, place], found[1, place + 2] = True, True
        assert score_of(NSD(0.2), region(truth, found, (0.1, 0.1))) == 1
        assert score_of(NSD(0.19), region(truth, found, (0.1, 0.1))) == 0


# -- one side, or none --------------------------------------------------------------------------------


def test_what_neither_side_has_is_nothing_to_score(region, score_of):
    none = np.zeros((31, 41), bool)
    for score in (*every(), *every(empty="skip")):
        assert np.isnan(score_of(score, region(none, none)))
        (declared,) = score.declare("px")
        assert {name for name, value in score.terms(region(none, none)).items() if value} <= {declared.most}
        assert declared.filled(np.zeros(len(declared.columns)), Convention(empty="one")) == (
            not declared.lower_is_better
        )


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 2.0)])
def test_what_one_side_has_costs_the_diagonal_or_scores_0(region, score_of, spacing):
    some, none = np.zeros((31, 41), bool), np.zeros((31, 41), bool)
    some[3:9, 5:7] = True
    for pair in ((some, none), (none, some)):
        hd95, assd, nsd, boundary = (score_of(score, region(*pair, spacing)) for score in every(1e9))
        assert hd95 == pytest.approx(50 * spacing[0])
        assert assd == pytest.approx(50 * spacing[0])
        assert (nsd, boundary) == (0, 0)


def test_distances_state_the_most_that_they_can_be_in_every_image(region):
    some, none = np.zeros((31, 41), bool), np.zeros((31, 41), bool)
    some[3:9, 5:7] = True
    for score, most in zip(every(), ("hd95_most", "assd_most", "", ""), strict=True):
        (declared,) = score.declare("px")
        assert declared.most == most
        for truth in (some, none):
            terms = score.terms(region(truth, none, (0.5, 0.5)))
            assert terms.keys() == set(declared.columns)
            assert not most or terms[most] == pytest.approx(25)


def test_or_is_left_out_which_is_not_the_same_as_nothing(region, score_of):
    some, none = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    some[3:5, 3:5] = True
    for score in every(empty="skip"):
        (declared,) = score.declare("px")
        terms = score.terms(region(some, none))
        assert declared.left_out == f"{score.name}_left_out"
        assert {name for name, value in terms.items() if value} == {declared.left_out, declared.most} - {""}
        values = np.array([terms[name] for name in declared.columns])
        assert np.isnan(declared.score(values))
        assert np.isnan(declared.filled(values, Convention(empty="one")))
        # Beside an image that is scored it changes nothing.
        assert score_of(score, region(some, none), region(some, some)) == score_of(score, region(some, some))
        assert "left out" in declared.empty
    for score in every():
        assert not score.declare("px")[0].left_out


def test_pooled_over_images(region, score_of):
    """HD95 as the mean over images, the others over the border pixels of all of them."""
    first, second = np.zeros((12, 16), bool), np.zeros((12, 16), bool)
    first[4:8, 2:6], second[2, 2] = True, True
    moved = np.roll(first, 3, axis=1)
    images = region(first, moved), region(second, np.roll(second, 8, axis=1))
    hd95, assd, nsd, boundary = every(1.0)
    assert score_of(hd95, *images) == pytest.approx((3 + 8) / 2)
    assert score_of(assd, *images) == pytest.approx((2 * 18 + 2 * 8) / (2 * 12 + 2))
    assert score_of(nsd, *images) == score_of(boundary, *images) == pytest.approx(12 / 26)
    # An image without any prediction costs recall alone: 6 of 12 + 12 are found, and 6 of the 12 predicted are right.
    none = np.zeros((12, 16), bool)
    found = score_of(boundary, images[0], region(first, none))
    assert found == pytest.approx(2 * 0.5 * 0.25 / (0.5 + 0.25))


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="empty must be penalty or skip, got zero"):
        HD95(empty="zero")
    for tolerance in (-1.0, float("inf"), float("nan")):
        for score in (NSD, BoundaryF1):
            with pytest.raises(ValueError, match="tolerance must be a distance of 0 or more"):
                score(tolerance)


# -- against MONAI ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_monai_has_the_same_numbers(region, score_of, blobs, shape, spacing, seed):
    """The percentile, too: both interpolate linearly. MONAI computes in float32 from positions, hence the tolerance."""
    truth, predicted = blobs(shape, seed)
    ours = region(truth, predicted, spacing)
    y, y_pred = (torch.from_numpy(mask)[None, None].float() for mask in (truth, predicted))
    options = {"include_background": True}
    hd95 = monai.metrics.HausdorffDistanceMetric(percentile=95, **options)(y_pred, y, spacing=spacing).item()
    assd = monai.metrics.SurfaceDistanceMetric(symmetric=True, **options)(y_pred, y, spacing=spacing).item()
    assert score_of(HD95(), ours) == pytest.approx(hd95, rel=1e-5)
    assert score_of(ASSD(), ours) == pytest.approx(assd, rel=1e-5)
    for tolerance in (0.0, 1.1, 2.7):
        nsd = monai.metrics.SurfaceDiceMetric([tolerance], **options)(y_pred, y, spacing=spacing).item()
        assert score_of(NSD(tolerance), ours) == pytest.approx(nsd, rel=1e-6)


@pytest.mark.filterwarnings("ignore:the prediction of class")
def test_where_monai_differs(region, score_of):
    """Of a class that one side alone has MONAI says infinite or nothing, and of NSD 0, as here."""
    some, none = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    some[3:5, 3:5] = True
    y, y_pred = (torch.from_numpy(mask)[None, None].float() for mask in (some, none))
    assert not np.isfinite(
        monai.metrics.HausdorffDistanceMetric(percentile=95, include_background=True)(y_pred, y).item()
    )
    assert not np.isfinite(
        monai.metrics.SurfaceDistanceMetric(symmetric=True, include_background=True)(y_pred, y).item()
    )
    assert monai.metrics.SurfaceDiceMetric([1.0], include_background=True)(y_pred, y).item() == 0
    assert score_of(HD95(), region(some, none)) == score_of(ASSD(), region(some, none)) == pytest.approx(8 * 2**0.5)
    assert score_of(NSD(1.0), region(some, none)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "spacing"), SHAPES)
def test_every_distance_is_that_of_scipys_transform_and_of_all_pairs(region, blobs, shape, spacing):
    truth, predicted = blobs(shape, 7)
    found = surface_distances(region(truth, predicted, spacing))
    borders = [mask ^ ndimage.binary_erosion(mask) for mask in (truth, predicted)]
    for ours, (one, other) in ((found.truth, borders), (found.predicted, borders[::-1])):
        transform = ndimage.distance_transform_edt(~other, sampling=spacing)
        np.testing.assert_allclose(ours, transform[one], rtol=1e-12)
    pairs = cdist(*(np.argwhere(border) * np.array(spacing or 1.0) for border in borders))
    np.testing.assert_allclose(found.truth, pairs.min(axis=1), rtol=1e-12)


# -- what must always hold ------------------------------------------------------------------------------


@st.composite
def pairs(draw):
    shape = draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7))
    spacing = draw(st.tuples(*[st.sampled_from([0.5, 1.0, 1.5, 8.0])] * len(shape)))
    truth, predicted, known = (draw(arrays(bool, shape)) for _ in range(3))
    known = known | (draw(st.booleans()))
    return Region(truth & known, predicted & known, known, spacing)


def with_masks(region, **changes):
    fields = {name: getattr(region, name) for name in ("truth", "predicted", "known", "spacing")}
    return Region(**{**fields, **changes})


@pytest.mark.slow
@examples(60)
@given(pairs(), st.sampled_from([0.0, 0.5, 1.0, 2.5, 9.0]), st.sampled_from(["penalty", "skip"]))
def test_properties(score_of, found, tolerance, empty):
    hd95, assd, nsd, boundary = scores = every(tolerance, empty)
    values = np.array([score_of(score, found) for score in scores])
    # Truth and prediction change places.
    turned = with_masks(found, truth=found.predicted, predicted=found.truth)
    np.testing.assert_allclose([score_of(score, turned) for score in scores], values)
    # A perfect prediction.
    if found.truth.any():
        perfect = with_masks(found, predicted=found.truth)
        assert [score_of(score, perfect) for score in scores] == [0, 0, 1, 1]
        assert np.isfinite(values).all() or (empty == "skip" and not found.predicted.any())
    else:
        assert np.isnan(values).all() or (empty == "penalty" and found.predicted.any())
    # Pixels of twice the size are twice as far apart, and at twice the tolerance as near.
    large = with_masks(found, spacing=tuple(2 * side for side in found.spacing))
    np.testing.assert_allclose([score_of(score, large) for score in every(2 * tolerance, empty)], values * [2, 2, 1, 1])
    # HD95 and ASSD are distances of the image, ASSD never above the largest, and a share grows with the tolerance.
    if np.isfinite(values).all():
        largest = max(side.max(initial=0) for side in vars(surface_distances(found)).values())
        assert 0 <= values[1] <= min(largest, found.diagonal) + 1e-9
        assert 0 <= values[0] <= min(largest, found.diagonal) + 1e-9
        assert 0 <= values[2] <= score_of(NSD(tolerance + 0.7, empty=empty), found) <= 1
        assert 0 <= values[3] <= score_of(BoundaryF1(tolerance + 0.7, empty=empty), found) <= 1


@examples(30)
@given(pairs(), st.integers(0, 3), st.integers(0, 3))
def test_where_in_the_image_both_lie_plays_no_role(score_of, found, before, after):
    padded = {
        name: np.pad(getattr(found, name), [(before, after)] * found.truth.ndim)
        for name in ("truth", "predicted", "known")
    }
    for score in every(1.0, "skip"):
        np.testing.assert_allclose(score_of(score, with_masks(found, **padded)), score_of(score, found))
