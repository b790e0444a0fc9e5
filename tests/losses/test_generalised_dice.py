import pytest
import torch
from tests.losses.pixels import compact, random_batch
from tests.oracles import monai

from segbench.losses import DiceLoss, GeneralisedDiceLoss


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize("background", [True, False])
def test_value_and_gradient_are_monai_s(classes, background):
    logits, target = random_batch(classes, images=1 if classes == 1 else 3)
    ours, others = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value, expected = GeneralisedDiceLoss(0.5, background)(ours, target), []
    kind = {"sigmoid": True} if classes == 1 else {"softmax": True, "to_onehot_y": True}
    for image, truth in compact(others, target):
        sizes = [int((truth == index).sum()) for index in range(classes == 1 or not background, max(classes, 2))]
        smooth = 0.5 / min(size for size in sizes if size) ** 2  # theirs is not of the rarest class's pixels
        options = {"smooth_nr": smooth, "smooth_dr": smooth, "include_background": background or classes == 1}
        expected.append(monai.losses.GeneralizedDiceLoss(**kind, **options)(image, truth))
    expected = torch.stack(expected).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, others.grad, rtol=1e-4, atol=1e-7)


def test_an_image_without_the_only_class_has_the_dice_loss():
    logits, target = random_batch(1)
    empty = torch.zeros_like(target)
    assert GeneralisedDiceLoss()(logits, empty).item() == pytest.approx(DiceLoss()(logits, empty).item())


@pytest.mark.parametrize("smooth", [0.0, -1.0, float("inf")])
def test_smoothing_out_of_range_is_refused(smooth):
    with pytest.raises(ValueError, match=f"loss.smooth={smooth}: must be positive"):
        GeneralisedDiceLoss(smooth)
