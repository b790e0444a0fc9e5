import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from tests.examples import examples
from torch.nn import functional

from segbench.errors import ConfigError
from segbench.losses import BoundaryCrossEntropy, CrossEntropy


def two_cells(gap, size=24):
    """Two square cells with ``gap`` columns between them, (size,size): mask and instances."""
    instances = np.zeros((size, size), np.int32)
    left = (size - gap) // 2
    instances[8:16, left - 6 : left] = 1
    instances[8:16, left + gap : left + gap + 6] = 2
    return (instances > 0).astype(np.uint8), instances


# -- the map ----------------------------------------------------------------------------------------------------


def test_the_formula_by_hand():
    # One row: cell 1, three pixels of background, cell 2. Shares 3/5 and 2/5 of two classes.
    mask = np.array([[1, 0, 0, 0, 1]], np.uint8)
    instances = np.array([[4, 0, 0, 0, 9]], np.int32)
    found = BoundaryCrossEntropy(w0=2.0, sigma=3.0).pixel_weights(mask, instances)
    between = 2 * math.exp(-(4**2) / 18)  # d1 + d2: 0+4, 1+3, 2+2, 3+1, 0+4
    background, cell = 1 / (2 * 3 / 5), 1 / (2 * 2 / 5)
    expected = [cell + between, *3 * [background + between], cell + between]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


@examples(50)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 20),
    w0=st.floats(0, 50),
    sigma=st.floats(0.5, 20),
    ignored=st.booleans(),
)
def test_the_formula_with_a_transform_for_each_object(seed, count, w0, sigma, ignored):
    random = np.random.default_rng(seed)
    instances = np.zeros((17, 23), np.uint16)
    for number in range(1, count + 1):
        row, column = random.integers(0, 17), random.integers(0, 23)
        instances[row : row + 4, column : column + 3] = number
    mask = np.where(instances > 0, 1, random.choice([0, 0, 0, 2], instances.shape)).astype(np.uint8)
    if ignored:
        mask[random.random(mask.shape) < 0.2] = 255
    counted = mask != 255
    classes = np.unique(mask[counted])
    expected = np.zeros(mask.shape)
    for label in classes:
        expected[mask == label] = 1 / (len(classes) * (mask == label).sum() / counted.sum())
    transforms = [distance_transform_edt(instances != number) for number in np.unique(instances) if number]
    if len(transforms) > 1:
        expected += w0 * np.exp(-(np.sort(transforms, axis=0)[:2].sum(axis=0) ** 2) / (2 * sigma**2))
    found = BoundaryCrossEntropy(w0, sigma).pixel_weights(mask, instances)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_bright_line_lies_between_two_near_cells():
    mask, instances = two_cells(gap=2)
    weights = BoundaryCrossEntropy().pixel_weights(mask, instances)
    line = weights[8:16, 11:13]
    assert line.min() > 8
    outside = weights[(mask == 0) & (np.indices(mask.shape)[0] < 4)]
    assert outside.max() < line.min() / 3
    # From the middle of the line upwards and downwards it fades.
    assert (np.diff(weights[16:, 11]) < 0).all()
    assert (np.diff(weights[:8, 11]) > 0).all()
    # Inside a cell it fades away from the neighbour.
    assert (np.diff(weights[12, 5:11]) > 0).all()


def test_the_nearer_the_cells_the_brighter():
    peaks = []
    for gap in (0, 2, 4, 8):
        mask, instances = two_cells(gap)
        difference = BoundaryCrossEntropy().pixel_weights(mask, instances)
        difference -= BoundaryCrossEntropy(w0=0).pixel_weights(mask, instances)
        peaks.append(difference.max())
        # Straight between the cells, d1 + d2 is the same everywhere: the gap and one pixel, from centre to centre.
        assert difference.max() == pytest.approx(10 * math.exp(-((gap + 1) ** 2) / 50), rel=1e-5)
    assert peaks == sorted(peaks, reverse=True)


@pytest.mark.parametrize("count", [0, 1])
def test_with_less_than_two_cells_there_are_class_weights_alone(count):
    mask, instances = two_cells(gap=4)
    instances[instances > count] = 0
    weights = BoundaryCrossEntropy().pixel_weights(mask, instances)
    np.testing.assert_array_equal(weights, BoundaryCrossEntropy(w0=0).pixel_weights(mask, instances))
    assert np.isfinite(weights).all()


def test_each_class_of_an_image_weighs_the_same_and_the_mean_is_1():
    mask, instances = two_cells(gap=4)
    mask[4:7] = 5
    mask[0] = 255
    weights = BoundaryCrossEntropy(w0=0).pixel_weights(mask, instances)
    sums = [weights[mask == label].sum() for label in (0, 1, 5)]
    assert sums == pytest.approx(3 * [(mask != 255).sum() / 3], rel=1e-5)
    assert weights[mask != 255].mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("label", [0, 1, 255])
def test_one_class_alone_weighs_1_and_ignored_pixels_are_finite(label):
    mask = np.full((5, 4), label, np.uint8)
    weights = BoundaryCrossEntropy().pixel_weights(mask, np.zeros((5, 4), np.int32))
    assert (weights == (0 if label == 255 else 1)).all()


def test_other_settings_are_another_map():
    loss = BoundaryCrossEntropy(3.0, 2.0)
    assert CrossEntropy().weight_settings() is None
    found = [BoundaryCrossEntropy(*pair).weight_settings() for pair in ((3.0, 2.0), (3.0, 5.0), (10.0, 2.0))]
    assert found[0] == loss.weight_settings()
    assert found[0] != found[1] != found[2] != found[0]


def test_instances_of_another_grid_are_refused():
    with pytest.raises(ValueError, match=r"^instances: \(2, 3\), but the mask is \(2, 2\)$"):
        BoundaryCrossEntropy().pixel_weights(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.int32))


# -- the loss ---------------------------------------------------------------------------------------------------


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 9, 7, generator=generator, requires_grad=True)
    target = torch.randint(0, 3, (2, 9, 7), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target, 10 * torch.rand(target.shape, generator=generator)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_torch_s_cross_entropy_times_the_weight(seed):
    logits, target, weight = batch(seed)
    value = BoundaryCrossEntropy()(logits, target, weight)
    counted = target != 255
    pixels = functional.cross_entropy(
        logits.detach().movedim(1, -1)[counted].double(), target[counted], reduction="none"
    )
    assert value.item() == pytest.approx((pixels * weight[counted]).mean().item(), rel=1e-5)


def test_weights_of_1_give_cross_entropy():
    logits, target, weight = batch()
    ones = torch.ones_like(weight)
    assert BoundaryCrossEntropy()(logits, target, ones).item() == CrossEntropy()(logits, target, ones).item()


def test_ignored_pixels_count_nowhere():
    logits, target, weight = batch()
    value = BoundaryCrossEntropy()(logits, target, weight)
    value.backward()
    ignored = target == 255
    assert (logits.grad[ignored.unsqueeze(1).expand_as(logits)] == 0).all()
    weight[ignored] = 1e6
    assert BoundaryCrossEntropy()(logits, target, weight) == value
    assert BoundaryCrossEntropy()(logits, torch.full_like(target, 255), weight) == 0


@pytest.mark.parametrize("size", [1e2, 1e4, 1e34])
def test_extreme_logits_give_finite_values_and_gradients(size):
    logits, target, weight = batch()
    for sign in (-1, 1):
        extreme = (sign * size * logits.detach().sign()).requires_grad_()
        value = BoundaryCrossEntropy()(extreme, target, weight)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(extreme.grad).all()


def test_adam_steps_are_of_the_usual_size_whatever_the_weights():
    # A weight map's scale reaches the gradients, not the steps.
    mask, instances = two_cells(gap=2)
    image, target = torch.from_numpy(mask)[None, None].float(), torch.from_numpy(mask)[None].long()
    weight = torch.from_numpy(BoundaryCrossEntropy().pixel_weights(mask, instances))[None]
    moved = []
    for factor in (1.0, 50.0):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(1, 2, 3, padding=1)
        before = layer.weight.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        for _ in range(3):
            optimizer.zero_grad()
            BoundaryCrossEntropy()(layer(image), target, factor * weight).backward()
            optimizer.step()
        moved.append(layer.weight.detach() - before)
    torch.testing.assert_close(*moved, rtol=1e-2, atol=1e-6)
    assert moved[0].abs().max() < 3.1e-3


# -- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1.0, math.inf, math.nan])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ValueError, match=r"^loss\.w0="):
        BoundaryCrossEntropy(w0=bad)
    with pytest.raises(ValueError, match=r"^loss\.sigma="):
        BoundaryCrossEntropy(sigma=bad)
    with pytest.raises(ValueError, match=r"^loss\.sigma="):
        BoundaryCrossEntropy(sigma=0)


def test_a_single_logit_is_refused():
    BoundaryCrossEntropy().check(2)
    with pytest.raises(ValueError, match="activation=softmax"):
        BoundaryCrossEntropy().check(1)


def test_data_without_weights_are_refused():
    logits, target, _ = batch()
    with pytest.raises(ConfigError, match="^loss: .* needs pixel weights"):
        BoundaryCrossEntropy()(logits, target)
