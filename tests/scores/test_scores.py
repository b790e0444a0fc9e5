import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.metrics import DiceMetric, MeanIoU
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score, precision_score, recall_score

from segbench.scores import SCORES, Convention, class_scores, image_scores, mean_score, pixel_accuracy
from segbench.scores.counts import confusion_matrices, counts

CLASSES = 4
# Few labels on few pixels, so that empty classes are frequent.
masks = arrays.arrays(np.int64, (3, 4, 5), elements=st.sampled_from([0, 0, 0, 1, 2, 3, 255]))
predictions = arrays.arrays(np.int64, (3, 4, 5), elements=st.sampled_from([0, 0, 0, 1, 2, 3]))


def counted(prediction, target):
    confusion = confusion_matrices(torch.from_numpy(prediction), torch.from_numpy(target), CLASSES)
    return counts(confusion).numpy()


@given(predictions, masks)
def test_confusion_matrices_are_scikit_learn_s(prediction, target):
    ours = confusion_matrices(torch.from_numpy(prediction), torch.from_numpy(target), CLASSES)
    assert ours.dtype == torch.int64
    for i in range(3):
        valid = target[i] != 255
        if valid.any():
            expected = confusion_matrix(target[i][valid], prediction[i][valid], labels=range(CLASSES))
            assert ours[i].tolist() == expected.tolist()
        else:
            assert not ours[i].any()


@settings(deadline=None)
@given(predictions, masks)
def test_scores_of_an_image_are_scikit_learn_s_where_they_are_defined(prediction, target):
    table = counted(prediction, target)
    functions = {"dice": f1_score, "iou": jaccard_score, "sensitivity": recall_score, "precision": precision_score}
    for i in range(3):
        valid = target[i] != 255
        truth, guess = target[i][valid], prediction[i][valid]
        for c in range(CLASSES):
            there, said = (truth == c).any(), (guess == c).any()
            for name, function in functions.items():
                ours = SCORES[name](table[i, c])
                if not there and (not said or name == "sensitivity"):
                    assert np.isnan(ours), name
                elif there and not said:
                    assert ours == 0, name
                else:
                    assert ours == pytest.approx(function(truth == c, guess == c)), name
            if (truth != c).any():
                assert SCORES["specificity"](table[i, c]) == pytest.approx(recall_score(truth != c, guess != c))
            else:
                assert np.isnan(SCORES["specificity"](table[i, c]))
            if valid.any():
                assert SCORES["accuracy"](table[i, c]) == pytest.approx(accuracy_score(truth == c, guess == c))
        if valid.any():
            assert pixel_accuracy(table[i]) == pytest.approx(accuracy_score(truth, guess))


@settings(deadline=None)
@given(predictions, masks)
def test_pooled_scores_are_scikit_learn_s_on_all_pixels(prediction, target):
    valid = target != 255
    if not valid.any():
        return
    table = counted(prediction, target)
    truth, guess = target[valid], prediction[valid]
    present = [c for c in range(1, CLASSES) if (truth == c).any() or (guess == c).any()]
    pooled = Convention(reduction="pooled")
    if present:
        expected = f1_score(truth, guess, labels=present, average="macro")
        assert mean_score(table, "dice", pooled) == pytest.approx(expected)
        expected = jaccard_score(truth, guess, labels=present, average="macro")
        assert mean_score(table, "iou", pooled) == pytest.approx(expected)
    else:
        assert np.isnan(mean_score(table, "dice", pooled))
    assert mean_score(table, "pixel_accuracy", pooled) == pytest.approx(accuracy_score(truth, guess))


@settings(deadline=None, max_examples=40)
@given(predictions, arrays.arrays(np.int64, (3, 4, 5), elements=st.integers(0, 3)), st.booleans())
def test_per_image_scores_are_monai_s(prediction, target, background):
    def one_hot(labels):
        return torch.nn.functional.one_hot(torch.from_numpy(labels), CLASSES).movedim(-1, 1)

    table = counted(prediction, target)
    first = 0 if background else 1
    for name, kind in (("dice", DiceMetric), ("iou", MeanIoU)):
        # MONAI leaves out what the truth lacks; ours, what prediction lacks too: compare where the truth has it.
        theirs = kind(include_background=background, reduction="none")(one_hot(prediction), one_hot(target)).numpy()
        there = np.stack([(target == c).any(axis=(1, 2)) for c in range(first, CLASSES)], axis=1)
        ours = SCORES[name](table[:, first:])
        assert ours[there] == pytest.approx(theirs[there], abs=1e-6)
        assert np.nan_to_num(ours[~there]) == pytest.approx(0)


def test_empty_classes_by_hand():
    target = np.zeros((2, 2, 2), np.int64)
    prediction = np.zeros((2, 2, 2), np.int64)
    target[0, 0, 0] = 1  # image 0: class 1 found entirely; image 1: nothing there, nothing said
    prediction[0, 0, 0] = 1
    table = counted(prediction, target)
    assert class_scores(table, "dice")[1] == 1
    assert np.isnan(class_scores(table, "dice")[2])
    assert mean_score(table, "dice") == 1
    assert image_scores(table, "dice")[0] == 1
    assert np.isnan(image_scores(table, "dice")[1])
    assert mean_score(table, "dice", Convention(empty="one")) == 1
    assert mean_score(table, "dice", Convention(empty="zero")) == pytest.approx(0.5 / 3)
    prediction[1, 0, 0] = 1  # a false positive in image 1 scores 0
    assert class_scores(counted(prediction, target), "dice")[1] == 0.5


@given(predictions, masks)
def test_counts_of_a_class_add_up_to_the_pixels_that_count(prediction, target):
    table = counted(prediction, target)
    assert (table.sum(axis=-1) == (target != 255).sum(axis=(1, 2))[:, None]).all()
    assert (table >= 0).all()


def test_counts_of_a_large_data_set_do_not_overflow():
    image = np.array([[[2**31, 2**31, 2**31, 2**31]] * CLASSES] * 3, dtype=np.int64)
    assert image.sum(axis=0)[0, 0] > 2**32
    assert mean_score(image, "dice", Convention("pooled")) == 0.5


def test_a_convention_says_everything_that_it_decides():
    for convention in (Convention(), Convention("pooled", True, "one"), Convention("per_image", False, "zero")):
        text = convention.describe()
        assert ("pooled" in text) == (convention.reduction == "pooled")
        assert (" with background" in text) == convention.background
        assert {"nan": "left out", "one": "scored 1", "zero": "scored 0"}[convention.empty] in text
        assert "255" in text
