"""A survey from a configuration: read the data, measure a few steps, look at every image, and say what was found."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from segbench.assembly import build_data, build_task
from segbench.configuration.schema import validate
from segbench.data.base import ImageData
from segbench.errors import DataError, SegbenchError
from segbench.runs.identity import settled
from segbench.survey.classes import Share, count_by_group, count_classes
from segbench.survey.copies import find_copies
from segbench.survey.findings import Evidence, Finding, all_findings
from segbench.survey.images import ImageFacts, Pictures, inspect_images
from segbench.survey.misfits import MaskFits, find_misfits
from segbench.survey.outliers import find_exposures, find_specks
from segbench.survey.settings import Proposal, Situation, propose
from segbench.survey.steps import Cost, measure_steps
from segbench.tasks.base import Task
from segbench.trainer import check_precision, quiet_lightning

log = logging.getLogger("segbench")


@dataclass(frozen=True)
class Survey:
    """All that a survey found.

    Attributes:
        cfg: The configuration that was surveyed.
        data: The data module, after its setup.
        pictures: Its images.
        facts: What is known of each image, in the order of the splits.
        shares, groups: Class frequencies of the parts of the split, and of the groups.
        fits: How masks fit images.
        near_compared: Whether near copies were looked for.
        findings: What to look at.
        cost: What a run takes; None if nothing was measured, and then ``unmeasured`` says why.
        proposals: Settings.
    """

    cfg: DictConfig
    data: ImageData
    pictures: Pictures
    facts: list[ImageFacts]
    shares: list[Share]
    groups: list[Share]
    fits: MaskFits
    near_compared: bool
    findings: list[Finding]
    cost: Cost | None
    unmeasured: str
    proposals: list[Proposal]


def survey(cfg: DictConfig, choices: dict[str, str], steps: int = 3) -> Survey:
    """Survey the data of a configuration.

    Args:
        cfg: The composed configuration, without Hydra's own node.
        choices: The chosen name of each group.
        steps: Training steps to measure; 0 for none.

    Raises:
        SegbenchError: If the configuration is invalid or the data unusable.
    """
    validate(cfg)
    cfg = _lenient(settled(cfg))
    quiet_lightning()
    check_precision(cfg)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)
    data, task, unmeasured = _prepared(cfg)
    cost: Cost | None = None
    if task is not None and steps:
        try:
            # Before anything else is in memory, whose peak it measures.
            cost = measure_steps(cfg, data, task, steps)
        except SegbenchError as error:
            unmeasured = str(error)
    elif not unmeasured:
        unmeasured = "steps=0"
    if cost is None and steps:
        log.warning("no training step was measured: %s", unmeasured)
    return _looked_at(cfg, choices, data, cost, unmeasured)


def _lenient(cfg: DictConfig) -> DictConfig:
    """Return a configuration in which copies are reported, not refused."""
    cfg = cfg.copy()
    OmegaConf.set_readonly(cfg, False)
    if "on_duplicates" in cfg.data:
        cfg.data.on_duplicates = "warn"
    return cfg


def _prepared(cfg: DictConfig) -> tuple[ImageData, Task[Any] | None, str]:
    """Return the data, read, and the task; or None and why the configuration's network cannot be trained on it."""
    data, task, why = build_data(cfg), None, ""
    try:
        # As if restored: pretrained weights are not fetched for a few steps.
        task = build_task(cfg, data, restored=True)
        data.weigh_by(task.loss)
    except DataError:
        raise
    except SegbenchError as error:
        why = str(error)
    data.setup()
    if task is not None:
        task.loss.prepare(torch.from_numpy(data.class_pixels))
    return data, task, why


def _looked_at(cfg: DictConfig, choices: dict[str, str], data: ImageData, cost: Cost | None, unmeasured: str) -> Survey:
    pictures, facts = Pictures(data), inspect_images(data)
    key, masks = pictures.key, pictures.masks
    shares = count_classes(facts, key, masks)
    copies = find_copies(facts)
    fits = find_misfits(pictures, facts) if masks else MaskFits(False, "each image has one label")
    evidence = Evidence(
        facts=facts,
        shares=shares,
        key=key,
        masks=masks,
        copies=copies,
        fits=fits,
        exposures=find_exposures(facts),
        specks=find_specks(facts) if masks else (),
        volumes=pictures.volumes,
    )
    findings = all_findings(evidence)
    return Survey(
        cfg=cfg,
        data=data,
        pictures=pictures,
        facts=facts,
        shares=shares,
        groups=count_by_group(facts, key, masks),
        fits=fits,
        near_compared=copies.compared,
        findings=findings,
        cost=cost,
        unmeasured=unmeasured,
        proposals=propose(Situation(cfg, choices, key, masks, shares, findings, cost)),
    )
