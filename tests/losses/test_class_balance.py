import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.oracles import monai
from torch.nn import functional

from segbench.losses import CrossEntropy, DiceFocal, DiceLoss, FocalLoss, WeightedCEDice, WeightedCrossEntropy


def make(k, seed=0, ignored=True):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, k, 8, 6, generator=generator)
    target = torch.randint(0, max(k, 2), (3, 8, 6), generator=generator)
    if ignored:
        target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


# -- effective number of samples ------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 10_000_000), min_size=2, max_size=6), st.sampled_from([0.0, 0.9, 0.999, 0.999999]))
def test_weights_follow_the_formula_and_add_up_to_the_number_of_classes(pixels, beta):
    loss = WeightedCrossEntropy(beta)
    loss.prepare(torch.tensor(pixels))
    raw = [(1 - beta) / (1 - beta**n) for n in pixels]
    expected = [value / sum(raw) * len(raw) for value in raw]
    assert loss.class_weights.tolist() == pytest.approx(expected, rel=1e-4)
    assert loss.class_weights.sum().item() == pytest.approx(len(pixels), rel=1e-5)


def test_rare_classes_weigh_more_and_absent_ones_as_much_as_the_rarest():
    loss = WeightedCrossEntropy()
    loss.prepare(torch.tensor([800_000, 50_000, 60_000, 0, 0]))
    background, right, myocardium, absent, other = loss.class_weights.tolist()
    assert background < myocardium < right == absent == other < float("inf")
    # Classes that no training image shows leave the loss of the others on its scale.
    assert loss.class_weights.sum().item() == pytest.approx(5, rel=1e-5)
    assert background > 0.1
    loss.prepare(torch.zeros(3, dtype=torch.int64))
    assert loss.class_weights.tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_torch_s_weighted_sum_over_the_pixels_that_count(seed):
    logits, target = make(4, seed)
    loss = WeightedCrossEntropy(0.999)
    loss.prepare(torch.tensor([5000, 300, 200, 100]))
    counted = target != 255
    pixels = functional.cross_entropy(
        logits.movedim(1, -1)[counted].double(), target[counted], loss.class_weights.double(), reduction="sum"
    )
    assert loss(logits, target).item() == pytest.approx(pixels.item() / counted.sum().item(), rel=1e-5)


def test_beta_0_is_cross_entropy():
    logits, target = make(4)
    loss = WeightedCrossEntropy(0.0)
    loss.prepare(torch.tensor([5000, 300, 200, 100]))
    assert loss(logits, target).item() == pytest.approx(CrossEntropy()(logits, target).item(), rel=1e-6)


# -- focal ---------------------------------------------------------------------------------------------------------


@examples(30)
@given(st.sampled_from([1, 3, 4]), st.integers(0, 9999), st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]))
def test_focal_is_monai_s_per_pixel_value(k, seed, gamma):
    logits, target = make(k, seed, ignored=False)
    if k == 1:
        theirs = monai.losses.FocalLoss(gamma=gamma, reduction="none")(logits, target.unsqueeze(1).float())
    else:
        theirs = monai.losses.FocalLoss(gamma=gamma, reduction="none", use_softmax=True, to_onehot_y=True)(
            logits, target.unsqueeze(1)
        ).sum(dim=1)
    assert FocalLoss(gamma)(logits, target).item() == pytest.approx(theirs.mean().item(), rel=1e-4)


def test_gamma_0_is_cross_entropy_and_alpha_a_factor_for_each_class():
    logits, target = make(4)
    assert FocalLoss(0.0)(logits, target).item() == pytest.approx(CrossEntropy()(logits, target).item(), rel=1e-5)
    alpha = [0.1, 1.0, 2.0, 3.0]
    counted = target != 255
    pixels = functional.cross_entropy(logits, target.where(counted, 0), reduction="none")
    expected = (torch.tensor(alpha)[target.where(counted, 0)] * pixels)[counted].mean()
    assert FocalLoss(0.0, alpha)(logits, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_pixels_that_are_right_already_hardly_count():
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    easy = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    ratio = FocalLoss(2.0)(easy, target) / CrossEntropy()(easy, target)
    assert ratio.item() == pytest.approx((1 - torch.sigmoid(torch.tensor(4.0)).item()) ** 2, rel=1e-3)


# -- sums and refusals -----------------------------------------------------------------------------------------------


def test_sums():
    logits, target = make(4)
    parts = 0.5 * FocalLoss(3.0)(logits, target) + 2 * DiceLoss()(logits, target)
    assert DiceFocal(gamma=3.0, focal_weight=0.5, dice_weight=2)(logits, target).item() == pytest.approx(
        parts.item(), rel=1e-6
    )
    pixels = torch.tensor([5000, 300, 200, 100])
    weighted, both = WeightedCrossEntropy(0.99), WeightedCEDice(0.99)
    weighted.prepare(pixels)
    both.prepare(pixels)
    parts = weighted(logits, target) + DiceLoss()(logits, target)
    assert both(logits, target).item() == pytest.approx(parts.item(), rel=1e-6)


@pytest.mark.parametrize("beta", [-0.1, 1.0, float("nan")])
def test_beta_outside_its_range(beta):
    with pytest.raises(ValueError, match="loss.beta="):
        WeightedCrossEntropy(beta)


def test_impossible_focal_parameters():
    for gamma in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"loss.gamma={gamma}: .* at least 0 and finite"):
            FocalLoss(gamma)
        with pytest.raises(ValueError, match=r"loss.alpha=.* at least 0 and finite"):
            FocalLoss(alpha=[1.0, gamma])
    with pytest.raises(ValueError, match="2 factors for 4 classes"):
        FocalLoss(alpha=[1.0, 2.0]).check(4)
    FocalLoss(alpha=[1.0, 2.0]).check(1)
    with pytest.raises(ValueError, match="use loss=bce"):
        WeightedCrossEntropy().check(1)
