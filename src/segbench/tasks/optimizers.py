"""Optimisers in the form that is fastest where they run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# Whoever sets one of these has chosen a form.
_FORMS = {"fused", "foreach", "capturable", "differentiable"}


def build_optimizer(
    make: Callable[..., torch.optim.Optimizer], weights: list[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimiser of weights; on a processor the fused one, where its class has that and no form was chosen.

    A fused step goes through memory once, not once for each operation of its formula. It differs by rounding.

    Args:
        make: The optimiser's class or function, or a partial of it.
        weights: The weights.
        device: Where they are.
    """
    chosen = _FORMS & getattr(make, "keywords", {}).keys()
    # torch has none for complex weights.
    has_one = "fused" in _accepted(make) and all(weight.is_floating_point() for weight in weights)
    if device.type != "cpu" or chosen or not has_one:
        return make(weights)
    optimizer = make(weights, fused=True)
    # Nothing scales a loss on a processor. Lightning would take it that the optimiser undoes that, and refuse to clip.
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # torch's mark for its scaler
    return optimizer


def _accepted(make: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(make).parameters)
    except ValueError:  # it is not written in Python
        return set()
