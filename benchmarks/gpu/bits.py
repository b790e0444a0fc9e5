"""Which networks and losses compute the same bits every time on the card."""

from __future__ import annotations

import copy
from typing import Any

import torch
from hydra.errors import InstantiationException
from torch import Tensor, nn

from benchmarks.gpu.networks import NETWORKS, every_loss, is_classifier, small_network
from benchmarks.gpu.record import Failure, Record, first_line

_STEPS = 4


def measure_bits(record: Record) -> None:
    """Train every network by all losses twice, with torch told to refuse what has no deterministic form."""
    torch.use_deterministic_algorithms(True)
    for precision in ("32", "bf16"):
        for network in NETWORKS:
            if record.left <= 0:
                record.add(stopped="no time left", before=network, precision=precision)
                return
            row: dict[str, Any] = {"network": network, "precision": precision}
            try:
                first, second = (_train(network, precision, record) for _ in range(2))
                row["equal"] = all(torch.equal(first[name], second[name]) for name in first)
            except InstantiationException as error:  # of a package that is not installed
                row["skipped"] = first_line(error.__cause__ or error)
            except Failure as error:
                row["refused"] = first_line(error)
            record.add(**row)
    torch.use_deterministic_algorithms(False)


def _train(network: str, precision: str, record: Record) -> dict[str, Tensor]:
    """Return the weights after some steps."""
    task = "classification" if is_classifier(network) else "segmentation"
    side = 28 if is_classifier(network) else 64
    trained = small_network(network, 3, width=2 if record.smoke else 16).to(record.device).train()
    loss = copy.deepcopy(every_loss(task, 3, 3)).to(record.device)
    chance = torch.Generator().manual_seed(1)
    images = torch.rand(4, 1, side, side, generator=chance).to(record.device)
    shape = (4,) if is_classifier(network) else (4, side, side)
    labels = torch.randint(0, 3, shape, generator=chance).to(record.device)
    weight = None if is_classifier(network) else torch.rand(shape, generator=chance).to(record.device)
    optimizer = torch.optim.Adam(trained.parameters(), lr=1e-3)
    torch.manual_seed(2)
    for _ in range(_STEPS):
        with torch.autocast(record.device.type, torch.bfloat16, enabled=precision == "bf16"):
            value = _loss(trained, loss, images, labels, weight)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in trained.state_dict().items()}


def _loss(network: nn.Module, loss: nn.Module, images: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
    outputs = network(images)
    logits = [outputs.logits, *outputs.side_logits] if hasattr(outputs, "logits") else [outputs]
    total = torch.stack([loss(part, labels, weight) for part in logits]).sum()
    presence = getattr(outputs, "presence", None)
    return total if presence is None else total + presence.float().square().mean()
