"""Where a curriculum's next stage begins, as marks on learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from segbench.pictures.styles import colour
from segbench.reporting.collection.runs import Run
from segbench.reporting.comparison.model import Comparison

# A column of metrics.csv: the number of the augmentation's stage in each epoch, from 0.
STAGE = "augmentation/stage"
MARK = "0.35"
# Of the first stage that is waited for, the second, ...; most curricula have one.
STYLES: tuple[Literal[":", "-.", "--"], ...] = (":", "-.", "--")


def stage_starts(curves: pd.DataFrame | None) -> dict[int, float]:
    """Return the stages that began after the first epoch of a run, each with the first epoch trained in it.

    Where several begin at once, only the last of them is trained in, and it alone is there.

    Args:
        curves: ``metrics.csv``, one row an epoch; None where there is none.
    """
    if curves is None or STAGE not in curves:
        return {}
    known = curves[["epoch", STAGE]].dropna()
    risen = known[known[STAGE].diff() > 0].to_numpy(float)
    return {int(stage): epoch for epoch, stage in risen.tolist()}


def draw_stages(axes: Axes, comparison: Comparison) -> None:
    """Draw a broken upright line, in the configuration's colour, where a stage of one of its runs begins."""
    for index, row in enumerate(comparison.rows):
        begun = {start for run in row.runs for start in stage_starts(run.curves).items()}
        for stage, epoch in sorted(begun):
            axes.axvline(epoch, color=colour(index), linestyle=_style(stage), linewidth=1.1, alpha=0.8, zorder=1)


def stage_legend(comparison: Comparison) -> list[Line2D]:
    """Return what names the marks: a line for each stage that began, counted from 1, with the score it waited for."""
    runs = [run for row in comparison.rows for run in row.runs]
    begun = sorted({stage for run in runs for stage in stage_starts(run.curves)})
    found = []
    for stage in begun:
        # Of what the configurations wait for each, if that differs.
        reasons = dict.fromkeys(_reason(comparison, run, stage) for run in runs if stage in stage_starts(run.curves))
        waited = " or ".join(reason for reason in reasons if reason)
        label = f"a run's augmentation stage {stage + 1} begins" + (f" ({waited})" if waited else "")
        found.append(Line2D([], [], color=MARK, linestyle=_style(stage), linewidth=1.1, label=label))
    return found


def _style(stage: int) -> Literal[":", "-.", "--"]:
    return STYLES[(stage - 1) % len(STYLES)]


def _reason(comparison: Comparison, run: Run, stage: int) -> str:
    """Return which score a stage waits for, from the run's configuration; empty where that does not say."""
    augmentation = run.config.get("augmentation")
    stages = augmentation.get("stages") if isinstance(augmentation, Mapping) else None
    stages = list(stages.values()) if isinstance(stages, Mapping) else stages
    if not isinstance(stages, Sequence) or not stage < len(stages) or not isinstance(stages[stage], Mapping):
        return ""
    monitor, threshold = stages[stage].get("monitor"), stages[stage].get("threshold")
    if monitor is None or threshold is None:
        return ""
    split, _, metric = str(monitor).rpartition("/")
    words = {"val": "validation ", "train": "training "}.get(split, f"{split} ".lstrip())
    return f"after {words}{comparison.title_of(metric)} passed {threshold}"
