"""Our scores are torchmetrics' own, wherever both say what they are: it calls an empty class 0, we leave it out."""

import numpy as np
import pytest
import torch
from torchmetrics.functional import classification
from torchmetrics.functional.segmentation import dice_score, mean_iou

from segbench.losses import CrossEntropy
from segbench.scores import SCORES, Convention, class_scores, image_scores, mean_score
from segbench.scores.derive import pixel_accuracy
from segbench.scores.labels import label_confusion
from segbench.tasks import ClassificationTask, SegmentationTask

CLASSES, IMAGES = 4, 6
NAMES = tuple("abcd")
# Which score of one class against the others is which of theirs.
BINARY = {
    "dice": classification.binary_f1_score,
    "iou": classification.binary_jaccard_index,
    "precision": classification.binary_precision,
    "sensitivity": classification.binary_recall,
    "specificity": classification.binary_specificity,
    "accuracy": classification.binary_accuracy,
}


@pytest.fixture(params=range(4))
def seed(request):
    return request.param


def drawn(seed, ignored=0.0):
    """Predictions that are right more often than not, and the truth: (N,16,16) each."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, CLASSES, (IMAGES, 16, 16), generator=generator)
    right = torch.rand(truth.shape, generator=generator) < 0.6
    guess = torch.where(right, truth, torch.randint(0, CLASSES, truth.shape, generator=generator))
    return guess, torch.where(torch.rand(truth.shape, generator=generator) < ignored, 255, truth)


def evaluated(guess, truth):
    """The table of a task whose logits are these predictions."""
    task = SegmentationTask(torch.nn.Identity(), CrossEntropy(), None, None, NAMES)
    table = task.new_table()
    for number, part in enumerate(guess.split(2)):
        logits = torch.nn.functional.one_hot(part, CLASSES).movedim(-1, 1).float()
        ids = [f"{number}-{place}" for place in range(len(part))]
        task.evaluate({"image": logits, "mask": truth[2 * number : 2 * number + 2], "id": ids}, table)
    return table


@pytest.mark.slow
@pytest.mark.parametrize("name", BINARY)
def test_every_class_of_every_image(seed, name):
    guess, truth = drawn(seed, ignored=0.1)
    ours = SCORES[name](evaluated(guess, truth).counts)
    for index in range(CLASSES):
        there = torch.where(truth == 255, 255, (truth == index).long())
        for image, score in enumerate(ours[:, index]):
            theirs = BINARY[name]((guess[image] == index).long(), there[image], ignore_index=255)
            assert score == pytest.approx(float(theirs), abs=1e-6), (index, image)


def test_their_scores_of_segmentations(seed):
    guess, truth = drawn(seed)
    counts = evaluated(guess, truth).counts
    options = {"num_classes": CLASSES, "input_format": "index"}
    dice = dice_score(guess, truth, average="none", **options)
    np.testing.assert_allclose(SCORES["dice"](counts), dice.numpy(), rtol=1e-6)
    iou = mean_iou(guess, truth, per_class=True, **options)
    np.testing.assert_allclose(SCORES["iou"](counts), iou.numpy(), rtol=1e-6)
    without = mean_iou(guess, truth, include_background=False, **options)
    assert mean_score(counts, "iou", Convention()) == pytest.approx(float(without.mean()), rel=1e-6)
    np.testing.assert_allclose(image_scores(counts, "iou", Convention()), without.numpy(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dice", "iou", "precision", "sensitivity", "specificity"])
def test_counts_pooled_over_images(seed, name):
    theirs = {
        "dice": classification.multiclass_f1_score,
        "iou": classification.multiclass_jaccard_index,
        "precision": classification.multiclass_precision,
        "sensitivity": classification.multiclass_recall,
        "specificity": classification.multiclass_specificity,
    }[name](*drawn(seed, ignored=0.1), num_classes=CLASSES, average=None, ignore_index=255)
    counts = evaluated(*drawn(seed, ignored=0.1)).counts
    pooled = class_scores(counts, name, Convention(reduction="pooled", background=True))
    np.testing.assert_allclose(pooled, theirs.numpy(), rtol=1e-6)


def test_pixels_that_are_right_and_what_classes_are_taken_for(seed):
    guess, truth = drawn(seed, ignored=0.1)
    table = evaluated(guess, truth)
    options = {"num_classes": CLASSES, "ignore_index": 255}
    right = classification.multiclass_accuracy(guess, truth, average="micro", multidim_average="samplewise", **options)
    np.testing.assert_allclose(pixel_accuracy(table.counts), right.numpy(), rtol=1e-6)
    confusion = classification.multiclass_confusion_matrix(guess, truth, **options)
    np.testing.assert_array_equal(table.confusion.sum(axis=0), confusion.numpy())


def test_an_empty_class_is_left_out_where_theirs_is_0():
    guess, truth = torch.zeros(1, 4, 4, dtype=torch.long), torch.zeros(1, 4, 4, dtype=torch.long)
    ours = SCORES["dice"](evaluated(guess, truth).counts)[0]
    assert ours[0] == 1
    assert np.isnan(ours[1:]).all()
    assert float(classification.binary_f1_score((guess == 1).long(), (truth == 1).long())) == 0


def test_their_scores_of_classifications(seed):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, CLASSES, (60,), generator=generator)
    logits = torch.randn(60, CLASSES, generator=generator) + 2 * torch.nn.functional.one_hot(truth, CLASSES)
    task = ClassificationTask(torch.nn.Identity(), CrossEntropy(), None, None, NAMES)
    table = task.new_table()
    for start in range(0, 60, 25):
        part = slice(start, start + 25)
        ids = [str(number) for number in range(60)[part]]
        task.evaluate({"image": logits[part], "label": truth[part], "id": ids}, table)
    ours, prediction = task.final_scores(table), table.probabilities.argmax(axis=1)
    assert ours["accuracy"] == pytest.approx(
        float(classification.multiclass_accuracy(logits, truth, CLASSES, average="micro"))
    )
    each = classification.multiclass_f1_score(logits, truth, CLASSES, average=None)
    np.testing.assert_allclose([ours[f"f1_{name}"] for name in NAMES], each.numpy(), rtol=1e-6)
    assert ours["f1"] == pytest.approx(float(each.mean()))
    confusion = classification.multiclass_confusion_matrix(logits, truth, CLASSES)
    np.testing.assert_array_equal(label_confusion(table.truth, prediction, CLASSES), confusion.numpy())
    assert task.validation_scores(table)["val/loss"] == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, truth)), rel=1e-5
    )
