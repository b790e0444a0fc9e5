import pytest
import torch
from tests.losses.pixels import compact, random_batch
from tests.oracles import monai

from segbench.losses import DiceLoss, FocalTverskyLoss, TverskyLoss


def theirs(logits, target, power, **options):
    """MONAI's index of each image and class, of the pixels that count."""
    kind = {"sigmoid": True} if logits.shape[1] == 1 else {"softmax": True, "to_onehot_y": True}
    index = monai.losses.TverskyLoss(reduction="none", smooth_nr=0.5, smooth_dr=0.5, **kind, **options)
    each = [index(image, truth) for image, truth in compact(logits, target)]
    return torch.cat([missing.flatten() ** power for missing in each]).mean()


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (1.0, 1.0), (0.1, 2.0)])
@pytest.mark.parametrize("gamma", [None, 4 / 3, 0.5])
def test_value_and_gradient_are_monai_s_to_the_power(classes, alpha, beta, gamma):
    logits, target = random_batch(classes)
    ours, others = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    settings = {"alpha": alpha, "beta": beta, "smooth": 0.5}
    loss = TverskyLoss(**settings) if gamma is None else FocalTverskyLoss(gamma=gamma, **settings)
    value, expected = loss(ours, target), theirs(others, target, 1 / (gamma or 1), alpha=alpha, beta=beta)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, others.grad, rtol=1e-4, atol=1e-7)


def test_with_halves_it_is_the_dice_loss_and_by_default_of_false_negatives():
    logits, target = random_batch(3)
    found = TverskyLoss(alpha=0.5, beta=0.5, smooth=0.5, include_background=False)(logits, target)
    assert found.item() == pytest.approx(DiceLoss(smooth=1.0, include_background=False)(logits, target).item())
    few, many = (torch.full((1, 1, 4, 4), 9.0 * sign) for sign in (-1, 1))
    half = torch.arange(16).view(1, 4, 4) % 2
    assert TverskyLoss()(few, half) > TverskyLoss()(many, half)


@pytest.mark.parametrize("gamma", [4 / 3, 3.0])
def test_a_perfect_prediction_has_a_finite_slope(gamma):
    target = torch.zeros(1, 4, 4, dtype=torch.int64)
    target[0, 1] = 1
    logits = (200.0 * (2 * target - 1)).unsqueeze(1).requires_grad_()
    value = FocalTverskyLoss(gamma=gamma)(logits, target)
    value.backward()
    assert value == 0
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": -1.0}, "loss.alpha=-1.0, loss.beta=0.7: must be at least 0"),
        ({"alpha": 0.0, "beta": 0.0}, "one of them positive"),
        ({"beta": float("nan")}, "must be at least 0 and finite"),
        ({"smooth": 0.0}, "loss.smooth=0.0: must be positive"),
        ({"gamma": 0.0}, "loss.gamma=0.0: must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        FocalTverskyLoss(**options)
