import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scored import rewrite

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures import NothingToDrawError, examples
from segbench.reporting.figures.examples import draw_examples
from segbench.runs.archive import PREDICTIONS, ArchiveWriter, images_name

pytestmark = pytest.mark.slow

IDS = tuple(f"test{number}" for number in range(4))
FINGERPRINT = "0123456789abcdef"


def run(maker, model, tps, seed=0, keep=True, split="test", ids=IDS, size=(20, 50)):
    """Write a run with the given true positives of the disc in each image (named ``ids``), and its predictions."""
    folder = maker(model, seed, name=f"{model}-{seed}", fingerprint=FINGERPRINT)
    frame = pd.read_parquet(folder / "scores.parquet")
    disc = frame["class_index"] == 1
    frame.loc[disc, "tp"] = [tps[int(name[-1])] for name in frame.loc[disc, "id"]]
    frame.loc[disc, "tn"] = 1000 - frame.loc[disc, ["tp", "fp", "fn"]].sum(axis=1)
    frame["id"] = frame["id"].replace(dict(zip(IDS, ids, strict=True)))
    rewrite(folder / "scores.parquet", frame)
    writer = ArchiveWriter(2**20)
    for name in ids:
        writer.add(name, np.ones(size, np.uint8))
    if keep:
        writer.write(folder / PREDICTIONS, split=split)
    writer = ArchiveWriter(2**20)
    for name in ids:
        writer.add(name, np.zeros((20, 50), np.uint8), np.full((20, 50, 1), 90, np.uint8))
    writer.write(folder.parent / images_name("test", FINGERPRINT, ids), split="test")
    return folder


@pytest.fixture
def lines(monkeypatch):
    """The lines drawn: how many masks each has."""
    drawn = []
    real = examples.draw_line

    def spy(axes, image, masks, colours):
        drawn.append(len(masks))
        real(axes, image, masks, colours)

    monkeypatch.setattr(examples, "draw_line", spy)
    return drawn


def test_best_median_worst_and_most_disputed(architectures, tmp_path, lines):
    run(architectures, "attunet", (90, 70, 80, 20))
    run(architectures, "unet", (92, 10, 85, 22))
    draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    assert lines == [3, 3, 3, 3]
    text = (tmp_path / "panels.svg").read_text()
    # By the means test0, test2, test1, test3; of the rest test1 is the one they disagree on.
    places = [text.index(f">{name}<") for name in ("test0", "test1", "test3", "test1")]
    assert [rank for rank in ("best", "median", "worst", "most disputed") if f">{rank}<" in text]
    assert places[0] < places[1]
    assert f"{(180 / 200 + 0.5) / 2:.3f}" in text


def test_the_drawing_holds_the_pixels_as_they_are(architectures, tmp_path):
    run(architectures, "attunet", (90, 70, 80, 20))
    draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    pictures = re.findall(r"<image [^>]*>", (tmp_path / "panels.svg").read_text())
    assert len(pictures) == 3 * 3  # with one configuration none is disputed
    for picture in pictures:
        data = base64.b64decode(re.search(r"base64,\s*([^\"]+)", picture)[1])
        assert Image.open(io.BytesIO(data)).size == (50, 20)
        assert "image-rendering:pixelated" in picture.replace(" ", "")


def test_one_seed_is_shown_of_all_where_they_share_one(architectures, tmp_path):
    for model, seeds in (("attunet", (0, 1)), ("unet", (1, 2))):
        for seed in seeds:
            run(architectures, model, (90, 80, 70, 60), seed)
    draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    assert "test split, seed 1<" in (tmp_path / "panels.svg").read_text()


def test_a_configuration_without_predictions_is_left_out(architectures, tmp_path, lines):
    run(architectures, "attunet", (90, 80, 70, 60))
    run(architectures, "unet", (90, 80, 70, 60), keep=False)
    draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    assert lines == [2, 2, 2]


def test_a_split_for_each_seed_is_shown_by_its_own_images(architectures, tmp_path, lines):
    for seed, ids in ((1, IDS), (0, ("own0", "own1", "own2", "own3"))):
        for model in ("attunet", "unet"):
            run(architectures, model, (90, 80, 70, 60), seed, ids=ids)
    draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    text = (tmp_path / "panels.svg").read_text()
    assert lines == [3, 3, 3, 3]
    assert "test split, seed 0<" in text
    assert all(f">own{number}<" in text for number in range(4))
    assert ">test0<" not in text


def test_masks_of_another_size_are_no_picture(architectures, tmp_path):
    run(architectures, "attunet", (90, 80, 70, 60))
    run(architectures, "unet", (90, 80, 70, 60), size=(10, 25))
    with pytest.raises(NothingToDrawError, match="unet predicts test0 at 25x10, where the truth is 50x20"):
        draw_examples(compare(collect([architectures.root])), tmp_path / "panels.png")
    assert not list(tmp_path.glob("panels*"))


def test_without_pictures_the_reason_is_told(architectures, tmp_path):
    folder = run(architectures, "unet", (90, 80, 70, 60), split="val")
    comparison = compare(collect([architectures.root]))
    with pytest.raises(NothingToDrawError, match="kept its predictions of this split"):
        draw_examples(comparison, tmp_path / "panels.png")
    run(architectures, "attunet", (90, 80, 70, 60))
    (folder.parent / images_name("test", FINGERPRINT, IDS)).unlink()
    comparison = compare(collect([architectures.root]))
    with pytest.raises(NothingToDrawError, match="images were not kept beside the runs"):
        draw_examples(comparison, tmp_path / "panels.png")
    assert not list(tmp_path.glob("*.png"))
