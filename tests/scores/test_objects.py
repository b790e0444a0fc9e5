"""Object scores by hand, and against the definitions written down object by object and pixel by pixel."""

import time
import tracemalloc
from math import hypot

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import cdist
from tests.examples import examples

from segbench.scores import hausdorff as distances
from segbench.scores.derive import Convention, mean_score
from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES, components, object_terms


def scored(truth, prediction):
    terms = dict(zip(OBJECT_COLUMNS, object_terms(np.asarray(truth), np.asarray(prediction)), strict=True))
    return terms | {
        score.name: float(score.score(np.array([terms[column] for column in score.columns]))) for score in OBJECT_SCORES
    }


def square(shape, *boxes):
    labels = np.zeros(shape, int)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        labels[top : top + height, left : left + width] = number
    return labels


# -- by hand ----------------------------------------------------------------------------------------


def test_a_perfect_prediction():
    truth = square((20, 20), (1, 1, 4, 4), (10, 10, 5, 3))
    found = scored(truth, truth[:, :] * 7)
    assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == [2, 0, 0]
    assert (found["object_f1"], found["object_dice"], found["object_hausdorff"]) == (1, 1, 0)


def test_one_object_moved():
    """4x4 moved by 1: 12 of 16 pixels shared, Dice 24/32, and the farthest row is 1 away."""
    found = scored(square((20, 20), (2, 2, 4, 4)), square((20, 20), (3, 2, 4, 4)))
    assert found["object_f1"] == 1
    assert found["object_dice"] == 0.75
    assert found["object_hausdorff"] == 1


@pytest.mark.parametrize(("height", "detected"), [(3, 1), (2, 1), (1, 0)])
def test_half_of_an_object_is_enough(height, detected):
    """The paper's "at least 50 %"."""
    found = scored(square((10, 10), (2, 2, 4, 4)), square((10, 10), (2, 2, height, 4)))
    assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == [detected, 1 - detected, 1 - detected]


def test_two_halves_are_one_detection():
    found = scored(square((10, 10), (2, 2, 4, 4)), square((10, 10), (2, 2, 2, 4), (4, 2, 2, 4)))
    assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == [1, 1, 0]
    assert found["object_f1"] == pytest.approx(2 / 3)
    # Each half has Dice 2*8/24 with the whole, and so has the whole with its partner.
    assert found["object_dice"] == pytest.approx(2 / 3)
    assert found["object_hausdorff"] == 2


def test_two_merged_objects_are_one_detection():
    """10x10 and 5x5 joined by a prediction of both: its partner is the larger one, the smaller one is missed."""
    truth = square((30, 30), (0, 0, 10, 10), (0, 10, 5, 5))
    found = scored(truth, (truth > 0).astype(int))
    assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == [1, 0, 1]
    large, small = 2 * 100 / 225, 2 * 25 / 150
    assert found["object_dice"] == pytest.approx((large + (100 * large + 25 * small) / 125) / 2)
    # From (0,14) to the large one 5; from (9,0) to the small one's nearest (4,10): sqrt(125).
    assert found["object_hausdorff"] == pytest.approx((5 + (100 * 5 + 25 * hypot(5, 10)) / 125) / 2)


def test_an_object_without_overlap_takes_the_nearest_for_its_distance_and_none_for_its_dice():
    truth = square((40, 40), (0, 0, 2, 2), (0, 30, 2, 2))
    found = scored(truth, square((40, 40), (0, 0, 2, 2), (0, 26, 2, 2)))
    assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == [1, 1, 1]
    assert found["object_dice"] == 0.5
    assert found["object_hausdorff"] == 2


def test_where_one_side_is_empty_and_where_both_are():
    truth, none = square((31, 41), (0, 0, 2, 2)), np.zeros((31, 41), int)
    for one, other, counts in ((truth, none, [0, 0, 1]), (none, truth, [0, 1, 0])):
        found = scored(one, other)
        assert [found[name] for name in ("object_tp", "object_fp", "object_fn")] == counts
        assert (found["object_f1"], found["object_dice"]) == (0, 0)
        assert found["object_hausdorff"] == 50
    *others, diagonal = object_terms(none, none)
    assert not any(others)
    assert diagonal == pytest.approx(np.hypot(*(np.array(none.shape) - 1)))
    found = scored(none, none)
    assert all(np.isnan(found[name]) for name in ("object_f1", "object_dice", "object_hausdorff"))


def test_pixels_that_touch_at_a_corner_are_one_object():
    labels = components(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool))
    assert labels.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 2]]


def test_an_image_that_is_one_object_and_labels_of_any_type():
    for kind in (np.uint8, np.int32, np.int64):
        whole = np.full((4, 6), 3, kind)
        assert scored(whole, whole)["object_dice"] == 1


def test_the_distance_alone_is_better_when_lower_and_has_no_upper_end():
    facts = {score.name: (score.lower_is_better, score.largest, score.unit) for score in OBJECT_SCORES}
    assert facts["object_hausdorff"] == (True, np.inf, "px")
    assert facts["object_f1"] == facts["object_dice"] == (False, 1, "")


def test_every_column_is_of_a_score():
    assert {column for score in OBJECT_SCORES for column in score.columns} == set(OBJECT_COLUMNS)


# -- against the definitions ------------------------------------------------------------------------


def naive(truth, prediction):
    """F1, Dice and Hausdorff of the paper's section 5, and nothing else."""
    G = [truth == label for label in np.unique(truth) if label]
    S = [prediction == label for label in np.unique(prediction) if label]

    def partner(own, others):
        shared = [int((own & other).sum()) for other in others]
        return others[shared.index(max(shared))] if max(shared) else None

    def dice(a, b):
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    def hausdorff(a, b):
        table = cdist(np.argwhere(a), np.argwhere(b))
        return max(table.min(axis=1).max(), table.min(axis=0).max())

    def distance(own, others):
        best = partner(own, others)
        return hausdorff(own, best) if best is not None else min(hausdorff(own, other) for other in others)

    def weighted(objects, values):
        areas = np.array([own.sum() for own in objects])
        return (areas * values).sum() / areas.sum()

    detected = {
        id(best) for own in S if (best := partner(own, G)) is not None and (own & best).sum() >= 0.5 * best.sum()
    }
    precision, recall = len(detected) / len(S), len(detected) / len(G)
    sides = ((G, S), (S, G))
    return {
        "object_f1": 2 * precision * recall / (precision + recall) if detected else 0.0,
        "object_dice": np.mean(
            [weighted(a, [0 if partner(o, b) is None else dice(o, partner(o, b)) for o in a]) for a, b in sides]
        ),
        "object_hausdorff": np.mean([weighted(a, [distance(own, b) for own in a]) for a, b in sides]),
    }


def blobs(shape=(24, 28), grains=(0.3, 1.0, 2.5)):
    """Noise of several grains: specks, holes, large objects, touching labels."""

    def make(seed, grain, level, instances):
        chance = np.random.default_rng(seed)
        smooth = ndimage.gaussian_filter(chance.normal(size=shape), grain)
        mask = smooth > np.quantile(smooth, level)
        labels = components(mask)
        # Instances that touch each other, as annotators draw them.
        return labels * 2 + (np.arange(shape[1]) >= shape[1] // 2) * (labels > 0) if instances else labels

    return st.builds(make, st.integers(0, 10**6), st.sampled_from(grains), st.floats(0.3, 0.98), st.booleans())


@examples(120)
@given(blobs(), blobs())
def test_as_the_definitions_say(truth, prediction):
    found = scored(truth, prediction)
    for name, value in naive(truth, prediction).items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@pytest.mark.slow
@examples(150)
@given(arrays(np.uint8, (7, 9), elements=st.integers(0, 3)), arrays(np.uint8, (7, 9), elements=st.integers(0, 3)))
def test_as_the_definitions_say_of_scattered_labels(truth, prediction):
    if truth.any() and prediction.any():
        found = scored(truth, prediction)
        for name, value in naive(truth, prediction).items():
            assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@pytest.mark.slow
@examples(20)
@given(blobs((90, 110), grains=(6.0,)), blobs((90, 110), grains=(6.0,)))
def test_distances_of_large_objects_are_the_same(truth, prediction):
    """Above some size they are computed in another way."""
    expected = naive(truth, prediction)["object_hausdorff"]
    assert scored(truth, prediction)["object_hausdorff"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blobs(), blobs())
def test_both_ways_of_computing_distances_agree_to_the_bit_and_with_the_definition(monkeypatch, truth, prediction):
    """Pair by pair, and by a distance transform; elsewhere the numbers of pixels and pairs decide."""
    found = []
    # A transform of all, pairs alone, and a transform where there are pixels to find.
    for few, pairs in ((10**9, 0), (0, 10**9), (0, 0)):
        for name, value in (("_FEW_PIXELS", few), ("_PAIRS_PER_PIXEL", pairs), ("_MOST_PAIRS", pairs)):
            monkeypatch.setattr(distances, name, value)
        found.append(scored(truth, prediction)["object_hausdorff"])
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(naive(truth, prediction)["object_hausdorff"], rel=1e-12)


@pytest.mark.parametrize("length", [300, 900, 3000])
def test_distances_far_apart_are_those_of_whole_squares(length):
    """OpenCV's float32 distances have squares that are off by 1 from 886 pixels on."""
    wide, far = np.zeros((300, length), np.int32), np.zeros((300, length), np.int32)
    wide[20:, : length // 2] = 1
    wide[5, :] = 1
    far[3, 2] = far[280, 7] = 1
    points, others = (np.argwhere(mask) for mask in (wide, far))
    squares = ((points[:, None] - others[None]) ** 2).sum(axis=2)
    expected = np.sqrt(max(squares.min(axis=0).max(), squares.min(axis=1).max()))
    one, other = distances.LabelledSets(wide), distances.LabelledSets(far)
    assert distances.hausdorff(one, other, 0, 0) == expected


def test_a_large_object_and_a_thin_one_take_little_memory():
    """Few pairs of edges, but millions of the pixels that lie in the other's box."""
    square_, thin = np.zeros((500, 500), np.int32), np.zeros((500, 500), np.int32)
    square_[10:490, 10:490] = 1
    thin[np.arange(5, 495), np.arange(5, 495)] = 1
    one, other = distances.LabelledSets(square_), distances.LabelledSets(thin)
    tracemalloc.start()
    assert distances.hausdorff(one, other, 0, 0) == pytest.approx(479 / np.sqrt(2), abs=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_an_image_of_glands_takes_little_time():
    chance = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(chance.normal(size=(128, 128)), 6)
    truth = components(smooth > np.quantile(smooth, 0.6))
    noisy = components(ndimage.gaussian_filter((truth > 0) + chance.normal(size=truth.shape), 2) > 0.5)
    times = []
    for _ in range(5):
        start = time.process_time()
        object_terms(truth, noisy)
        times.append(time.process_time() - start)
    assert min(times) < 0.02


@pytest.mark.parametrize(("empty", "expected"), [("nan", 8.0), ("one", 4.0), ("zero", 8.0)])
def test_nothing_to_find_is_worth_the_best_distance_only_where_asked_for(empty, expected):
    found = object_terms(square((20, 20), (2, 2, 4, 4)), square((20, 20), (2, 10, 4, 4)))
    nothing = object_terms(np.zeros((20, 20), int), np.zeros((20, 20), int))
    table = np.full((2, 2, len(OBJECT_COLUMNS)), np.nan)
    table[:, 1] = found, nothing
    (distance,) = (score for score in OBJECT_SCORES if score.name == "object_hausdorff")
    wanted = [OBJECT_COLUMNS.index(column) for column in distance.columns]
    assert mean_score(table[..., wanted], distance, Convention(empty=empty)) == pytest.approx(expected)
