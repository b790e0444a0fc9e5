"""Heads under any name are replaced where the classes differ, and nothing else is."""

import logging

import pytest
import torch

from segbench.models import FCN, SegNetASPP, UNet3Plus
from segbench.tasks import initialisation


def smp(classes):
    pytest.importorskip("segmentation_models_pytorch")
    from segbench.models.smp import SMP

    return SMP(1, classes)


def monai(classes):
    pytest.importorskip("monai")
    from segbench.models.monai import Monai

    return Monai(1, classes, "SegResNet", {"init_filters": 8})


NETWORKS = {
    "fcn": lambda classes: FCN(1, classes, 2, 8, fully_connected=4),
    "segnet_aspp": lambda classes: SegNetASPP(1, classes, 2, aspp_channels=4),
    "unet3plus": lambda classes: UNet3Plus(1, classes, 2, deep_supervision=True, classification=True),
    "smp": smp,
    "monai": monai,
}


# MONAI takes seconds to import.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "monai")) for name in NETWORKS]
)
def test_only_what_follows_the_classes_is_replaced(monkeypatch, tmp_path, caplog, name):
    torch.manual_seed(0)
    stored, network = NETWORKS[name](3).state_dict(), NETWORKS[name](5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    (tmp_path / "best.ckpt").touch()
    checkpoint = {"state_dict": {f"network.{key}": value for key, value in stored.items()}}
    monkeypatch.setattr(initialisation, "load_checkpoint", lambda path: checkpoint)
    with caplog.at_level(logging.INFO, "segbench"):
        initialisation.load_weights(network, str(tmp_path / "best.ckpt"))
    for key, value in network.state_dict().items():
        expected = stored[key] if stored[key].shape == value.shape else before[key]
        assert torch.equal(value, expected), key
    assert "head replaced, 3 -> 5 output channels" in caplog.text
