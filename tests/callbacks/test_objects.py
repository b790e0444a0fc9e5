"""The final evaluation scores objects of data that has them, and of no other."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from segbench.models import UNet
from segbench.runs.archive import Archive
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import derive
from segbench.scores.derive import Convention
from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES, components, object_terms
from segbench.scores.seg import SEG

TRAINING = (
    "model.width=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress=lines", "data.num_workers=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def glas(tmp_path_factory):
    root = tmp_path_factory.mktemp("glas")
    chance = np.random.default_rng(1)
    rows = ["name, patient ID"]
    for number, name in enumerate([*(f"train_{n}" for n in range(1, 7)), "testA_1", "testA_2", "testB_1"]):
        labels = np.zeros((32, 48), np.uint8)
        labels[4:14, 4:14] = 1
        # Touches the first: one component, two glands.
        labels[4:14, 14 : 20 + number] = 2
        labels[20:30, 30:40] = 3
        colours = np.where((labels > 0)[..., None], 90, 200) + chance.integers(-40, 40, (32, 48, 3))
        Image.fromarray(colours.astype(np.uint8)).save(root / f"{name}.bmp")
        Image.fromarray(labels).save(root / f"{name}_anno.bmp")
        rows.append(f"{name},{number}")
    (root / "Grade.csv").write_text("\r".join(rows))
    return root


@pytest.fixture(scope="module")
def finished(glas, compose, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    cfg = compose(
        "data=glas",
        f"data.root={glas}",
        "data.size=[16,24]",
        "data.batch_size=all",
        f"paths.outputs={folder}",
        *TRAINING,
    )

    def read_off(network, image):
        """A network that needs no training: what is darker than the mean is gland."""
        return trained(network, image) if network.training else -image.mean(dim=1, keepdim=True)

    trained = UNet.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet, "forward", read_off)
        return run(cfg, folder / "run"), folder / "run"


@pytest.mark.slow
def test_the_columns_are_those_of_the_stored_predictions_and_the_drawn_glands(finished, glas):
    _, directory = finished
    frame = pd.read_parquet(directory / "scores.parquet")
    assert frame[list(OBJECT_COLUMNS)][frame["class_index"] == 0].isna().all(axis=None)
    glands = frame[(frame["class_index"] == 1) & (frame["split"] == "test")].set_index("id")
    archive = Archive.open(directory / "predictions.zip")
    assert set(glands.index) == {"testA_1", "testA_2", "testB_1"}
    for name, row in glands.iterrows():
        labels = np.asarray(Image.open(glas / f"{name}_anno.bmp"))[1::2, 1::2]
        predicted = components(archive.mask(name) == 1)
        assert row[list(OBJECT_COLUMNS)].tolist() == pytest.approx(object_terms(labels, predicted).tolist())
        # Three glands in two components.
        assert row["object_tp"] + row["object_fn"] == 3
        assert components(labels > 0).max() == 2
        assert row["object_tp"] + row["object_fp"] == predicted.max() > 1
        assert row["object_area_truth"] == row["tp"] + row["fn"]
        assert row["object_area_predicted"] == row["tp"] + row["fp"]


@pytest.mark.slow
def test_the_summary_has_the_scores(finished):
    summary, directory = finished
    counts = read_scores(directory / "scores.parquet")
    for split in ("val", "test"):
        for name in ("object_f1", "object_dice", "object_hausdorff"):
            assert summary["scores"][split][name] == pytest.approx(derive(counts[split], name, Convention()))
        assert counts[split].declared == (*OBJECT_SCORES, SEG)
    assert 0 < summary["scores"]["test"]["object_f1"] <= 1
    assert 0 < summary["scores"]["test"]["object_hausdorff"] < 30


@pytest.mark.slow
def test_other_data_has_no_such_columns(tiny, run, tmp_path):
    summary = run(tiny(tmp_path, "trainer.max_epochs=1"), tmp_path / "run")
    frame = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert not set(OBJECT_COLUMNS) & set(frame.columns)
    assert all(split.declared == () for split in read_scores(tmp_path / "run" / "scores.parquet").values())
    assert not any(name.startswith("object") for name in summary["scores"]["test"])
