"""Of data with a class that only parts objects, SEG and the other object scores are of the objects' class alone."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from segbench.callbacks import ColumnScorer
from segbench.data.boundaries import with_boundary
from segbench.data.cells import CellsData
from segbench.data.glas128 import Glas128Data
from segbench.data.phantom import PhantomData
from segbench.data.segmentation import SegmentationData
from segbench.masks import MaskKey
from segbench.models import UNet
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import derive
from segbench.scores.derive import Convention
from segbench.scores.objects import OBJECT_COLUMNS, ObjectScores
from segbench.scores.seg import SEG_COLUMNS, SegScores

COLUMNS = (*OBJECT_COLUMNS, *SEG_COLUMNS)

SETTINGS = (
    "data=cells", "data.size=[24,36]", "data.batch_size=2", "data.num_workers=0", "loss=ce", "model=unet",
    "model.width=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress=lines",
)  # fmt: skip


def labels():
    """Three cells, of which a boundary of two pixels parts two."""
    mask = np.zeros((24, 36), np.uint8)
    mask[2:12, 2:10], mask[2:12, 10:12], mask[2:12, 12:20] = 1, 2, 1
    mask[16:22, 26:34] = 1
    return mask


@pytest.fixture(scope="module")
def finished(compose, run, tmp_path_factory):
    """A run whose network reads the classes off the image, in which two cells lie that the labels lack, and one less."""
    folder = tmp_path_factory.mktemp("cells")
    for part, frames in {"Train": (1, 2), "Val": (3, 4)}.items():
        for kind in ("Raw", "Seg"):
            (folder / part / kind).mkdir(parents=True)
        for frame in frames:
            shown = labels()
            shown[16:22, 26:34] = 0
            shown[18:20, 4:6] = shown[18:20, 8:10] = 1
            name = f"Alon_Lab_H1299_t_{frame}_y_1_x_1.png"
            Image.fromarray(np.array([300, 1500, 900], np.uint16)[shown]).save(folder / part / "Raw" / name)
            Image.fromarray(labels()).save(folder / part / "Seg" / name)

    def read_off(network, image):
        if network.training:
            return trained(network, image)
        share = (image - image.amin()) / (image.amax() - image.amin())
        return -torch.cat([(share - level).abs() for level in (0.0, 1.0, 0.5)], dim=1)

    trained = UNet.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet, "forward", read_off)
        cfg = compose(*SETTINGS, f"data.root={folder}", f"paths.outputs={folder / 'outputs'}")
        return run(cfg, folder / "outputs/run"), folder / "outputs/run"


def test_every_column_of_a_score_is_filled(tmp_path):
    scores = CellsData(cache_dir=tmp_path).score_columns()
    assert {column for score in scores for made in score.declare("px") for column in made.columns} == set(COLUMNS)


@pytest.mark.slow
def test_the_boundary_has_no_columns_and_the_cells_have(finished):
    _, directory = finished
    frame = pd.read_parquet(directory / "scores.parquet")
    values = frame.set_index("class_name")[list(COLUMNS)]
    assert values.loc[["background", "boundary"]].isna().all(axis=None)
    # Two cells are found wholly, one is missed, and two are found that are none.
    assert frame["split"].eq("val").all()
    for _, row in values.loc[["cell"]].iterrows():
        assert (row["seg_sum"], row["seg_cells"]) == (2, 3)
        assert (row["object_tp"], row["object_fp"], row["object_fn"]) == (2, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("empty", ["nan", "one", "zero"])
def test_the_summary_and_the_report_leave_the_boundary_out(finished, empty):
    summary, directory = finished
    scores, counts = summary["scores"]["val"], read_scores(directory / "scores.parquet")["val"]
    assert scores["seg"] == pytest.approx(2 / 3)
    assert scores["object_f1"] == pytest.approx(4 / 7)
    for name in ("seg", "object_f1", "object_dice", "object_hausdorff"):
        for metric in (name, f"{name}_cell"):
            assert derive(counts, metric, Convention(empty=empty)) == pytest.approx(scores[name])
    assert scores["iou_cell"] == pytest.approx(160 / (160 + 48 + 8))
    assert scores["iou_boundary"] == 1


class Data:
    """As much of a data module as scores ask."""

    class_names, foreground, object_classes = ("background", "cell", "boundary"), ("cell", "boundary"), ("cell",)
    ignore_index, unit, scores, mask_key = 255, "px", MappingProxyType({}), MaskKey(class_names)
    class_instances = SegmentationData.class_instances


def test_which_classes_are_scored(tmp_path):
    def scored(data):
        return [tuple(score.scored_classes(data)) for score in data.score_columns()]

    assert scored(PhantomData(cache_dir=tmp_path)) == []
    assert scored(Glas128Data(cache_dir=tmp_path)) == [("gland",)] * 2
    assert scored(CellsData(cache_dir=tmp_path)) == [("cell",)] * 2
    assert SegScores().scored_classes(Data()) == ("cell", "boundary")
    with pytest.raises(ValueError, match="no class 'sell'; there are background, cell, boundary"):
        ColumnScorer(Data(), [ObjectScores(("sell",))])


def terms(mask, prediction, drawn):
    """The columns of the class cell, as the callback fills them."""
    scorer = ColumnScorer(Data(), [ObjectScores(Data.object_classes), SegScores(Data.object_classes)])
    found = scorer.columns("frame0", mask, prediction, (1.0, 1.0), drawn)
    assert tuple(found) == COLUMNS
    assert all(np.isnan(values[0, [0, 2]]).all() for values in found.values())
    return {name: values[0, 1] for name, values in found.items()}


def test_truth_is_whole_cells_where_the_mask_has_a_boundary_between_them():
    """As the Cell Tracking Challenge would score the predicted cells: by the cells, and not by what the mask left."""
    cells = np.zeros((20, 40), np.uint16)
    # Two that touch, and one that is so thin that the boundary takes all of it.
    cells[4:14, 4:14], cells[4:14, 14:24], cells[4:14, 24:26] = 7, 3, 65535
    mask = with_boundary(cells, 2)
    assert not ((mask == 1) & (cells == 65535)).any()
    found = terms(mask, mask, cells)
    # Of the first 2 of 10 columns are lost, of the second 2 on either side.
    assert found["seg_sum"] == pytest.approx(0.8 + 0.6)
    assert (found["seg_cells"], found["object_area_truth"]) == (3, 220)
    assert (found["object_tp"], found["object_fn"]) == (2, 1)
    found = terms(np.where(cells == 7, 255, mask).astype(np.uint8), mask, cells)
    assert (found["seg_cells"], found["object_area_truth"]) == (2, 120)
