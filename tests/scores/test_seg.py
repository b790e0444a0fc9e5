"""SEG by hand, and against the Cell Tracking Challenge's definition written down cell by cell."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from tests.examples import examples

from segbench.scores.derive import Convention, class_scores, image_scores, mean_score
from segbench.scores.objects import OBJECT_SCORES, components, object_terms
from segbench.scores.seg import SEG, SEG_COLUMNS, seg_terms

NONE = np.zeros((20, 20), int)


def seg(truth, prediction):
    return float(SEG.score(seg_terms(truth, prediction)))


def square(*boxes, shape=(20, 20)):
    labels = np.zeros(shape, int)
    for number, (top, left, height, width) in enumerate(boxes, start=1):
        labels[top : top + height, left : left + width] = number
    return labels


# -- by hand ----------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_score():
    assert SEG.columns == SEG_COLUMNS
    assert not SEG.lower_is_better
    assert SEG.largest == 1


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        # A cell of 16 pixels: all of it; 12 of it; 9 are more than half, 8 are not.
        ((2, 2, 4, 4), 1.0),
        ((2, 2, 3, 4), 12 / 16),
        ((2, 2, 3, 3), 9 / 16),
        ((2, 2, 2, 4), 0.0),
        # Moved by one row: 12 shared of 20; by two rows: 8 of them, not more than half.
        ((3, 2, 4, 4), 12 / 20),
        ((4, 2, 4, 4), 0.0),
        # Of any size: what covers it all and 84 pixels more.
        ((0, 0, 10, 10), 16 / 100),
        ((10, 10, 4, 4), 0.0),
    ],
)
def test_one_cell(predicted, expected):
    assert seg(square((2, 2, 4, 4)), square(predicted)) == pytest.approx(expected)


def test_a_split_cell_counts_by_its_larger_part_and_by_neither_of_two_halves():
    truth = square((2, 2, 4, 4))
    assert seg(truth, square((2, 2, 3, 4), (5, 2, 1, 4))) == 12 / 16
    assert seg(truth, square((2, 2, 2, 4), (4, 2, 2, 4))) == 0


def test_merged_cells_are_each_measured_with_the_whole():
    """16 and 8 pixels in one prediction of 24: it covers both."""
    truth = square((2, 2, 4, 4), (2, 6, 4, 2))
    assert seg_terms(truth, (truth > 0).astype(int)).tolist() == pytest.approx([16 / 24 + 8 / 24, 2])


def test_a_missed_cell_is_0_and_a_cell_of_nothing_costs_nothing():
    truth = square((2, 2, 4, 4), (10, 10, 4, 4))
    assert seg(truth, square((2, 2, 4, 4))) == 0.5
    assert seg(truth, square((2, 2, 4, 4), (10, 10, 4, 4), (16, 0, 3, 3), (0, 16, 2, 2))) == 1


def test_where_a_side_is_empty():
    truth = square((2, 2, 4, 4))
    assert seg_terms(truth, NONE).tolist() == [0, 1]
    # Nothing to find: no score, whatever is predicted.
    assert seg_terms(NONE, truth).tolist() == seg_terms(NONE, NONE).tolist() == [0, 0]
    assert np.isnan(seg(NONE, truth))


def test_labels_of_any_type_and_value():
    truth = square((2, 2, 4, 4), (10, 10, 4, 4))
    for kind, top in ((np.uint8, 255), (np.uint16, 65535), (np.int32, 2**31 - 1), (np.int64, 2**40)):
        large = np.where(truth == 2, top, truth).astype(kind)
        assert seg(large, large) == seg(large, truth) == 1


def test_means_over_images_and_over_all_cells():
    """Two cells of which one is found, none, and six that are all found: 0.5, none, 1; pooled 7 of 8."""
    table = np.full((3, 2, 2), np.nan)
    table[:, 1] = [[1, 2], [0, 0], [6, 6]]
    assert mean_score(table, SEG, Convention()) == 0.75
    assert mean_score(table, SEG, Convention(reduction="pooled")) == 7 / 8


@pytest.mark.parametrize("empty", ["nan", "one", "zero"])
@pytest.mark.parametrize("reduction", ["per_image", "pooled"])
def test_a_class_without_objects_is_in_no_mean(empty, reduction):
    """NaN in every column: not a class that an image lacks."""
    convention = Convention(reduction=reduction, empty=empty)
    table = np.full((2, 3, 2), np.nan)
    table[:, 1] = [[1, 2], [1, 4]]
    both = np.full((2, 3, 3), np.nan)
    both[:, 1] = [[1, 1, 0], [1, 1, 0]]
    f1, _, distance_to = OBJECT_SCORES
    for values, score in ((table, SEG), (both, f1)):
        assert mean_score(values, score, convention) == class_scores(values, score, convention)[1]
        assert np.isnan(class_scores(values, score, convention)[[0, 2]]).all()
        assert np.array_equal(image_scores(values, score, convention), image_scores(values[:, :2], score, convention))
    # Its last column is the largest distance that there can be.
    distance = np.full((2, 3, 5), np.nan)
    distance[:, 1] = [[3, 1, 3, 1, 90], [5, 1, 5, 1, 90]]
    assert mean_score(distance, distance_to, convention) == 4


# -- against the definition -------------------------------------------------------------------------


def by_definition(truth, prediction):
    """The mean over reference cells R, with every predicted cell S tried."""
    scores = []
    for label in set(truth.ravel().tolist()) - {0}:
        R = truth == label
        score = 0.0
        for other in set(prediction.ravel().tolist()) - {0}:
            S = prediction == other
            if (R & S).sum() > 0.5 * R.sum():
                score = (R & S).sum() / (R | S).sum()
        scores.append(score)
    return np.mean(scores) if scores else np.nan


scattered = arrays(np.uint8, (6, 7), elements=st.integers(0, 3))


@st.composite
def cells(draw):
    """Reference cells as discs, some of which touch, and a prediction that is them moved, grown and joined."""
    chance = np.random.default_rng(draw(st.integers(0, 10**6)))
    rows, columns = np.mgrid[:40, :50]
    truth = np.zeros((40, 50), np.int32)
    for label in range(1, draw(st.integers(0, 12)) + 1):
        row, column, radius = chance.integers(0, 40), chance.integers(0, 50), chance.integers(1, 8)
        truth[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = label
    moved = np.roll(truth > 0, draw(st.integers(0, 3)), axis=1)
    return truth, components(ndimage.binary_dilation(moved) if draw(st.booleans()) else moved)


@examples(150)
@given(cells())
def test_as_the_definition_says(pair):
    assert seg(*pair) == pytest.approx(by_definition(*pair), nan_ok=True)


@pytest.mark.slow
@examples(150)
@given(scattered, scattered)
def test_as_the_definition_says_of_scattered_labels(truth, prediction):
    assert seg(truth, prediction) == pytest.approx(by_definition(truth, prediction), nan_ok=True)


@examples(100)
@given(cells(), st.integers(0, 10**6))
def test_perfect_empty_relabelled_and_with_cells_of_nothing(pair, seed):
    truth, prediction = pair
    some = truth.any()
    assert seg(truth, truth) == (1 if some else pytest.approx(np.nan, nan_ok=True))
    assert seg(truth, 0 * truth) == (0 if some else pytest.approx(np.nan, nan_ok=True))
    expected = seg_terms(truth, prediction)
    chance = np.random.default_rng(seed)
    names = [np.concatenate([[0], 1 + chance.permutation(500)[: side.max()]]) for side in pair]
    assert seg_terms(names[0][truth], names[1][prediction]) == pytest.approx(expected)
    free = (truth == 0) & (prediction == 0) & (chance.random(truth.shape) < 0.3)
    added = np.where(free, prediction.max() + 1 + components(free), prediction)
    assert seg_terms(truth, added) == pytest.approx(expected)


# -- time -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["good", "merged"])
def test_an_image_of_sixty_cells_takes_little_time(kind):
    chance = np.random.default_rng(0)
    rows, columns = np.mgrid[:512, :640]
    mask = np.zeros((512, 640), bool)
    for row, column, radius in zip(
        *(chance.integers(low, high, 60) for low, high in ((0, 512), (0, 640), (8, 16))), strict=True
    ):
        mask |= (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    truth = components(mask)
    # A network that calls everything cell is the worst case of the distances.
    prediction = components(np.roll(mask, 4, axis=0) if kind == "good" else mask | True)
    times = []
    for _ in range(5):
        start = time.process_time()
        object_terms(truth, prediction)
        seg_terms(truth, prediction)
        times.append(time.process_time() - start)
    # About 0.05 and 0.15 s on one slow core.
    assert min(times) < 0.5
