import pytest
import torch
from tests.losses.pixels import random_batch
from tests.oracles import monai
from torch.nn import functional

from segbench.losses import CLDiceLoss, DiceLoss


def theirs(logits, target, alpha, iterations):
    """MONAI's of every image and foreground class by itself: of several channels it takes the sums together."""
    valid = (target != 255).unsqueeze(1)
    index = target.where(target != 255, 0)
    if logits.shape[1] == 1:
        p, t = logits.sigmoid(), index.unsqueeze(1).float()
    else:
        p, t = (
            x[:, 1:] for x in (logits.softmax(1), functional.one_hot(index, logits.shape[1]).movedim(-1, 1).float())
        )
    p, t = p * valid, t * valid
    loss = monai.losses.SoftclDiceLoss(iter_=iterations, smooth_nr=0.5, smooth_dr=0.5, smooth=1e-12)
    each = [loss(p[b, c][None, None], t[b, c][None, None]) for b in range(len(p)) for c in range(p.shape[1])]
    return alpha * torch.stack(each).mean() + (1 - alpha) * DiceLoss(0.5)(logits, target)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(("alpha", "iterations"), [(1.0, 2), (0.25, 5)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_value_and_gradient_are_monai_s(classes, alpha, iterations, channels_last):
    logits, target = random_batch(classes, size=(17, 14))
    logits = functional.avg_pool2d(logits, 3, stride=1, padding=1)
    ours, others = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    given = ours.contiguous(memory_format=torch.channels_last) if channels_last else ours
    value = CLDiceLoss(iterations, alpha, smooth=0.5)(given, target)
    expected = theirs(others, target, alpha, iterations)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, others.grad, rtol=1e-4, atol=1e-7)


def test_a_broken_tube_costs_more_than_a_thinner_one():
    target = torch.zeros(1, 16, 32, dtype=torch.int64)
    target[:, 5:10] = 1
    whole = (20.0 * (2 * target - 1)).unsqueeze(1)
    broken, thinner = whole.clone(), whole.clone()
    broken[..., 14:17] = -20
    thinner[..., 9, :15] = -20  # as many pixels are missed
    loss = CLDiceLoss(alpha=1.0)
    assert loss(whole, target) == pytest.approx(0, abs=1e-6)
    assert loss(broken, target) > 3 * loss(thinner, target)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"iterations": -1}, "loss.iterations=-1: must be at least 0"),
        ({"alpha": 1.5}, "loss.alpha=1.5: must be from 0 to 1"),
        ({"smooth": 0.0}, "loss.smooth=0.0: must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        CLDiceLoss(**options)
