"""Every network of ``conf/model`` at a small size, with every loss of ``conf/loss`` that fits it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

_CONF = Path(__file__).resolve().parent.parent.parent / "conf"
# What only sets values of another choice is left out, and one network computes on the processor alone.
NETWORKS = sorted(
    {path.stem for path in (_CONF / "model").glob("*.yaml") if "defaults:" not in path.read_text(encoding="utf-8")}
    - {"mnist_ff_numpy"}
)
LOSSES = sorted(path.stem for path in (_CONF / "loss").glob("*.yaml"))
_SMALL = {"fully_connected": 4, "aspp_channels": 4, "deep_supervision": True, "classification": True}


class Sum(nn.Module):
    """The sum of several losses.

    Args:
        losses: The losses.
    """

    def __init__(self, losses: list[nn.Module]) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, *arguments: Any) -> Tensor:
        """Return it; arguments are those of each loss."""
        return torch.stack([loss(*arguments) for loss in self.losses]).sum()


def is_classifier(network: str) -> bool:
    """Say whether a network of ``conf/model`` is for classification."""
    return network.startswith("mnist")


def small_network(network: str, outputs: int, width: int = 2, presence: bool = True) -> nn.Module:
    """Return a network of ``conf/model`` for images of one channel, its weights drawn from seed 0.

    Args:
        network: Its name there.
        outputs: Channels of the logits.
        width: Filters of its first level, where it has that key.
        presence: Whether it may have a head that says which classes are present.
    """
    section: Any = OmegaConf.load(_CONF / "model" / f"{network}.yaml")
    small: dict[str, Any] = _SMALL | {"width": width} | ({} if presence else {"classification": False})
    if section.get("size", 0) is None:  # which the images decide
        small["size"] = [32, 32]
    section.update({key: value for key, value in small.items() if key in section})
    torch.manual_seed(0)
    built: nn.Module = instantiate(section, in_channels=1, out_channels=outputs)
    return built


@cache
def every_loss(task: str, outputs: int, classes: int) -> Sum:
    """Return the sum of the losses that fit.

    Args:
        task: What losses name among their ``tasks``.
        outputs: Logits that share a decision, 1 for overlapping classes.
        classes: Number of classes.
    """
    fitting = []
    for name in LOSSES:
        loss = instantiate(OmegaConf.load(_CONF / "loss" / f"{name}.yaml"))
        try:
            loss.check(outputs)
        except ValueError:
            continue
        if task in loss.tasks:
            loss.prepare(torch.arange(1, classes + 1))
            fitting.append(loss)
    return Sum(fitting)
