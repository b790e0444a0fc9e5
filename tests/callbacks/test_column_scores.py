"""One callback fills the columns of all scores, of any data with masks, in any number of batches."""

from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.oracles import monai

from segbench.assembly import build_data
from segbench.callbacks import ColumnScorer, ColumnScores
from segbench.data.segmentation import SegmentationData
from segbench.errors import ConfigError
from segbench.masks import MaskKey
from segbench.runs.archive import Archive
from segbench.scores.assd import ASSD
from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.hd95 import HD95
from segbench.scores.nsd import NSD
from segbench.scores.objects import ObjectScores
from segbench.scores.seg import SegScores
from segbench.tasks.evaluation import CountsTable


class Street:
    """As much of a data module as scores ask: no background, label 255 to ignore."""

    class_names = foreground = ("road", "sky", "car")
    ignore_index, object_classes, unit = 255, None, "px"
    scores = MappingProxyType({})
    mask_key = MaskKey(class_names, background=False)
    records = tuple(SimpleNamespace(id=f"frame{number}") for number in range(5))

    def pixel_spacing(self, record):
        return (1.0, 2.0)

    def instances(self, record):
        return None

    class_instances = SegmentationData.class_instances


def frame(road):
    """Sky above road, which begins in this row; the last column is not labelled."""
    mask = np.zeros((10, 8), np.uint8)
    mask[:road] = 1
    mask[:, 7] = 255
    return mask


def test_class_0_of_data_without_a_background_is_scored_like_the_others():
    found = ColumnScorer(Street(), [HD95(), NSD(0)]).columns("frame0", frame(4), frame(7) % 255, (1.0, 1.0))
    assert found["hd95_sum"].shape == (1, 3)
    # The border of sky lies 3 rows lower than it should, and so does that of road; there is no car.
    assert found["hd95_sum"].tolist() == [[3, 3, 0]]
    assert found["hd95_images"].tolist() == [[1, 1, 0]]
    # What is predicted where nobody labelled is of no class, and no surface.
    guess = frame(4)
    guess[:, 7] = 2
    assert ColumnScorer(Street(), [HD95()]).columns("frame0", frame(4), guess, (1.0, 1.0))["hd95_sum"].tolist() == [
        [0, 0, 0]
    ]


def test_each_score_has_its_own_classes():
    class Cells(Street):
        class_names, foreground = ("background", "cell", "boundary"), ("cell", "boundary")
        object_classes, mask_key = ("cell",), MaskKey(class_names)

    mask = np.zeros((12, 12), np.uint8)
    mask[2:9, 2:9], mask[3:8, 3:8] = 2, 1
    scorer = ColumnScorer(Cells(), [ObjectScores(("cell",)), SegScores(("cell",)), ASSD()])
    found = scorer.columns("frame0", mask, mask, (1.0, 1.0), (mask == 1).astype(np.uint16) * 7)
    known = {name: (~np.isnan(values[0])).tolist() for name, values in found.items()}
    assert known["seg_sum"] == known["object_tp"] == [False, True, False]
    assert known["assd_points"] == [False, True, True]
    # Objects have two dimensions, surfaces any number.
    assert list(scorer.columns("frame0", mask[None], mask[None], (5.0, 1.0, 1.0))) == [
        "assd_sum",
        "assd_points",
        "assd_most",
    ]


class Found:
    """A score whose terms a test chooses."""

    dimensions = (2,)

    def __init__(self, terms):
        self.made = terms

    def declare(self, unit):
        return [ColumnScore("found", "found", (Ratio({"found_yes": 1}, {"found_all": 1}),))]

    def scored_classes(self, data):
        return ("sky",)

    def terms(self, region):
        return self.made


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"found_yes": 1.0}, "lacks the column found_all"),
        ({"found_yes": 1.0, "found_al": 1.0}, "lacks the column found_all"),
        ({"found_yes": 1, "found_all": 1, "extra": 1}, "has a column extra, which it does not declare"),
        ({"found_yes": 1.0, "found_all": -1.0}, "has found_all=-1.0, which is not a finite number of 0 or more"),
        ({"found_yes": np.nan, "found_all": 1}, "has found_yes=nan, which is"),
        ({"found_yes": np.float32(np.inf), "found_all": 1}, "has found_yes=inf, which is"),
        ({"found_yes": None, "found_all": 1}, "has found_yes=None, which is"),
    ],
)
def test_terms_that_are_not_as_declared_are_refused_with_class_and_image(terms, said):
    score = Found(terms)

    class Own(Street):
        scores = MappingProxyType({"mine": score})

    with pytest.raises(ConfigError, match=f"^scores.mine: class sky of image frame1: its terms.. {said}"):
        ColumnScorer(Own(), [score]).columns("frame1", frame(4), frame(4), (1.0, 1.0))
    with pytest.raises(ConfigError, match="^Found: class sky of"):
        ColumnScorer(Street(), [score]).columns("frame1", frame(4), frame(4), (1.0, 1.0))
    good = Found({"found_yes": np.int64(1), "found_all": np.float32(1)})
    assert ColumnScorer(Street(), [good]).columns("frame1", frame(4), frame(4), (1.0, 1.0))["found_yes"][0, 1] == 1


def test_any_number_of_batches_fill_one_table():
    scorer = ColumnScorer(Street(), [HD95(), ObjectScores(), NSD(1)])
    callback = ColumnScores(Street(), scorer)
    truth = np.stack([frame(number) for number in (2, 3, 4, 5, 6)])
    guess = np.stack([frame(number) % 255 for number in (3, 3, 1, 5, 9)])
    tables = {}
    for size in (5, 2, 1):
        tables_of = {"val": CountsTable(3), "test": CountsTable(3)}
        task = SimpleNamespace(evaluation=tables_of, stored_masks=lambda labels: labels)
        for start in range(0, 5, size):
            part = slice(start, start + size)
            batch = {"id": [record.id for record in Street.records[part]], "mask": torch.from_numpy(truth[part])}
            outputs, none = torch.from_numpy(guess[part]), torch.zeros(len(batch["id"]), 3, 3, dtype=torch.int64)
            task.evaluation["test"].update(batch["id"], none, (10, 8))
            callback.on_test_batch_end(None, task, outputs, batch, start, dataloader_idx=1)
        tables[size] = task.evaluation["test"].columns
    assert set(tables[5]) >= {"hd95_sum", "hd95_images", "object_tp", "nsd_within", "nsd_points"}
    for columns in tables.values():
        assert all(values.shape == (5, 3) for values in columns.values())
        np.testing.assert_array_equal([*columns.values()], [*tables[5].values()])
    # Rows are 1 high, so that the border is as many apart.
    assert tables[5]["hd95_sum"][:, 0].tolist() == [1, 0, 3, 0, 3]


@pytest.fixture(scope="module")
def finished(tiny, run, tmp_path_factory):
    """A run of images without objects, in batches of 3, by every score of surfaces."""
    folder = tmp_path_factory.mktemp("surfaces")
    run(tiny(folder, "scores=surface", "scores.nsd.tolerance=1"), folder / "run")
    return folder / "run"


@pytest.mark.slow
def test_a_run_without_objects_is_scored_by_surfaces(finished):
    table = pd.read_parquet(finished / "scores.parquet")
    columns = [name for name in table if name.startswith(("hd95", "assd", "nsd", "boundary_f1"))]
    assert len(columns) == 3 + 3 + 2 + 4
    assert table.loc[table["class_index"] == 0, columns].isna().all(axis=None)
    assert np.isfinite(table.loc[table["class_index"] > 0, columns].to_numpy()).all()
    assert not [name for name in table if name.startswith(("object", "seg"))]


def test_its_columns_are_those_of_the_stored_predictions(finished, tiny, tmp_path):
    table = pd.read_parquet(finished / "scores.parquet")
    data = build_data(tiny(tmp_path))
    data.setup()
    archive = Archive.open(finished / "predictions.zip")
    theirs = monai.metrics.HausdorffDistanceMetric(include_background=True, percentile=95)
    compared = 0
    for item in (data.scored("test")[index] for index in range(len(data.scored("test")))):
        rows = table[(table["split"] == "test") & (table["id"] == item["id"])].set_index("class_index")
        for index in range(1, 4):
            truth, found = item["mask"] == index, torch.from_numpy(archive.mask(item["id"]) == index)
            if truth.any() and found.any():
                expected = theirs(found[None, None].float(), truth[None, None].float()).item()
                assert rows.loc[index, "hd95_sum"] == pytest.approx(expected, rel=1e-5)
                compared += 1
            else:
                one_sided = bool(truth.any() or found.any())
                assert rows.loc[index, "hd95_sum"] == pytest.approx(31 * 2**0.5 if one_sided else 0)
    assert compared
