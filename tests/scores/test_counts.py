import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix
from tests.examples import examples

from segbench.scores import counts as counting
from segbench.scores.counts import confusion_matrices, counts


@st.composite
def batches(draw):
    """Number of classes, prediction and target: from few to many labels, some images empty or ignored entirely."""
    classes = draw(st.integers(2, 5))
    images, height, width = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (images, height, width)
    prediction, target = generator.integers(0, classes, shape), generator.integers(0, classes, shape)
    target[generator.random(shape) < draw(st.sampled_from([0.0, 0.3]))] = 255
    for i in range(images):
        match draw(st.sampled_from(["mixed", "mixed", "ignored", "empty truth", "empty both"])):
            case "ignored":
                target[i] = 255
            case "empty truth":
                target[i] = 0
            case "empty both":
                target[i] = prediction[i] = 0
    return classes, torch.from_numpy(prediction), torch.from_numpy(target)


@given(batches())
def test_confusion_matrices_are_scikit_learn_s_image_by_image(batch):
    classes, prediction, target = batch
    ours = confusion_matrices(prediction, target, classes)
    assert ours.dtype == torch.int64
    assert ours.shape == (len(target), classes, classes)
    for matrix, guess, truth in zip(ours, prediction, target, strict=True):
        valid = truth != 255
        if valid.any():
            expected = confusion_matrix(truth[valid], guess[valid], labels=range(classes))
            assert matrix.tolist() == expected.tolist()
        else:
            assert not matrix.any()


@given(batches())
def test_counts_are_scikit_learn_s_one_class_against_the_rest(batch):
    classes, prediction, target = batch
    table = counts(confusion_matrices(prediction, target, classes))
    assert table.dtype == torch.int64
    assert table.shape == (len(target), classes, 4)
    for row, guess, truth in zip(table, prediction, target, strict=True):
        valid = truth != 255
        if valid.any():
            expected = multilabel_confusion_matrix(truth[valid], guess[valid], labels=range(classes))
            # scikit-learn: [[tn, fp], [fn, tp]] of each class
            assert row.tolist() == [[m[1, 1], m[0, 1], m[1, 0], m[0, 0]] for m in expected]
        else:
            assert not row.any()


@examples(50)
@given(batches(), st.integers(1, 4))
def test_counts_do_not_depend_on_the_batch_size(batch, size):
    classes, prediction, target = batch
    pieces = [
        confusion_matrices(prediction[i : i + size], target[i : i + size], classes) for i in range(0, len(target), size)
    ]
    assert torch.equal(torch.cat(pieces), confusion_matrices(prediction, target, classes))


@examples(50)
@given(batches(), st.sampled_from([torch.int64, torch.int32, torch.uint8]))
def test_predictions_at_ignored_pixels_count_nowhere_and_inputs_stay_as_they_are(batch, kind):
    classes, prediction, target = batch
    prediction, target = prediction.to(kind), target.to(kind)
    other = torch.where(target == 255, classes - 1 - prediction, prediction)
    before = prediction.clone(), target.clone()
    assert torch.equal(confusion_matrices(other, target, classes), confusion_matrices(prediction, target, classes))
    assert torch.equal(prediction, before[0])
    assert torch.equal(target, before[1])


@examples(50)
@given(batches())
def test_a_gpu_counts_the_same_by_products(batch):
    classes, prediction, target = batch
    void = target == 255
    truth = target.masked_fill(void, 0)
    ours = [counting._by_products(*image, classes) for image in zip(truth, prediction, void, strict=True)]
    assert torch.equal(torch.stack(ours), confusion_matrices(prediction, target, classes))


def test_rows_are_the_truth_and_columns_the_prediction():
    target, prediction = torch.tensor([[[0, 0, 2]]]), torch.tensor([[[1, 1, 0]]])
    assert confusion_matrices(prediction, target, 3).tolist() == [[[0, 2, 0], [0, 0, 0], [1, 0, 0]]]


def test_true_and_false_positives_and_negatives_by_hand():
    #               truth 0: 5 right, 2 taken for 1; truth 1: 3 missed, 7 found
    confusion = torch.tensor([[5, 2], [3, 7]])
    assert counts(confusion).tolist() == [[5, 3, 2, 7], [7, 2, 3, 5]]


def test_counts_accept_any_leading_dimensions():
    confusion = torch.randint(0, 50, (2, 3, 4, 4))
    table = counts(confusion)
    assert table.shape == (2, 3, 4, 4)
    assert torch.equal(table[1, 2], counts(confusion[1, 2]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_any_integer_type_of_prediction_gives_the_same_int64_counts(dtype):
    target = torch.randint(0, 19, (30, 8, 8), generator=torch.Generator().manual_seed(0))
    prediction = target.roll(1, dims=2)
    ours = confusion_matrices(prediction.to(dtype), target, 19)  # 30 * 19 * 19 cells: far beyond 8 bits
    assert ours.dtype == torch.int64
    assert torch.equal(ours, confusion_matrices(prediction, target, 19))
    assert ours.sum() == target.numel()


def test_another_label_can_be_the_ignored_one():
    target, prediction = torch.tensor([[[0, 1, 7]]]), torch.tensor([[[0, 0, 1]]])
    assert confusion_matrices(prediction, target, 2, ignore_index=7).tolist() == [[[1, 0], [1, 0]]]
    # As it is stored: 2**32 + 7 has the last 32 bits of 7.
    target[target == 7] = 2**32 + 7
    with pytest.raises(ValueError, match="truth: labels must be 0 to 1"):
        confusion_matrices(prediction, target, 2, ignore_index=7)
    assert confusion_matrices(prediction, target, 2, ignore_index=2**32 + 7).tolist() == [[[1, 0], [1, 0]]]


@pytest.mark.parametrize("label", [-1, 3, 254])
@pytest.mark.parametrize("name", ["truth", "prediction"])
def test_a_label_that_is_no_class_is_refused_and_not_counted_for_another_image(name, label):
    labels = {"truth": torch.zeros(2, 2, 2, dtype=torch.int64), "prediction": torch.zeros(2, 2, 2, dtype=torch.int64)}
    labels[name][0, 1, 1] = label
    with pytest.raises(ValueError, match=f"^{name}: labels must be 0 to 2, got {min(label, 0)} to {max(label, 0)}$"):
        confusion_matrices(labels["prediction"], labels["truth"], 3)
    labels["truth"][0, 1, 1] = 255
    assert confusion_matrices(labels["prediction"], labels["truth"], 3).sum().item() == 7


def test_no_images_give_no_matrices():
    nothing = torch.zeros(0, 4, 4, dtype=torch.int64)
    assert confusion_matrices(nothing, nothing, 3).shape == (0, 3, 3)


def test_counts_beyond_32_bits_do_not_overflow():
    confusion = torch.tensor([[2**40, 3], [5, 2**41]])
    assert counts(confusion).tolist() == [[2**40, 5, 3, 2**41], [2**41, 3, 5, 2**40]]
