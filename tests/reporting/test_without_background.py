"""Runs of data without a background: class 0 counts, in means, tables, notes and pictures."""

import json

import numpy as np
import pandas as pd
import pytest
from scored import store

from segbench.masks import MaskKey
from segbench.pictures.palette import rgb
from segbench.pictures.panels import class_colour, overlay
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.figures.frequencies import draw_frequencies, training_sets
from segbench.reporting.html.document import html_page
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import markdown_body, one_vs_rest_cells, other_score_cells
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import About, derive
from segbench.scores import Convention

# Those of the made runs.
CLASSES = ("background", "disc", "ring")

COLOURS = ["#804080", "#F423E8", "#464646"]


@pytest.fixture
def street(architectures):
    """Two finished runs; their data has no background and colours of its own."""
    for model, tp in (("unet", 60), ("attunet", 90)):
        folder = architectures(model=model, tp=tp, frequencies=(0.5, 0.3, 0.2))
        scores = folder / "scores.parquet"
        store(scores, pd.read_parquet(scores), About("segmentation", background=False))
        summary = json.loads((folder / "summary.json").read_text())
        summary["data"]["class_colours"] = COLOURS
        (folder / "summary.json").write_text(json.dumps(summary))
    return architectures


def test_class_0_is_in_the_means_and_has_a_column(street):
    found = compare(collect([street.root]))
    assert found.classes == CLASSES
    for row in found.rows:
        counts = row.done[0].counts["test"]
        for name in ("dice", "iou"):
            with_all = np.mean([derive(counts, f"{name}_{label}", Convention()) for label in CLASSES])
            assert row.scores[name].mean == pytest.approx(with_all)
        assert "miou" in row.scores
    assert "all classes (there is no background)" in notes(found)[0]
    assert "dice background" in other_score_cells(found)[0]


def test_runs_with_a_background_are_scored_without_it(architectures):
    folder = architectures()
    assert read_scores(folder / "scores.parquet")["test"].background
    found = compare(collect([architectures.root]))
    assert found.convention == Convention()
    assert found.classes == CLASSES[1:]
    assert set(found.rows[0].scores) == {"dice", "iou", "pixel_accuracy", "dice_disc", "dice_ring"}
    assert one_vs_rest_cells(found)[1] == []
    assert not any("Micro" in line for line in notes(found))
    assert found.done[0].class_colours is None


def test_macro_and_micro_stand_side_by_side_with_the_note(street):
    found = compare(collect([street.root]))
    header, rows = one_vs_rest_cells(found)
    assert header == ["model", "averaging", "accuracy", "sensitivity", "specificity", "F1", "Jaccard"]
    assert [row[:2] for row in rows] == [[m, a] for m in ("attunet", "unet") for a in ("macro", "micro")]
    counts = found.rows[0].done[0].counts["test"].counts[0]
    tp, fp, fn, _ = counts.sum(axis=0)
    assert rows[1][5] == f"{2 * tp / (2 * tp + fp + fn):.4f}"
    assert rows[0][3] == f"{np.mean(counts[:, 0] / (counts[:, 0] + counts[:, 2])):.4f}"
    (note,) = [line for line in notes(found) if "Micro" in line]
    assert "of 3 classes micro accuracy is 1 - 2 (1 - p) / 3 and micro specificity 1 - (1 - p) / 2" in note
    assert "sensitivity equals F1 are micro averages" in note
    text = markdown_body(found)
    assert "| attunet | micro |" in text
    page = html_page(found, [], evidence(found))
    assert "Macro and micro" in page


@pytest.mark.parametrize("metric", ["miou", "micro_dice"])
def test_a_comparison_can_be_decided_by_micro_scores_and_miou(street, metric):
    for path in street.root.rglob("config.yaml"):
        path.write_text(path.read_text().replace("metric: dice", f"metric: {metric}", 1))
    found = compare(collect([street.root]))
    assert found.metric == metric
    # Both stand in the table, and only one is a mean over images.
    assert "mIoU: counts pooled over all images" in notes(found)[0]
    assert "mIoU: counts pooled over all images" in csv_text(found)
    assert found.rows[0].scores[metric].mean > found.rows[1].scores[metric].mean


@pytest.mark.slow
def test_pictures_take_the_data_s_colours(street, tmp_path):
    found = compare(collect([street.root]))
    assert found.done[0].class_colours == tuple(COLOURS)
    key = found.done[0].mask_key
    assert (key.background, key.colours, list(key.shown)) == (False, tuple(COLOURS), [0, 1, 2])
    assert class_colour(0, key) == rgb("#804080")
    picture = overlay(np.zeros((6, 6, 3)), np.zeros((6, 6), int), key)
    np.testing.assert_allclose(picture, np.broadcast_to(np.array(rgb("#804080")) / 2, (6, 6, 3)))
    assert (overlay(np.zeros((6, 6, 3)), np.zeros((6, 6), int), MaskKey(key.names)) == 0).all()
    (data,) = training_sets(found)
    assert data.key == key
    draw_frequencies(found, tmp_path / "frequencies.png")
    from matplotlib.image import imread

    pixels = imread(tmp_path / "frequencies.png")[..., :3]
    for colour in COLOURS:
        assert (np.abs(pixels - rgb(colour)).max(axis=2) < 0.01).sum() > 500


@pytest.mark.slow
@pytest.mark.parametrize("colours", [["#804080"], ["red", "green", "blue"], "#804080", [1, 2, 3]])
def test_colours_that_are_none_are_left_alone(street, colours):
    for path in street.root.rglob("summary.json"):
        summary = json.loads(path.read_text())
        summary["data"]["class_colours"] = colours
        path.write_text(json.dumps(summary))
    assert {run.class_colours for run in collect([street.root])} == {None}
