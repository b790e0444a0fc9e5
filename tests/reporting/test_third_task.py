"""A task of another kind is one file: its record and how its rows are read; nothing else knows of it.

Multi-label segmentation is read so: classes whose masks overlap, none of them a background.
"""

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scored import store

from segbench.commands import report
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.figures import draw_all
from segbench.reporting.single import print_run
from segbench.reporting.text.tables import one_vs_rest_cells
from segbench.runs.scores_file import TASKS, read_scores
from segbench.runs.split_overlaps import RECORD
from segbench.runs.split_scores import About
from segbench.scores.derive import SCORES

pytestmark = pytest.mark.usefixtures("no_power")


@pytest.fixture
def organs(architectures):
    """Two networks of two seeds; every class is scored by itself."""
    architectures.comparison |= {"metric": None, "published": []}
    for model, tp in (("unet", 60), ("attunet", 90)):
        for seed in range(2):
            path = architectures(model, seed, tp + seed, frequencies=(0.6, 0.5, 0.2)) / "scores.parquet"
            store(path, pd.read_parquet(path), About("multilabel", background=False))
    return architectures


@pytest.mark.slow
def test_it_is_read_compared_and_reported(organs, tmp_path):
    found = compare(collect([organs.root]))
    assert (found.task, found.metric) == (RECORD, "dice")
    assert score_names(found) == ["dice", "dice_background", "dice_disc", "dice_ring", "iou"]
    part = found.rows[0].done[0].counts["test"]
    assert part.confusion is None
    dices = SCORES["dice"](part.counts)
    assert found.rows[0].scores["dice"].mean == pytest.approx(
        np.mean([SCORES["dice"](run.counts["test"].counts).mean() for run in found.rows[0].done])
    )
    assert part.image_scores(found.score, found.convention) == pytest.approx(dices.mean(axis=1))
    assert evidence(found).answer.startswith("attunet is better than unet: Dice 0.")
    assert report.main([str(found.directory)]) == 0
    drawn = {file for _, file in draw_all(found, evidence(found), tmp_path)}
    assert {"classes.png", "distributions.png", "differences.png", "frequencies.png"} <= drawn
    assert not {"panels.png", "confusion.png", "mistakes.png", "seeds.png", "contours.png"} & drawn


def test_macro_and_micro_averages_stand_without_what_holds_for_one_class_a_pixel(organs):
    found = compare(collect([organs.root]))
    assert [row[:2] for row in one_vs_rest_cells(found)[1]][:2] == [["attunet", "macro"], ["attunet", "micro"]]
    (note,) = [line for line in notes(found) if line.startswith("Macro")]
    assert "one number" not in note
    assert "mIoU" not in note


def test_the_end_of_a_run_is_printed(organs, tmp_path):
    console = Console(width=150, record=True, file=(tmp_path / "out").open("w"))
    print_run(next(organs.root.rglob("scores.parquet")).parent, console)
    text = console.export_text()
    assert "ring" in text
    assert "all classes (there is no background)" in text
    assert "pixel accuracy" not in text


@pytest.mark.slow
def test_among_segmentations_it_is_excluded(organs):
    for seed in range(5, 10):
        organs("unet", seed)
    found = compare(collect([organs.root]))
    assert found.task.name == "segmentation"
    assert all("a multilabel, where 5 finished runs" in reason for _, reason in found.unfinished)
    assert len(found.unfinished) == 4


def test_a_file_of_a_task_that_is_not_here_is_damaged(organs, monkeypatch):
    path = next(organs.root.rglob("scores.parquet"))
    monkeypatch.delitem(TASKS, "multilabel")
    with pytest.raises(ValueError, match="its task is 'multilabel', not segmentation or classification"):
        read_scores(path)
