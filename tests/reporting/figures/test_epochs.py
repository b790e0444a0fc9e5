import json

import numpy as np
import pytest

from segbench.masks import MaskKey
from segbench.pictures import epochs
from segbench.pictures.epochs import epochs_figure, parts_shown
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures import NothingToDrawError
from segbench.reporting.figures.epochs import draw_epochs
from segbench.runs.kept_epochs import FOLDER, keep_epoch, open_epochs

NAMES = ("background", "disc", "ring")


def panel(value, names=("a", "b"), size=(20, 50)):
    image, truth = np.full((*size, 1), 0.5), np.ones(size, np.int64)
    truth[:, :5] = 255
    count = len(names)
    return {"id": names, "image": [image] * count, "truth": [truth] * count, "prediction": [truth * 0 + value] * count}


def test_what_is_kept_comes_back_in_the_order_of_the_epochs(tmp_path):
    assert open_epochs(tmp_path) is None
    for epoch in (100, 3, None, 15):
        keep_epoch(tmp_path, epoch, panel(epoch or 0), NAMES)
    kept = open_epochs(tmp_path)
    assert [(epoch, part.mask("b")[0, 0]) for epoch, part in kept.epochs] == [(3, 3), (15, 15), (100, 100)]
    assert kept.best.mask("a").max() == 0
    assert (kept.images.mask("a")[0, :6] == [255] * 5 + [1]).all()
    assert abs(kept.images.image("a").mean() - 127.5) < 2
    assert not list((tmp_path / FOLDER).glob(".*"))


def test_an_epoch_again_takes_the_place_of_the_former(tmp_path):
    for value in (1, 2):
        keep_epoch(tmp_path, 3, panel(value), NAMES)
    ((_, part),) = open_epochs(tmp_path).epochs
    assert part.mask("a").min() == 2


def test_predictions_of_other_images_or_damaged_ones_are_left_out(tmp_path):
    keep_epoch(tmp_path, 3, panel(1, ("c",)), NAMES)
    keep_epoch(tmp_path, None, panel(1, ("c",)), NAMES)
    keep_epoch(tmp_path, 15, panel(1), NAMES)
    (tmp_path / FOLDER / "7.zip").write_bytes(b"PK")
    kept = open_epochs(tmp_path)
    assert [epoch for epoch, _ in kept.epochs] == [15]
    assert kept.best is None


@pytest.fixture
def lines(monkeypatch):
    """The mean of each mask that is drawn, line by line."""
    drawn = []
    real = epochs.draw_line
    monkeypatch.setattr(
        epochs,
        "draw_line",
        lambda axes, image, masks, key: (
            drawn.append([int(mask[0, -1]) for mask in masks]) or real(axes, image, masks, key)
        ),
    )
    return drawn


def test_a_line_for_each_image_and_a_column_for_each_epoch(tmp_path, lines):
    keep_epoch(tmp_path, 15, panel(0), NAMES)
    keep_epoch(tmp_path, 3, panel(2), NAMES)
    figure = epochs_figure(open_epochs(tmp_path), MaskKey(NAMES))
    assert lines == [[1, 2, 0]] * 2
    assert [axes.get_title() for axes in figure.axes[:4]] == ["image", "truth", "after epoch 3", "after epoch 15"]
    keep_epoch(tmp_path, None, panel(1), NAMES)
    assert len(epochs_figure(open_epochs(tmp_path), MaskKey(NAMES)).axes) == 10
    assert lines[-1] == [1, 2, 0, 1]


@pytest.mark.slow
def test_the_best_configuration_that_kept_them_is_drawn_with_its_scores(architectures, tmp_path, lines):
    folders = {
        (name, seed): architectures(name, seed, tp, curves={"epoch": [3, 4], "val/dice": [0.25, 0.75]})
        for name, tp in (("a", 60), ("b", 80), ("c", 90))
        for seed in (0, 1)
    }
    for (name, seed), folder in folders.items():
        if name != "c":
            keep_epoch(folder, 3, panel(2 if (name, seed) == ("b", 0) else 0), NAMES)
            keep_epoch(folder, None, panel(1), NAMES)
        summary = json.loads((folder / "summary.json").read_text()) | {"best": {"epoch": 4}}
        (folder / "summary.json").write_text(json.dumps(summary))
    comparison = compare(collect([architectures.root]))
    draw_epochs(comparison, evidence(comparison), tmp_path / "epochs.png")
    assert lines == [[1, 2, 1]] * 2
    text = (tmp_path / "epochs.svg").read_text()
    for words in ("b, seed 0: the same validation images", ">after epoch 3<", ">0.250<", ">best weights<", ">0.750<"):
        assert words in text


def test_where_nothing_was_kept_it_says_so(architectures, tmp_path):
    architectures("unet")
    comparison = compare(collect([architectures.root]))
    with pytest.raises(NothingToDrawError, match=r"callbacks\.panels\.at_epochs"):
        draw_epochs(comparison, evidence(comparison), tmp_path / "epochs.png")


def test_without_a_background_class_0_is_drawn_in_its_colour_on_whole_images(tmp_path):
    street = panel(0)
    for truth in street["truth"]:
        truth[:] = 0
        truth[2:4, 2:4] = 1  # small, and no object
    key = MaskKey(("road", "car"), background=False, colours=("#FF0000", "#0000FF"))
    keep_epoch(tmp_path, 3, street, key.names)
    figure = epochs_figure(open_epochs(tmp_path), key)
    image, truth, prediction = (axes.images[0].get_array() for axes in figure.axes[:3])
    assert image.shape[:2] == (20, 50)
    for shown in (truth, prediction):
        red, green, blue = np.asarray(shown)[10, 30]
        assert red > green + 0.3
        assert red > blue + 0.3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["road", "car"]


def test_of_small_objects_the_part_with_most_of_them_is_shown():
    whole, small = np.zeros((100, 200), np.uint8), np.zeros((100, 200), np.uint8)
    whole[20:80, 40:160] = 1
    for column in range(150, 190, 10):
        small[60:65, column : column + 5] = 1
    small[5:10, 5:10] = 1
    small[:, 60:100] = 255
    assert parts_shown([whole]) == [(slice(0, 100), slice(0, 200))]
    ((rows, columns),) = parts_shown([small])
    assert (rows.stop - rows.start, columns.stop - columns.start) == (35, 70)
    assert small[rows, columns].sum() == 4 * 25
    assert parts_shown([small * 0]) == [(slice(0, 100), slice(0, 200))]
