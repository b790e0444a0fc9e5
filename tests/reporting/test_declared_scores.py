"""Scores that only a run's file declares decide comparisons, by the direction, unit and classes that it states."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scored import store

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.figures import draw_all
from segbench.reporting.html.scores import score_table
from segbench.reporting.single import print_run
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import markdown_body
from segbench.runs.split_scores import About
from segbench.scores.columns import ColumnScore, Ratio

pytestmark = pytest.mark.usefixtures("no_power")

RATIO = (Ratio({"hd_sum": 1}, {"hd_number": 1}),)
HD95 = ColumnScore(
    "hd95",
    "HD95",
    RATIO,
    lower_is_better=True,
    unit="mm",
    empty="an image where one side alone is empty counts with its diagonal",
)
SHARE = ColumnScore("hd95", "HD95 as a share", RATIO)


def measured(make, model, seed, mean, score=HD95, classes=("disc", "ring"), background=True, **more):
    """A run whose distances are near ``mean`` for the classes that have any."""
    path = make(model, seed, **more) / "scores.parquet"
    frame = pd.read_parquet(path).sort_values(["split", "id", "class_index"])
    values = mean + np.random.default_rng(seed).normal(0, 0.02 * mean, len(frame))
    without = ~frame["class_name"].isin(classes)
    frame = frame.assign(hd_sum=np.where(without, np.nan, 2 * values), hd_number=np.where(without, np.nan, 2.0))
    store(path, frame, About("segmentation", background, (score,)))
    return path.parent


@pytest.fixture
def compared(make_run):
    make_run.comparison = {
        "question": "Whose surfaces are nearer?",
        "factors": ["model"],
        "metric": "hd95",
        "split": "test",
        "published": [],
        "claims": [{"text": "near is nearer", "better": {"model": "near"}}],
        "differences": {},
    }

    def build(**more):
        for seed in range(3):
            measured(make_run, "near", seed, 2.0, tp=60, **more)
            measured(make_run, "far", seed, 9.0, tp=95, **more)
        return compare(collect([make_run.root]))

    return build


@pytest.mark.slow
def test_a_distance_that_the_file_declares_is_better_when_lower(compared, tmp_path):
    found = compared()
    proof = evidence(found)
    assert (found.score.direction, found.score.largest) == (-1, math.inf)
    assert proof.answer.startswith("near is better than far: ")
    assert proof.claims[0].verdict == "holds"
    assert found.rows[proof.best.argmax()].label == "near"
    table = score_table(found, proof)
    assert [line.cells[0].text for line in table.lines] == ["near", "far"]
    assert not table.columns[table.sorted_by].down
    (bold,) = [line for line in latex_table(found, proof).splitlines() if line.count("textbf") == 1]
    assert "near" in bold
    # Of the Dice beside it the higher one is first, as ever.
    assert next(column for column in table.columns if column.title == "dice").down
    drawn = [file for _, file in draw_all(found, proof, tmp_path)]
    assert {"differences.png", "distributions.png", "ranks.png"} <= set(drawn)


@pytest.mark.slow
def test_the_same_columns_declared_as_a_share_are_better_when_higher(compared):
    found = compared(score=replace(SHARE, ratios=(Ratio({"hd_sum": 0.05}, {"hd_number": 1}),)))
    assert (found.score.direction, found.score.largest) == (1, 1)
    assert evidence(found).answer.startswith("far is better than near: ")
    assert evidence(found).claims[0].verdict == "does not hold"


@pytest.mark.slow
def test_tables_say_what_was_declared(compared):
    found = compared()
    assert score_names(found) == ["hd95", "hd95_disc", "hd95_ring", "dice", "iou", "pixel_accuracy"]
    said = " ".join(notes(found))
    assert "HD95 in millimetres: lower is better." in said
    assert f"HD95: {HD95.empty}; test split" in said
    assert f"HD95: {HD95.empty}" in csv_text(found)
    assert "| hd95 disc |" in markdown_body(found)


def test_the_unit_stands_once_at_the_end_of_a_run(make_run, tmp_path):
    folder = measured(make_run, "near", 0, 4.0)
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    print_run(folder, console)
    lines = [line for line in console.export_text(clear=False).splitlines() if line.startswith("HD95")]
    assert len(lines) == 2
    assert f"HD95: {HD95.empty}; at 50x20 pixels" in console.export_text(clear=False)
    for line in lines:
        assert line.count("mm") == 1
        assert line.endswith(" mm")


@pytest.mark.slow
def test_a_class_that_is_not_measured_is_in_no_mean(compared):
    found = compared(classes=("ring",))
    for row in found.rows:
        assert row.scores["hd95"].mean == row.scores["hd95_ring"].mean
        assert "hd95_disc" not in row.scores


@pytest.mark.slow
@pytest.mark.parametrize("background", [True, False])
def test_class_0_counts_where_it_is_no_background(compared, background):
    found = compared(classes=("background", "disc", "ring"), background=background)
    assert ("hd95_background" in found.rows[0].scores) is not background
    part = found.rows[0].done[0].counts["test"]
    every = part.columns["hd_sum"] / part.columns["hd_number"]
    expected = every[:, int(background) :].mean(axis=0).mean()
    assert evidence(found).means[0].mean == pytest.approx(
        np.mean([run.counts["test"].columns["hd_sum"][:, int(background) :].mean() / 2 for run in found.rows[0].done])
    )
    assert found.rows[0].scores["hd95"].n == 3
    assert compare(found.done).rows[0].done[0].counts["test"] is part
    assert part.additive(found.score, found.convention).total == pytest.approx(expected)


@pytest.mark.slow
def test_runs_that_declare_it_differently_are_not_compared_by_it(make_run, compared):
    found = compared()
    measured(make_run, "other", 0, 3.0, score=replace(HD95, title="HD95 in voxels", unit="px"))
    with pytest.raises(
        ConfigError, match="scores files declare hd95 differently; compare those that measured it alike"
    ):
        compare(collect([make_run.root]))
    by_dice = compare(collect([make_run.root]), asked={"metric": "dice"})
    assert "hd95" not in score_names(by_dice)
    (claim,) = evidence(by_dice).claims
    assert claim.verdict == "cannot be judged"
    assert "declare hd95 differently" in claim.reason
    assert found.score.score == HD95


def test_a_class_called_bone_loss_is_scored_like_any_other(make_run):
    make_run.comparison = {"question": "?", "factors": ["model"], "metric": "dice_bone loss", "split": "test"}
    for model, tp in (("good", 95), ("bad", 60)):
        for seed in range(2):
            path = make_run(model, seed, tp + seed) / "scores.parquet"
            frame = pd.read_parquet(path)
            frame["class_name"] = frame["class_name"].replace("disc", "bone loss")
            score = replace(HD95, name="dice_bone")
            store(path, frame.assign(hd_sum=1.0, hd_number=1.0), About("segmentation", scores=(score,)))
    found = compare(collect([make_run.root]))
    assert (found.score.label, found.score.direction) == ("bone loss", 1)
    assert found.title_of("dice_bone loss") == "Dice bone loss"
    assert evidence(found).answer.startswith("good is better than bad: ")
    assert score_table(found, evidence(found)).lines[0].cells[0].text == "good"


@pytest.mark.slow
def test_a_run_that_lacks_the_deciding_score_is_left_out_and_says_how_to_add_it(compared, make_run):
    compared()
    make_run("near", 7)
    found = compare(collect([make_run.root]))
    assert [len(row.done) for row in found.rows] == [3, 3]
    ((lacking, reason),) = found.unfinished
    assert (lacking.seed, lacking.state) == (7, "excluded")
    assert "has no score 'hd95', which 6 runs have; start it again with their scores=..." in reason


@pytest.mark.slow
def test_the_unit_of_a_score_beside_the_deciding_one_is_said_too(compared, make_run):
    make_run.comparison["metric"] = "dice"
    assert "HD95 in millimetres: lower is better." in notes(compared())
