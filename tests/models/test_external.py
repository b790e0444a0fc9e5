import sys

import pytest
import torch
from torch import nn

from segbench.errors import ConfigError
from segbench.models.external import ExternalNetwork


@pytest.mark.parametrize(("choice", "package"), [("smp", "segmentation_models_pytorch"), ("monai", "monai")])
def test_choices_refuse_in_one_line_without_their_package(monkeypatch, compose, choice, package):
    from segbench.configuration.build import build

    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(package), *sys.meta_path])
    with pytest.raises(ConfigError, match=rf"^model={choice}: .*; pip install -c constraints.txt '.\[{choice}\]'$"):
        build("model", compose(f"model={choice}"), in_channels=1, out_channels=1)


class _Without:
    """Finds everything but a package."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Several(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, image):
        return [image] * self.count


def test_results_other_than_logits_are_refused():
    image = torch.zeros(2, 3, 8, 8)
    assert ExternalNetwork(Several(1), 1, "model.arch=X")(image) is image
    with pytest.raises(ConfigError, match="^model.arch=X: returns a list of several outputs, not logits$"):
        ExternalNetwork(Several(2), 1, "model.arch=X")(image)
    with pytest.raises(ConfigError, match=r"^model.arch=X: returns \(2, 3, 4, 4\) for images \(2, 3, 8, 8\)"):
        ExternalNetwork(nn.MaxPool2d(2), 1, "model.arch=X")(image)
    with pytest.raises(ConfigError, match=r"returns \(2, 192\) for images"):
        ExternalNetwork(nn.Flatten(), 1, "model.arch=X")(image)


def test_maps_of_one_pixel_are_taken_and_others_as_before():
    def normalised():
        torch.manual_seed(0)
        return nn.Sequential(nn.InstanceNorm2d(3, affine=True), nn.Conv2d(3, 2, 1))

    image = torch.randn(2, 3, 8, 8)
    plain, network = normalised(), ExternalNetwork(normalised(), 1, "")
    assert torch.equal(plain(image), network(image))
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        plain(image[..., :1, :1])
    for layer in (plain, network.network):
        nn.init.constant_(layer[0].bias, 0.5)
    expected = plain[1](torch.full((2, 3, 1, 1), 0.5))
    torch.testing.assert_close(network(image[..., :1, :1]), expected)


def test_one_image_can_be_trained_on_and_more_as_before():
    def pooled():
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Upsample(size=8))

    image = torch.randn(4, 3, 8, 8)
    plain, network = pooled(), ExternalNetwork(pooled(), 1, "")
    assert torch.equal(plain(image), network(image))
    assert torch.equal(plain[1].running_var, network.network[1].running_var)
    with pytest.raises(ValueError, match="Expected more than 1 value"):
        plain(image[:1])
    assert torch.isfinite(network(image[:1])).all()
