import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, precision_score, recall_score
from tests.examples import examples
from tests.oracles import monai

from segbench.errors import ConfigError
from segbench.scores import SCORES, Convention, class_scores, image_scores, mean_score, pixel_accuracy
from segbench.scores.counts import confusion_matrices, counts

CLASSES = 4
NAMES = ["dice", "iou", "sensitivity", "specificity", "precision", "accuracy"]
CONVENTIONS = [
    Convention(reduction, background, empty)
    for reduction, background, empty in itertools.product(
        ("per_image", "pooled"), (False, True), ("nan", "one", "zero")
    )
]


def masks(ignored):
    """Prediction and target, (3,4,5) each; classes are often missing and images sometimes ignored entirely."""

    def build(seed, labels, kinds):
        generator = np.random.default_rng(seed)
        prediction, target = (generator.choice(choice, (3, 4, 5)) for choice in labels)
        if ignored:
            target[generator.random(target.shape) < 0.2] = 255
            target[[kind == 0 for kind in kinds]] = 255
        return prediction, target

    some = st.sampled_from([[0], [0, 1], [0, 0, 0, 2, 3], [0, 1, 2, 3], [1], [2, 3]])
    return st.builds(build, st.integers(0, 2**32 - 1), st.tuples(some, some), st.tuples(*[st.integers(0, 5)] * 3))


def tabulate(prediction, target):
    confusion = confusion_matrices(torch.from_numpy(prediction), torch.from_numpy(target), CLASSES)
    return counts(confusion).numpy()


def expected_score(name, truth, guess):
    """Scikit-learn's score of one class, given as booleans, where defined; the documented rule elsewhere."""
    there, said = truth.any(), guess.any()
    match name:
        case "dice":
            return f1_score(truth, guess) if there or said else math.nan
        case "iou":
            return jaccard_score(truth, guess) if there or said else math.nan
        case "sensitivity":
            return recall_score(truth, guess) if there else math.nan
        case "specificity":
            return recall_score(~truth, ~guess) if not truth.all() else math.nan
        case "precision":
            return precision_score(truth, guess) if said else (0.0 if there else math.nan)
        case "accuracy":
            return accuracy_score(truth, guess) if truth.size else math.nan


def expected_table(name, pairs, empty):
    """Score (N,C) of pairs of truth and guess, from scikit-learn."""
    fill = {"nan": math.nan, "one": 1.0, "zero": 0.0}[empty]
    values = [[expected_score(name, truth == c, guess == c) for c in range(CLASSES)] for truth, guess in pairs]
    return [[fill if math.isnan(value) else value for value in row] for row in values]


def mean(values):
    """Mean of the values that are there; NaN if none is."""
    values = [value for value in values if not math.isnan(value)]
    return sum(values) / len(values) if values else math.nan


def same(value):
    return pytest.approx(value, rel=1e-12, nan_ok=True)


# -- against scikit-learn --------------------------------------------------------------------------------------


def test_these_are_the_scores():
    assert list(SCORES) == NAMES


@examples(12)
@given(masks(ignored=True))
def test_scores_of_image_and_class_are_scikit_learn_s_or_the_documented_rule(batch):
    table = tabulate(*batch)
    pairs = [(truth[truth != 255], guess[truth != 255]) for guess, truth in zip(*batch, strict=True)]
    for name in NAMES:
        ours = SCORES[name](table)
        assert ours.dtype == np.float64
        for row, expected in zip(ours, expected_table(name, pairs, "nan"), strict=True):
            assert row.tolist() == same(expected), name


@pytest.mark.slow
@examples(6)
@given(masks(ignored=True), st.sampled_from(NAMES))
def test_every_convention_reduces_as_it_says(batch, name):
    prediction, target = batch
    table = tabulate(prediction, target)
    pairs = [(truth[truth != 255], guess[truth != 255]) for guess, truth in zip(prediction, target, strict=True)]
    pooled = [tuple(np.concatenate(pixels) for pixels in zip(*pairs, strict=True))]
    for convention in CONVENTIONS:
        first = 0 if convention.background else 1
        rows = expected_table(name, pairs if convention.reduction == "per_image" else pooled, convention.empty)
        classes = [mean(column) for column in zip(*rows, strict=True)]
        assert class_scores(table, name, convention).tolist() == same(classes)
        assert mean_score(table, name, convention) == same(mean(classes[first:]))
        images = [mean(row[first:]) for row in expected_table(name, pairs, convention.empty)]
        assert image_scores(table, name, convention).tolist() == same(images)


@examples(20)
@given(masks(ignored=True))
def test_pooled_scores_are_scikit_learn_s_on_all_pixels_together(batch):
    prediction, target = batch
    valid = target != 255
    truth, guess = target[valid], prediction[valid]
    present = [c for c in range(CLASSES) if (truth == c).any() or (guess == c).any()]
    if not present:
        return
    table = tabulate(prediction, target)
    convention = Convention("pooled", background=True)
    dice = f1_score(truth, guess, labels=present, average="macro", zero_division=0)
    iou = jaccard_score(truth, guess, labels=present, average="macro", zero_division=0)
    assert mean_score(table, "dice", convention) == same(dice)
    assert mean_score(table, "iou", convention) == same(iou)


@examples(20)
@given(masks(ignored=True))
def test_pixel_accuracy_is_scikit_learn_s(batch):
    prediction, target = batch
    table = tabulate(prediction, target)
    each = []
    for guess, truth in zip(prediction, target, strict=True):
        valid = truth != 255
        each.append(accuracy_score(truth[valid], guess[valid]) if valid.any() else math.nan)
    assert pixel_accuracy(table).tolist() == same(each)
    assert image_scores(table, "pixel_accuracy").tolist() == same(each)
    for background in (False, True):  # it has no classes
        assert mean_score(table, "pixel_accuracy", Convention(background=background)) == same(mean(each))
        valid = target != 255
        together = accuracy_score(target[valid], prediction[valid]) if valid.any() else math.nan
        assert mean_score(table, "pixel_accuracy", Convention("pooled", background)) == same(together)


# -- against MONAI ---------------------------------------------------------------------------------------------


def one_hot(labels):
    return torch.nn.functional.one_hot(torch.from_numpy(labels), CLASSES).movedim(-1, 1)


def dice_of_monai(prediction, target, background, ignore_empty, reduction):
    metric = monai.metrics.DiceMetric(include_background=background, reduction=reduction, ignore_empty=ignore_empty)
    metric(one_hot(prediction), one_hot(target))
    return metric.aggregate().numpy()


@examples(30)
@given(masks(ignored=False), st.booleans())
def test_dice_with_empty_one_is_monai_s_that_keeps_empty_classes(batch, background):
    table = tabulate(*batch)
    convention = Convention("per_image", background, "one")
    classes = dice_of_monai(*batch, background, False, "mean_batch")
    assert class_scores(table, "dice", convention)[0 if background else 1 :] == pytest.approx(classes, abs=1e-6)
    assert mean_score(table, "dice", convention) == pytest.approx(classes.mean(), abs=1e-6)
    images = dice_of_monai(*batch, background, False, "mean_channel")
    assert image_scores(table, "dice", convention) == pytest.approx(images, abs=1e-6)


@examples(30)
@given(masks(ignored=False), st.booleans())
def test_dice_with_empty_left_out_is_monai_s_that_ignores_them_except_for_false_positives(batch, background):
    prediction, target = batch
    first = 0 if background else 1
    ours = SCORES["dice"](tabulate(prediction, target))[:, first:]
    theirs = dice_of_monai(prediction, target, background, True, "none")
    there, said = (
        np.stack([(labels == c).any(axis=(1, 2)) for c in range(first, CLASSES)], axis=1)
        for labels in (target, prediction)
    )
    assert np.isnan(theirs[~there]).all()
    assert ours[there] == pytest.approx(theirs[there], abs=1e-6)
    assert (ours[~there & said] == 0).all()  # MONAI leaves these out
    assert np.isnan(ours[~there & ~said]).all()


@examples(20)
@given(masks(ignored=False), st.booleans())
def test_mean_dice_is_monai_s_where_every_image_shows_every_class(batch, background):
    prediction, target = batch
    target[:, 0, :CLASSES] = np.arange(CLASSES)
    table = tabulate(prediction, target)
    expected = dice_of_monai(prediction, target, background, True, "mean").item()
    assert mean_score(table, "dice", Convention(background=background)) == pytest.approx(expected, abs=1e-6)


# -- the rules, by hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "tn", "expected"),
    [
        # dice, iou, sensitivity, specificity, precision, accuracy
        (3, 1, 2, 4, (6 / 9, 3 / 6, 3 / 5, 4 / 5, 3 / 4, 7 / 10)),
        (0, 0, 0, 9, (math.nan, math.nan, math.nan, 1, math.nan, 1)),  # neither there nor predicted
        (0, 2, 0, 8, (0, 0, math.nan, 0.8, 0, 0.8)),  # predicted only
        (0, 0, 2, 8, (0, 0, 0, 1, 0, 0.8)),  # there only
        (9, 0, 0, 0, (1, 1, 1, math.nan, 1, 1)),  # nothing else there
        (0, 0, 0, 0, (math.nan,) * 6),  # all pixels ignored
    ],
)
def test_scores_by_hand(tp, fp, fn, tn, expected):
    table = np.array([tp, fp, fn, tn])
    assert [float(SCORES[name](table)) for name in NAMES] == same(list(expected))


def two_images():
    """Class 1 is found in image 0, absent and not predicted in image 1; class 2 appears nowhere."""
    target, prediction = np.zeros((2, 4, 4), np.int64), np.zeros((2, 4, 4), np.int64)
    target[0, 0], prediction[0, 0] = 1, 1
    return tabulate(prediction, target)


@pytest.mark.parametrize(
    ("empty", "classes", "images", "together"),
    [
        ("nan", [1, 1, math.nan, math.nan], [1, math.nan], 1),
        ("one", [1, 1, 1, 1], [1, 1], 1),
        ("zero", [1, 0.5, 0, 0], [1 / 3, 0], 0.5 / 3),
    ],
)
def test_an_empty_class_is_left_out_or_one_or_zero(empty, classes, images, together):
    convention = Convention(empty=empty)
    assert class_scores(two_images(), "dice", convention).tolist() == same(classes)
    assert image_scores(two_images(), "dice", convention).tolist() == same(images)
    assert mean_score(two_images(), "dice", convention) == same(together)


@pytest.mark.parametrize(("empty", "expected"), [("nan", 1), ("one", 1), ("zero", 1 / 3)])
def test_pooled_counts_make_a_class_empty_only_where_no_image_has_it(empty, expected):
    assert mean_score(two_images(), "dice", Convention("pooled", empty=empty)) == same(expected)


def test_per_image_and_pooled_weigh_a_large_and_a_small_object_differently():
    large, small = [98, 0, 0, 0], [0, 1, 1, 0]
    table = np.array([[[0, 0, 0, 98], large], [[0, 1, 1, 0], small]])
    assert mean_score(table, "dice") == 0.5
    assert mean_score(table, "dice", Convention("pooled")) == 196 / 198


def test_a_set_without_anything_to_score_is_nan_without_a_warning(recwarn):
    nothing = np.zeros((2, CLASSES, 4), np.int64)
    for name in [*NAMES, "pixel_accuracy"]:
        for reduction in ("per_image", "pooled"):
            assert math.isnan(mean_score(nothing, name, Convention(reduction)))
        assert np.isnan(image_scores(nothing, name)).all()
    assert not recwarn.list


def test_background_plays_no_role_for_the_scores_of_classes():
    table = two_images()
    with_background = class_scores(table, "iou", Convention(background=True))
    assert with_background.tolist() == same(class_scores(table, "iou", Convention(background=False)).tolist())


def test_without_a_convention_the_default_holds():
    table = two_images()
    assert Convention() == Convention("per_image", background=False, empty="nan")
    assert mean_score(table, "dice") == mean_score(table, "dice", Convention())
    assert image_scores(table, "dice").tolist() == same(image_scores(table, "dice", Convention()).tolist())
    assert class_scores(table, "dice").tolist() == same(class_scores(table, "dice", Convention()).tolist())


# -- sizes -----------------------------------------------------------------------------------------------------


@examples(20)
@given(masks(ignored=True), st.integers(1, 3), st.sampled_from(NAMES), st.sampled_from(CONVENTIONS))
def test_scores_do_not_depend_on_the_batch_size(batch, size, name, convention):
    prediction, target = batch
    pieces = [tabulate(prediction[i : i + size], target[i : i + size]) for i in range(0, 3, size)]
    pieces, whole = np.concatenate(pieces), tabulate(prediction, target)
    assert mean_score(pieces, name, convention) == same(mean_score(whole, name, convention))
    parts = [image_scores(whole[i : i + 1], name, convention).item() for i in range(3)]
    assert image_scores(whole, name, convention).tolist() == same(parts)


def test_counts_beyond_32_bits_do_not_overflow():
    row = np.array([2**40, 2**40, 2**41, 2**42], dtype=np.int64)
    table = np.broadcast_to(row, (1000, CLASSES, 4))
    by_hand = {"dice": 2 / 5, "iou": 1 / 4, "sensitivity": 1 / 3, "specificity": 4 / 5, "precision": 1 / 2}
    for name, expected in (by_hand | {"accuracy": 5 / 8}).items():
        for reduction in ("per_image", "pooled"):
            assert mean_score(table, name, Convention(reduction)) == pytest.approx(expected, rel=1e-12), name


# -- words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_describe_mentions_every_choice(convention):
    text = convention.describe()
    assert ("mean over images" in text) == (convention.reduction == "per_image")
    assert ("counts pooled over images" in text) == (convention.reduction == "pooled")
    assert ("with background" in text) == convention.background
    assert ("without background" in text) == (not convention.background)
    for choice, words in {"nan": "left out", "one": "scored 1", "zero": "scored 0"}.items():
        assert (words in text) == (convention.empty == choice)
    assert "pixels marked as ignored count nowhere" in text


@pytest.mark.parametrize(
    ("choice", "meant"),
    [({"reduction": "poled"}, "pooled"), ({"reduction": "per-image"}, "per_image"), ({"empty": "zeros"}, "zero")],
)
def test_a_misspelt_convention_is_refused(choice, meant):
    with pytest.raises(ConfigError, match=f"no such choice; did you mean {meant}"):
        Convention(**choice)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_describe_tells_apart_a_score_that_does_not_follow(convention):
    counts = np.random.default_rng(0).integers(1, 50, (4, 3, 4))
    counts[:2, 1] = counts[:, 2] = 0  # a class in some images only, and one in none
    follows = mean_score(counts, "miou", convention) == mean_score(counts, "iou", convention)
    apart = "mIoU: counts pooled over all images, a class empty in truth and prediction left out"
    assert (apart in convention.describe(["iou", "miou"])) == (not follows)
    assert convention.describe(["iou"]) == convention.describe()


def test_no_two_conventions_read_alike():
    assert len({convention.describe() for convention in CONVENTIONS}) == len(CONVENTIONS)


@pytest.mark.slow
@given(masks(ignored=True))
def test_micro_scores_are_scikit_learn_s_of_all_counted_pixels(drawn):
    prediction, target = drawn
    counted = target != 255
    if not counted.any():
        return
    table, convention = tabulate(prediction, target), Convention("pooled").of(False)
    truth, guess = target[counted], prediction[counted]
    for name, score in (("dice", f1_score), ("iou", jaccard_score), ("sensitivity", recall_score)):
        expected = score(truth, guess, labels=range(CLASSES), average="micro")
        assert mean_score(table, f"micro_{name}", convention) == pytest.approx(expected, abs=1e-12)
    # The signature of micro averaging over all classes of pixels with one label each.
    right = accuracy_score(truth, guess)
    for name in ("dice", "sensitivity", "precision"):
        assert mean_score(table, f"micro_{name}", convention) == pytest.approx(right, abs=1e-12)
    found = [mean_score(table, f"micro_{name}", convention) for name in ("accuracy", "specificity")]
    assert found == pytest.approx([1 - 2 * (1 - right) / CLASSES, 1 - (1 - right) / (CLASSES - 1)], abs=1e-12)
    # Without the background they are other numbers, of the other classes alone.
    foreground = f1_score(truth, guess, labels=range(1, CLASSES), average="micro", zero_division=np.nan)
    assert mean_score(table, "micro_dice", Convention("pooled")) == same(foreground)


def test_published_cityscapes_figures_are_micro_averages_over_20_classes():
    """R2U-Net's row: sensitivity = F1 = 0.8912, accuracy 0.9892, specificity 0.9943."""
    confusion = np.full((20, 20), 0.0)
    np.fill_diagonal(confusion, 8912 * 19)
    confusion[~np.eye(20, dtype=bool)] = 10000 - 8912
    table = counts(torch.from_numpy(confusion).long()[None]).numpy()
    convention = Convention().of(False)
    found = {name: mean_score(table, f"micro_{name}", convention) for name in NAMES}
    assert found["sensitivity"] == found["dice"] == pytest.approx(0.8912)
    assert found["accuracy"] == pytest.approx(0.9892, abs=1e-4)
    assert found["specificity"] == pytest.approx(0.9943, abs=5e-5)


@given(masks(ignored=True))
def test_miou_is_the_mean_over_classes_that_occur_of_the_pooled_iou(drawn):
    prediction, target = drawn
    counted = target != 255
    truth, guess = target[counted], prediction[counted]
    there = sorted({*truth.tolist(), *guess.tolist()})
    expected = jaccard_score(truth, guess, labels=there, average="macro") if there else math.nan
    table = tabulate(prediction, target)
    for reduction in ("per_image", "pooled"):
        assert mean_score(table, "miou", Convention(reduction).of(False)) == same(expected)
    for image in range(len(target)):
        alone = mean_score(table[[image]], "miou", Convention().of(False))
        assert image_scores(table, "miou", Convention().of(False))[image] == same(alone)


def test_data_without_background_has_no_class_to_leave_out():
    generator = np.random.default_rng(0)
    table = tabulate(generator.integers(0, CLASSES, (3, 4, 5)), generator.integers(0, CLASSES, (3, 4, 5)))
    for name in (*NAMES, "micro_iou", "miou"):
        for convention in CONVENTIONS:
            expected = mean_score(table, name, Convention(convention.reduction, True, convention.empty))
            assert mean_score(table, name, convention.of(False)) == expected
            assert mean_score(table, name, convention.of(False).of(True)) == mean_score(table, name, convention)
    assert "all classes (there is no background)" in Convention().of(False).describe()
    assert Convention().of(True) == Convention()
