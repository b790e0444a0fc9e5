"""Dice and IoU an image against MONAI, and empty classes by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.examples import examples
from tests.oracles import monai

from segbench.scores import SCORES, Convention, class_scores, image_scores, mean_score
from segbench.scores.counts import confusion_matrices, counts

CLASSES = 4
# Few labels on few pixels, so that empty classes are frequent.
predictions = arrays.arrays(np.int64, (3, 4, 5), elements=st.sampled_from([0, 0, 0, 1, 2, 3]))


def counted(prediction, target):
    confusion = confusion_matrices(torch.from_numpy(prediction), torch.from_numpy(target), CLASSES)
    return counts(confusion).numpy()


@examples(40)
@given(predictions, arrays.arrays(np.int64, (3, 4, 5), elements=st.integers(0, 3)), st.booleans())
def test_per_image_scores_are_monai_s(prediction, target, background):
    def one_hot(labels):
        return torch.nn.functional.one_hot(torch.from_numpy(labels), CLASSES).movedim(-1, 1)

    table = counted(prediction, target)
    first = 0 if background else 1
    for name, kind in (("dice", monai.metrics.DiceMetric), ("iou", monai.metrics.MeanIoU)):
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
