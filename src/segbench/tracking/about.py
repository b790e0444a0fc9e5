"""What dashboards are told of a run: name and choices, which epoch is best so far, which score decides at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from segbench.configuration.monitor import LAST_EPOCH, monitor_mode
from segbench.configuration.recorded import recorded
from segbench.runs.settings import flatten
from segbench.runs.tuning import is_trial
from segbench.words import visible

# The choices that tags name.
_TAGGED = ("data", "model", "loss", "variant")
_VALIDATION = "val/"


class Best(NamedTuple):
    """The best epoch so far.

    Attributes:
        scores: Its number (``best/epoch``) and its validation scores (``best/val_dice``, ...).
        decisive: Those of them that are worth a curve: of the monitor and of the score that is shown while training.
    """

    scores: dict[str, float]
    decisive: dict[str, float]


def best_name(name: str) -> str:
    """Return what a validation score of the best epoch is called: ``val/dice`` is ``best/val_dice``."""
    return visible(f"best/{name.replace('/', '_', 1)}")


def best_epoch(rows: Sequence[Mapping[str, Any]], monitor: str, headline: str) -> Best:
    """Return the best of the epochs so far, as the checkpoints choose it: the earlier of two that are equal.

    Args:
        rows: Those of ``metrics.csv``.
        monitor: ``trainer.monitor``.
        headline: The score that is shown while training.
    """
    sign = 1.0 if monitor_mode(monitor) == "max" else -1.0
    finite = [row for row in rows if math.isfinite(row.get(monitor, math.nan))]
    best = rows[-1] if monitor == LAST_EPOCH else max(finite, key=lambda row: sign * row[monitor], default=None)
    if best is None:
        return Best({}, {})
    scores = {best_name(name): value for name, value in best.items() if name.startswith(_VALIDATION)}
    scores["best/epoch"] = best["epoch"]
    shown = ("best/epoch", best_name(monitor), best_name(headline))
    return Best(scores, {name: scores[name] for name in shown if name in scores})


@dataclass(frozen=True)
class About:
    """A run, or the comparison of an experiment, as dashboards show it.

    Attributes:
        directory: Folder of its files.
        name: Its name.
        id: What it is known by, also after it was taken up again.
        experiment: The experiment that it belongs to.
        kind: ``run``, ``trial`` of a tuning or ``comparison``.
        names: What was chosen by name (``model``: ``unet``), and the seed.
        configuration: The resolved configuration, as it may be passed on.
        headline: The score that is shown while training, ``val/dice``; empty for a comparison.
        metric: The score that decides at the end, ``dice``.
        split: The split that decides; None for the last one that is scored.
    """

    directory: Path
    name: str
    id: str
    experiment: str
    kind: str
    names: dict[str, Any]
    configuration: dict[str, Any]
    headline: str
    metric: str
    split: str | None

    @property
    def tags(self) -> list[str]:
        """Its kind, unless it is a run like any other, and what it is known by: data, model, loss and variant."""
        kind = [] if self.kind == "run" else [self.kind]
        return list(dict.fromkeys([*kind, *(str(self.names[group]) for group in _TAGGED if group in self.names)]))

    @property
    def settings(self) -> dict[str, Any]:
        """The names and, by their dotted keys as they are typed, all settings but the classes, which have names."""
        flat = flatten(self.configuration)
        return {**self.names, **{key: value for key, value in flat.items() if not key.endswith("._target_")}}

    def final(self, summary: Mapping[str, Any]) -> dict[str, float]:
        """Return the final scores of every split (``final/test_dice``) and the one that decides (``final/dice``)."""
        scores = summary.get("scores", {})
        final = {f"final/{split}_{name}": value for split, each in scores.items() for name, value in each.items()}
        deciding = scores.get(self.split or next(reversed(scores), ""), {}).get(self.metric)
        if deciding is not None:
            final[f"final/{self.metric}"] = deciding
        return {visible(name): value for name, value in final.items()}


def describe(cfg: DictConfig, directory: Path, identity: Mapping[str, Any], headline: str) -> About:
    """Return what dashboards are told of a run.

    Args:
        cfg: The whole configuration.
        directory: The run directory.
        identity: Its ``run.json``.
        headline: The score that is shown while training; empty for a comparison.
    """
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "logger"])
    names = {group: choice for group, choice in identity.get("choices", {}).items() if choice is not None}
    comparison = cfg.comparison
    return About(
        directory=directory,
        name=identity.get("name", directory.name),
        id=identity.get("wandb_id", ""),
        experiment=identity.get("experiment", ""),
        kind="comparison" if not headline else "trial" if is_trial(cfg) else "run",
        names=names | ({"seed": cfg.seed} if headline else {}),
        configuration=recorded(kept),
        headline=headline,
        metric=comparison.metric if comparison else headline.removeprefix(_VALIDATION),
        split=comparison.split if comparison else None,
    )
