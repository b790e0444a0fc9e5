import math

import pytest
import torch
from tests.losses.pixels import compact, random_batch

from segbench.losses import BinaryCrossEntropy, CrossEntropy, FocalLoss, OHEMCrossEntropy


def by_hand(logits, target, threshold, kept, weights):
    """Pixel by pixel: sort each image's, take as many as there must be, and those below the threshold."""
    values = []
    for image, mask in compact(logits, target):
        image, mask = image[0, :, :, 0].double(), mask.flatten().tolist()
        image = torch.cat((torch.zeros_like(image), image)) if len(image) == 1 else image
        pixels = sorted((image.softmax(0)[index, pixel].item(), index) for pixel, index in enumerate(mask))
        least = math.ceil(kept * len(pixels))
        hard = [pair for number, pair in enumerate(pixels) if number < least or pair[0] < threshold]
        values += [-weights[index] * math.log(p) for p, index in hard]
    return sum(values) / len(values)


@pytest.mark.parametrize("classes", [1, 4])
@pytest.mark.parametrize(("threshold", "kept"), [(0.7, 0.1), (0.3, 0.0), (0.05, 0.4), (0.0, 0.2)])
def test_the_hard_pixels_of_each_image_count(classes, threshold, kept):
    logits, target = random_batch(classes)
    weights = {1: [0.5, 2.0], 4: [0.5, 1.0, 3.0, 2.0]}[classes]
    loss = OHEMCrossEntropy(threshold, kept, weights)
    loss.check(classes)
    assert loss(logits, target).item() == pytest.approx(by_hand(logits, target, threshold, kept, weights), rel=1e-5)


def test_pixels_that_do_not_count_have_no_gradient():
    logits, target = random_batch(4)
    OHEMCrossEntropy(threshold=0.1, kept=0.25)(logits.requires_grad_(), target).backward()
    used = (logits.grad != 0).any(dim=1).flatten(1).sum(dim=1)
    p = logits.softmax(1).gather(1, target.where(target != 255, 0).unsqueeze(1))[:, 0]
    for image in range(3):
        counted = target[image] != 255
        assert used[image] == max(math.ceil(counted.sum() / 4), (p[image][counted] < 0.1).sum())


@pytest.mark.parametrize("options", [{"threshold": 1.0}, {"kept": 1.0}])
def test_if_all_are_hard_it_is_cross_entropy(options):
    logits, target = random_batch(3)
    assert OHEMCrossEntropy(**options)(logits, target).item() == pytest.approx(CrossEntropy()(logits, target).item())
    logits, target = random_batch(1)
    found = OHEMCrossEntropy(**options)(logits, target)
    assert found.item() == pytest.approx(BinaryCrossEntropy()(logits, target).item(), rel=1e-6)
    assert found.item() == pytest.approx(FocalLoss(gamma=0)(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 1.5}, "loss.threshold=1.5: must be from 0 to 1"),
        ({"kept": -0.1}, "loss.kept=-0.1: must be from 0 to 1"),
        ({"threshold": 0.0, "kept": 0.0}, "no pixel counts"),
    ],
)
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        OHEMCrossEntropy(**options)
