import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scored import store

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures import NothingToDrawError
from segbench.reporting.figures.objects import draw_objects, object_classes
from segbench.runs.archive import PREDICTIONS, ArchiveWriter, images_name
from segbench.runs.split_counts import SplitCounts
from segbench.runs.split_scores import About
from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES

from .test_examples import FINGERPRINT, IDS, run

pytestmark = pytest.mark.slow

SIZE = (20, 50)


def mask(*spans):
    found = np.zeros(SIZE, np.uint8)
    for left, right in spans:
        found[5:15, left:right] = 1
    return found


@pytest.fixture
def objects(architectures):
    """Write a run of data with objects: ``truth`` and ``prediction`` are of every image."""

    def write(truth, prediction, instances=None):
        folder = run(architectures, "unet", (99, 88, 97, 95))
        frame = pd.read_parquet(folder / "scores.parquet")
        for column in OBJECT_COLUMNS:
            frame[column] = np.where(frame["class_index"] == 0, np.nan, 1.0)
        store(folder / "scores.parquet", frame, About("segmentation", scores=OBJECT_SCORES))
        predictions, images = ArchiveWriter(2**20), ArchiveWriter(2**20)
        for name in IDS:
            predictions.add(name, prediction)
            images.add(name, truth, np.full((*SIZE, 1), 90, np.uint8), objects=instances)
        predictions.write(folder / PREDICTIONS, split="test")
        images.write(folder.parent / images_name("test", FINGERPRINT, IDS), split="test")
        return compare(collect([architectures.root]))

    return write


def drawn(comparison, folder):
    draw_objects(comparison, evidence(comparison), folder / "objects.png")
    return (folder / "objects.svg").read_text()


def test_best_median_and_worst_are_told_with_their_counts(objects, tmp_path):
    text = drawn(objects(mask((2, 8), (12, 18), (30, 40)), mask((2, 18), (44, 47))), tmp_path)
    assert re.findall(r">(best|median|worst): (test\d), [\d.]+<", text) == [
        ("best", "test0"),
        ("median", "test3"),
        ("worst", "test1"),
    ]
    assert text.count("3 in the truth, 1 missed") == 3
    assert text.count("2 predicted, 1 that the truth lacks, 1 merged") == 3


def test_objects_that_touch_are_those_of_the_annotators(objects, tmp_path):
    truth = mask((2, 8), (8, 16))
    instances = np.where(np.arange(50) < 8, 70_000, 3) * truth.astype(np.int64)
    assert "2 in the truth, 0 missed" in drawn(objects(truth, truth, instances), tmp_path)


def test_without_theirs_they_are_connected_components(objects, tmp_path):
    truth = mask((2, 8), (8, 16))
    assert "1 in the truth, 0 missed" in drawn(objects(truth, truth), tmp_path)


def test_what_counts_nowhere_is_no_object(objects, tmp_path):
    truth = mask((2, 8))
    truth[:, 30:] = 255
    text = drawn(objects(truth, mask((2, 8), (32, 40))), tmp_path)
    assert "1 predicted, 0 that the truth lacks" in text


def test_only_classes_with_object_scores_are_made_of_objects():
    values = np.array([[np.nan, 3.0, np.nan], [np.nan, 0.0, np.nan]])
    counts = SplitCounts(("a", "b"), ("a", "b"), ((4, 4),), ("none", "cell", "rim"), np.zeros((2, 3, 4), np.int64))
    assert object_classes(counts) == []
    columns = dict.fromkeys(OBJECT_COLUMNS, values)
    assert object_classes(replace(counts, columns=columns, declared=OBJECT_SCORES)) == [1]


def test_data_without_objects_has_no_such_figure(architectures, tmp_path):
    run(architectures, "unet", (99, 88, 97, 95))
    comparison = compare(collect([architectures.root]))
    with pytest.raises(NothingToDrawError, match="made of objects"):
        draw_objects(comparison, evidence(comparison), tmp_path / "objects.png")
    assert not list(tmp_path.glob("objects.*"))
