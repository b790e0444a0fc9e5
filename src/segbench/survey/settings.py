"""Settings that a survey proposes, as overrides to paste, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from segbench.environment import native_precision, processors
from segbench.masks import MaskKey
from segbench.survey.classes import Share
from segbench.survey.findings import Finding
from segbench.survey.steps import Cost
from segbench.words import duration

# A class with less than this share of the pixels is lost in a mean over pixels.
_RARE = 0.05
# Fewer training images are soon memorised.
_FEW_IMAGES = 200
# Updates of the weights that a training from random weights needs at the least.
_LEAST_UPDATES = 1000
_MOST_EPOCHS = 300
# Of a step, what may pass waiting for data; of the memory, what may be used.
_WAITING, _FULL = 0.3, 0.8


@dataclass(frozen=True)
class Proposal:
    """An override and why."""

    override: str
    reason: str


@dataclass(frozen=True)
class Situation:
    """What proposals depend on.

    Attributes:
        cfg: The whole configuration.
        choices: The chosen name of each group.
        key: How to read masks.
        masks: Whether targets are masks.
        shares: Of the parts of the split.
        findings: What was found.
        cost: What was measured; None if nothing was.
    """

    cfg: DictConfig
    choices: dict[str, str]
    key: MaskKey
    masks: bool
    shares: Sequence[Share]
    findings: Sequence[Finding]
    cost: Cost | None


def propose(situation: Situation) -> list[Proposal]:
    """Return what the survey would set otherwise; nothing where the configuration is fine."""
    makers: tuple[Callable[[Situation], Iterable[Proposal]], ...] = (_split, _loss, _augmentation, _length, _speed)
    return [proposal for make in makers for proposal in make(situation)]


def _split(situation: Situation) -> Iterable[Proposal]:
    kinds = {finding.kind for finding in situation.findings}
    if "groups in several parts" in kinds and situation.cfg.data.get("split_by") == "image":
        yield Proposal("data.split_by=group", "groups are in several parts of the split")


def _loss(situation: Situation) -> Iterable[Proposal]:
    train = {share.name: share for share in situation.shares}["train"]
    shares = {name: train.fraction(label) for label, name in enumerate(situation.key.names)}
    rare = [name for name, share in shares.items() if 0 < share < _RARE]
    better = {"ce": "ce_dice", "bce": "bce_dice"}.get(situation.choices.get("loss", ""))
    if situation.masks and rare and better:
        name = min(rare, key=shares.__getitem__)
        yield Proposal(
            f"loss={better}", f"{name} has {shares[name]:.2%} of the pixels: Dice counts it as much as others"
        )


def _augmentation(situation: Situation) -> Iterable[Proposal]:
    images = {share.name: share.images for share in situation.shares}["train"]
    if situation.masks and situation.choices.get("augmentation") == "none" and images < _FEW_IMAGES:
        yield Proposal(
            "augmentation=light", f"{images} training images are soon memorised; if a mirrored image is a possible one"
        )


def _length(situation: Situation) -> Iterable[Proposal]:
    cost = situation.cost
    updates = 0 if cost is None else cost.epochs * cost.steps_per_epoch / situation.cfg.trainer.accumulate_grad_batches
    if cost is not None and updates < _LEAST_UPDATES:
        epochs = min(_MOST_EPOCHS, math.ceil(cost.epochs * _LEAST_UPDATES / updates / 10) * 10)
        if epochs > cost.epochs:
            yield Proposal(
                f"trainer.max_epochs={epochs}",
                f"{cost.epochs} epochs change the weights {updates:.0f} times, few for random ones; these take about"
                f" {duration(epochs * cost.epoch_seconds)}",
            )


def _speed(situation: Situation) -> Iterable[Proposal]:
    cost, settings = situation.cost, situation.cfg.trainer
    if cost is None:
        return
    cores = processors()
    if cost.waiting > _WAITING and situation.cfg.data.get("num_workers") in (0, "auto") and cores > 1:
        yield Proposal(f"data.num_workers={min(4, cores)}", f"{cost.waiting:.0%} of a step waits for data")
    native = native_precision(settings.accelerator)
    if settings.precision == 32 and native.value != 32:
        yield Proposal("trainer=fast", native.reason)
    size = situation.cfg.data.batch_size
    if cost.memory > _FULL * cost.total_memory and size != "all" and size > 1:
        override = f"data.batch_size={size // 2} trainer.accumulate_grad_batches={2 * settings.accumulate_grad_batches}"
        yield Proposal(override, f"a step takes {cost.memory / cost.total_memory:.0%} of the memory")
