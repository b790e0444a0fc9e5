"""SEG, which one class of a data set has, decides comparisons, also of that class alone."""

import numpy as np
import pandas as pd
import pytest
from scored import rewrite, store

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures.images import image_values
from segbench.reporting.html.scores import score_table
from segbench.reporting.statistics.jackknife import parts
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.tables import markdown_body
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import About, derive
from segbench.scores.derive import Convention
from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES
from segbench.scores.seg import SEG, SEG_COLUMNS

pytestmark = pytest.mark.usefixtures("no_power")


def cells(make_run, seed=0, found=3.0, without=("ring",), **more):
    """A run of discs in rings: of four discs so many are found, and the classes ``without`` have no objects."""
    folder = make_run(seed=seed, **more)
    path = folder / "scores.parquet"
    table = pd.read_parquet(path)
    none = (table["class_index"] == 0) | table["class_name"].isin(without)
    values = dict.fromkeys(OBJECT_COLUMNS, 2.0) | {
        "seg_sum": found - 0.5 * (table["id"].str[-1] == "0"),
        "seg_cells": 4,
    }
    for column, value in values.items():
        table[column] = np.where(none, np.nan, value)
    store(path, table, About("segmentation", scores=(*OBJECT_SCORES, SEG)))
    return folder


def without_seg(folder):
    """The run as it is where SEG was not measured."""
    path = folder / "scores.parquet"
    table = pd.read_parquet(path).drop(columns=list(SEG_COLUMNS))
    store(path, table, About("segmentation", scores=OBJECT_SCORES))


@pytest.fixture
def by_seg(make_run):
    make_run.comparison = {
        "question": "Which finds more?",
        "factors": ["model"],
        "metric": "seg",
        "split": "val",
        "published": [{"where": {"model": "unet"}, "value": 0.734, "source": "report"}],
        "claims": [{"text": "better", "better": {"model": "unet"}}],
        "differences": {},
    }
    return make_run


@pytest.mark.slow
def test_seg_decides_a_comparison_of_the_class_that_has_it(by_seg):
    for seed in (0, 1, 2):
        cells(by_seg, seed, 3.5 + 0.01 * seed, model="unet")
        cells(by_seg, seed, 2.0 + 0.01 * seed, model="attunet")
    found = compare(collect([by_seg.root]))
    attunet, unet = found.rows
    images = len(unet.done[0].counts["val"].ids)
    assert unet.scores["seg"].mean == pytest.approx((3.51 - 0.5 / images) / 4)
    assert unet.published.ours.mean == pytest.approx(unet.scores["seg"].mean)
    # One class has it, so that it needs no column of its own; the other has none.
    names = ["seg", "dice", "iou", "pixel_accuracy", "object_f1", "object_dice", "object_hausdorff"]
    assert score_names(found) == names
    assert {name for name in unet.scores if name.startswith("seg")} == {"seg", "seg_disc"}
    (claim,) = evidence(found).claims
    assert claim.verdict == "holds"
    assert claim.strongest.difference.mean == pytest.approx(unet.scores["seg"].mean - attunet.scores["seg"].mean)
    proof = evidence(found)
    assert proof.best.argmax() == 1
    assert all(np.isfinite((mean.mean, mean.low, mean.high)).all() for mean in proof.means)
    assert proof.answer.startswith("unet is better than attunet: SEG 0.")
    table = score_table(found, proof)
    assert table.columns[table.sorted_by].title == "seg"
    assert "| seg |" in markdown_body(found)
    assert r"\textbf{model} & \textbf{seg} &" in latex_table(found, proof)
    assert found.score.title == "SEG"
    assert found.title_of("seg_disc") == "SEG disc"


def test_the_score_of_the_class_alone_is_the_same(by_seg):
    by_seg.comparison |= {"metric": "seg_disc"}
    for seed in (0, 1):
        cells(by_seg, seed)
    found = compare(collect([by_seg.root]))
    assert score_names(found)[0] == "seg_disc"
    assert found.rows[0].scores["seg_disc"].mean == found.rows[0].scores["seg"].mean


def test_a_class_without_objects_cannot_decide(by_seg):
    by_seg.comparison |= {"metric": "seg_ring"}
    cells(by_seg)
    with pytest.raises(ConfigError, match="comparison.metric: no score 'seg_ring'"):
        compare(collect([by_seg.root]))


def test_two_classes_of_objects_have_a_column_each(by_seg):
    cells(by_seg, without=())
    assert score_names(compare(collect([by_seg.root])))[:3] == ["seg", "seg_disc", "seg_ring"]
    by_seg.comparison |= {"metric": "object_f1"}
    cells(by_seg, seed=1, without=(), experiment="other")
    other = [run for run in collect([by_seg.root]) if "other" in str(run.directory)]
    table = score_table(compare(other), evidence(compare(other)))
    titles = [column.title for column in table.columns if column.group == "classes"]
    assert titles == ["object f1 disc", "object f1 ring"]


@pytest.mark.slow
def test_runs_of_which_seg_was_not_measured_are_read(by_seg):
    by_seg.comparison |= {"metric": "dice", "claims": [{"text": "x", "better": {"model": "unet"}, "metric": "seg"}]}
    for model in ("unet", "attunet"):
        for seed in (0, 1):
            without_seg(cells(by_seg, seed, model=model))
    found = compare(collect([by_seg.root]))
    assert "seg" not in score_names(found)
    assert "object_f1" in score_names(found)
    assert evidence(found).claims[0].verdict == "cannot be judged"
    assert "no score 'seg' of a segmentation; there are" in evidence(found).claims[0].reason
    by_seg.comparison |= {"metric": "seg", "claims": []}
    for model in ("unet", "attunet"):
        without_seg(cells(by_seg, 3, model=model, experiment="old"))
    old = [run for run in collect([by_seg.root]) if "old" in str(run.directory)]
    with pytest.raises(
        ConfigError,
        match="comparison.metric: no score 'seg' .*; start the run again with scores=<name> to add one, without training$",
    ):
        compare(old)
    with pytest.raises(ConfigError, match=r"old: --metric: no score 'dcie' .*; did you mean dice\?$"):
        compare(old, asked={"metric": "dcie"})


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["per_image", "pooled"])
@pytest.mark.parametrize("empty", ["nan", "one", "zero"])
@pytest.mark.parametrize("metric", ["seg", "object_f1", "object_dice"])
def test_what_each_group_adds_leaves_classes_without_objects_out(by_seg, metric, reduction, empty):
    part = read_scores(cells(by_seg) / "scores.parquet")["val"]
    convention = Convention(reduction=reduction, empty=empty)
    found, alone = parts(part, metric, convention), parts(part, f"{metric}_disc", convention)
    assert found.score == alone.score == derive(part, metric, convention)
    assert np.isfinite(found.score)
    assert found.loss == pytest.approx(alone.loss)
    assert image_values(part, metric, convention) == pytest.approx(image_values(part, f"{metric}_disc", convention))


def test_a_gap_in_one_column_of_a_class_is_refused(by_seg):
    path = cells(by_seg) / "scores.parquet"
    table = pd.read_parquet(path)
    table.loc[table["class_name"] == "disc", "seg_sum"] = np.nan
    rewrite(path, table)
    with pytest.raises(ValueError, match="seg_sum must be finite numbers, 0 or more"):
        read_scores(path)
