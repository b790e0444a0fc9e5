"""Every network trains, in a task, on one image whose sides nothing divides."""

import pytest
import torch

from segbench.losses import CrossEntropy
from segbench.models import FCN, R2AttentionUNet, R2UNet, ResEncUNet, SegNet, SegNetASPP
from segbench.tasks import SegmentationTask


def foreign(choice):
    if choice == "smp":
        pytest.importorskip("segmentation_models_pytorch")
        from segbench.models.smp import SMP

        return SMP(3, 4, "FPN")
    pytest.importorskip("monai")
    from segbench.models.monai import Monai

    return Monai(3, 4, "UNet", {"channels": [4, 8], "strides": [2]})


NETWORKS = {
    "r2unet": lambda: R2UNet(3, 4, width=4),
    "r2attunet": lambda: R2AttentionUNet(3, 4, width=4, checkpointing=True),
    "segnet": lambda: SegNet(3, 4, width=4),
    "segnet_aspp": lambda: SegNetASPP(3, 4, width=4, aspp_channels=4),
    "fcn32": lambda: FCN(3, 4, width=4, output_stride=32, fully_connected=8),
    "fcn8": lambda: FCN(3, 4, width=4, output_stride=8, fully_connected=8),
    "resenc_unet": lambda: ResEncUNet(3, 4, (32, 64), width=4, deep_supervision=True),
    "smp": lambda: foreign("smp"),
    "monai": lambda: foreign("monai"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_one_image_of_odd_sides(name):
    torch.manual_seed(0)
    task = SegmentationTask(
        NETWORKS[name](), CrossEntropy(), lambda weights: torch.optim.SGD(weights, 0.1), None, ["a", "b", "c", "d"]
    )
    image, mask = torch.randn(1, 3, 37, 45), torch.randint(0, 4, (1, 37, 45))
    assert task(image).shape == (1, 4, 37, 45)
    loss = task.batch_loss({"image": image, "mask": mask, "id": ["x"]})
    loss.backward()
    assert torch.isfinite(loss)
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in task.parameters())
    assert torch.isfinite(task.eval()(image)).all()
