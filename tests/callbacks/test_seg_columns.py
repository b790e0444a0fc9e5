"""Of data with a class that only parts objects, SEG and the other object scores are of the objects' class alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from segbench.callbacks.objects import COLUMNS, DECLARED, ObjectScores
from segbench.data.boundaries import with_boundary
from segbench.data.objects import ObjectData, scored_classes
from segbench.models import UNet
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import derive
from segbench.scores.derive import Convention

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


def test_every_column_of_a_score_is_filled():
    assert set(COLUMNS) == {column for score in DECLARED for column in score.columns}


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


def test_which_classes_are_scored():
    class Data:
        class_names = ("background", "cell", "boundary")

    class Every(ObjectData, Data):
        pass

    class One(ObjectData, Data):
        object_classes = ("cell",)

    class Wrong(ObjectData, Data):
        object_classes = ("sell",)
        num_classes, ignore_index = 3, 255

    assert scored_classes(Data()) == ()
    assert scored_classes(Every()) == ("cell", "boundary")
    assert scored_classes(One()) == ("cell",)
    with pytest.raises(ValueError, match="not in tuple"):
        ObjectScores(Wrong())._terms(labels(), labels(), None)


def test_truth_is_whole_cells_where_the_mask_has_a_boundary_between_them():
    """As the Cell Tracking Challenge would score the predicted cells: by the cells, and not by what the mask left."""

    class Data:
        class_names, num_classes, ignore_index = ("background", "cell", "boundary"), 3, 255

    class Cells(ObjectData, Data):
        object_classes = ("cell",)

    cells = np.zeros((20, 40), np.uint16)
    # Two that touch, and one that is so thin that the boundary takes all of it.
    cells[4:14, 4:14], cells[4:14, 14:24], cells[4:14, 24:26] = 7, 3, 65535
    mask = with_boundary(cells, 2)
    assert not ((mask == 1) & (cells == 65535)).any()
    terms = dict(zip(COLUMNS, ObjectScores(Cells())._terms(mask, mask, cells)[1], strict=True))
    # Of the first 2 of 10 columns are lost, of the second 2 on either side.
    assert terms["seg_sum"] == pytest.approx(0.8 + 0.6)
    assert (terms["seg_cells"], terms["object_area_truth"]) == (3, 220)
    assert (terms["object_tp"], terms["object_fn"]) == (2, 1)
    ignored = np.where(cells == 7, 255, mask).astype(np.uint8)
    terms = dict(zip(COLUMNS, ObjectScores(Cells())._terms(ignored, mask, cells)[1], strict=True))
    assert (terms["seg_cells"], terms["object_area_truth"]) == (2, 120)
