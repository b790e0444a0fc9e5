import dataclasses

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from segbench.masks import MaskKey
from segbench.pictures.palette import CLASS_COLOURS, COLOURS, ink, rgb
from segbench.pictures.panels import GREY, as_picture, class_colour, draw_panels, overlay
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures import curves
from segbench.reporting.figures.curves import _panels, draw_curves, series

KEY = MaskKey(("background", "a", "b"))
pytestmark = pytest.mark.slow


def test_background_stays_as_it_is_and_classes_get_their_colour():
    picture = np.full((9, 9, 3), 0.2)
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 2:7] = 2
    mask[8, 8] = 255
    before = picture.copy()
    result = overlay(picture, mask, KEY)
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(result[mask == 0], 0.2 * np.ones((55, 3)))
    np.testing.assert_allclose(result[4, 4], 0.1 + 0.5 * np.array(class_colour(2, KEY)))
    np.testing.assert_allclose(result[2, 4], class_colour(2, KEY))
    np.testing.assert_allclose(result[8, 8], 0.1 + 0.5 * np.array(GREY))


def test_an_object_at_the_rim_has_no_edge_there():
    mask = np.ones((5, 5), np.uint8)
    np.testing.assert_allclose(
        overlay(np.zeros((5, 5, 3)), mask, KEY), 0.5 * np.broadcast_to(class_colour(1, KEY), (5, 5, 3))
    )


def test_colours_are_what_they_are_written_as_and_differ():
    assert all(rgb(colour) == pytest.approx(to_rgb(colour)) for colour in COLOURS)
    many = MaskKey(tuple(map(str, range(3 * len(CLASS_COLOURS)))))
    assert len({class_colour(label, many) for label in many.shown}) == 3 * len(CLASS_COLOURS) - 1


def test_ink_is_readable_on_every_colour():
    def luminance(colour):
        parts = np.array(to_rgb(colour))
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    for colour in COLOURS:
        dark, light = sorted((luminance(colour), luminance(ink(colour))))
        assert (light + 0.05) / (dark + 0.05) > 4.5


def close(path, colour, tolerance=0.02):
    pixels = np.asarray(Image.open(path).convert("RGB")) / 255.0
    return (np.abs(pixels - colour).max(axis=2) < tolerance).sum()


@pytest.mark.parametrize("kind", ["uint8 RGB", "float grey", "float grey without channel"])
def test_panels_show_every_class_of_truth_and_prediction(tmp_path, kind):
    value = {"uint8 RGB": np.full((32, 48, 3), 51, np.uint8)}.get(kind, np.full((32, 48, 1), 0.2, np.float32))
    image = value[..., 0] if kind == "float grey without channel" else value
    truth, prediction = np.zeros((32, 48), np.int64), np.zeros((32, 48), np.int64)
    truth[4:20, 4:20] = 1
    prediction[4:20, 24:40] = 2
    path = tmp_path / "panels.png"
    draw_panels([image], [truth], [prediction], KEY, path, ["car_01  Dice 0.000"])
    for label in (1, 2):
        assert close(path, 0.1 + 0.5 * np.array(class_colour(label, KEY))) > 500
    assert close(path, np.full(3, 0.2)) > 5000
    assert [file.name for file in tmp_path.iterdir()] == ["panels.png"]


def test_a_long_title_does_not_push_the_pictures_apart(tmp_path):
    image, mask = np.zeros((32, 48, 3)), np.ones((32, 48), np.uint8)
    areas = []
    for title in ("best", "median   val/" + "long_" * 12 + "   Dice 0.987"):
        path = tmp_path / "panels.png"
        draw_panels([image, image], [mask] * 2, [mask] * 2, KEY, path, [title] * 2)
        areas.append(close(path, 0.5 * np.array(class_colour(1, KEY))))
    assert areas[0] == areas[1] > 50_000


def test_ignored_pixels_are_grey_in_truth_and_prediction(tmp_path):
    image, truth = np.zeros((32, 32, 3)), np.zeros((32, 32), np.uint8)
    colour = 0.5 * np.array(GREY)
    areas = []
    for ignored in (False, True):
        truth[:16] = 255 if ignored else 0
        path = tmp_path / f"{ignored}.png"
        draw_panels([image, image], [truth] * 2, [np.ones_like(truth)] * 2, KEY, path, ["x", "y"])
        areas.append(close(path, colour))
    # Half of two panels in each of two rows, about 250 pixels wide; the hatching covers some of it.
    assert areas[1] - areas[0] > 0.6 * 4 * 125 * 250


@pytest.mark.parametrize(("count", "size"), [(0, 8), (2, 8), (1, 9)])
def test_panels_that_do_not_fit_are_refused(tmp_path, count, size):
    images, masks = [np.zeros((8, 8, 3))] * count, [np.zeros((size, size), np.uint8)]
    with pytest.raises(ValueError, match=r"same length|size"):
        draw_panels(images, masks, masks, KEY, tmp_path / "p.png", ["x"])


def test_curves_have_a_colour_for_each_configuration(architectures, tmp_path):
    for model in ("attunet", "unet"):
        for seed in (0, 1):
            architectures(model, seed, 60 if model == "unet" else 90, state="done" if seed else "failed")
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    used = [close(tmp_path / "curves.png", rgb(colour)) for colour in COLOURS[:4]]
    assert min(used[:2]) > 100
    assert max(used[2:]) == 0


@pytest.mark.parametrize(
    ("metric", "monitor", "titles"),
    [
        ("dice", "val/iou", ["Dice"]),
        ("object_f1", "val/dice", ["Dice"]),
        ("object_f1", "val/loss", []),
        ("object_f1", "last", []),
    ],
)
def test_a_score_without_curve_gives_way_to_what_chose_the_epoch(
    architectures, tmp_path, monkeypatch, metric, monitor, titles
):
    shown = []
    monkeypatch.setattr(Axes, "set_title", lambda axes, title, **style: shown.append(title))
    architectures("unet", config={"trainer.monitor": monitor})
    comparison = dataclasses.replace(compare(collect([architectures.root])), metric=metric)
    draw_curves(comparison, tmp_path / "curves.png")
    assert shown == ["training loss", "validation loss", *(f"validation {title}" for title in titles)]


def test_a_band_spans_the_seeds_and_longer_runs_go_on_as_lines(architectures, tmp_path, monkeypatch):
    bands, lines = [], []
    monkeypatch.setattr(Axes, "fill_between", lambda axes, x, low, high, **style: bands.append((x, low, high)))
    real = Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda axes, x, y, **style: lines.append((list(x), list(y))) or real(axes, x, y, **style)
    )
    for seed, losses in enumerate(([3.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.5, 2.0])):
        architectures("unet", seed, curves={"epoch": range(len(losses)), "train/loss": losses})
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    ((epochs, low, high),) = bands
    assert (list(epochs), list(low), list(high)) == ([0, 1, 2], [3, 2, 1], [5, 4, 3])
    assert lines == [([2, 3, 4], [3, 2.5, 2]), ([0, 1, 2], [4, 3, 2])]


def curves_with(architectures, tmp_path, monkeypatch, losses):
    """Draw runs with these validation losses (network to loss of each epoch); return titles and y limits."""
    panels = {}
    real = Axes.set_title

    def spy(axes, title, **style):
        panels[title] = axes.get_ylim()
        return real(axes, title, **style)

    monkeypatch.setattr(Axes, "set_title", spy)
    for model, loss in losses.items():
        epochs = len(loss)
        table = {"epoch": range(epochs), "train/loss": [1.0] * epochs, "val/loss": loss, "val/dice": [0.5] * epochs}
        architectures(model, curves=table)
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    return panels


def test_a_leap_of_the_loss_does_not_flatten_the_curves_and_is_told(architectures, tmp_path, monkeypatch):
    loss = np.linspace(2, 0.5, 40)
    panels = curves_with(architectures, tmp_path, monkeypatch, {"unet": np.where(np.arange(40) == 7, 300, loss)})
    assert list(panels) == ["training loss", "validation loss (cut; highest 300)", "validation Dice"]
    assert panels["validation loss (cut; highest 300)"] == pytest.approx((0.425, 2.075))


@pytest.mark.parametrize("high", [40.0, -40.0])
def test_a_configuration_with_another_loss_is_not_cut_off(architectures, tmp_path, monkeypatch, high):
    losses = {f"unet{number}": np.linspace(2, 0.5, 40) for number in range(11)} | {"other": np.linspace(high, 0.5, 40)}
    panels = curves_with(architectures, tmp_path, monkeypatch, losses)
    low, top = panels["validation loss"]
    assert low < min(high, 0.5)
    assert top > max(high, 2)


def test_long_names_stay_in_the_picture(architectures, tmp_path):
    for number in range(9):
        name = f"a network of which there is much to say, not all of it short or of interest, variant {number}"
        architectures(name, name=f"run{number}")
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    pixels = np.asarray(Image.open(tmp_path / "curves.png").convert("L"))
    assert pixels[:, [0, -1]].min() == pixels[[0, -1]].min() == 255


def test_a_row_is_named_once_also_where_a_run_lacks_a_curve(architectures, tmp_path, monkeypatch):
    named = []
    monkeypatch.setattr(
        "segbench.reporting.figures.curves.legend_below", lambda *values: named.extend(values[2]) or 0.0
    )
    for seed in range(3):
        architectures("unet", seed)
    other = architectures("attunet") / "metrics.csv"
    for path in (other, architectures.root / "carvana/architectures/fake-unet-dice-seed2/metrics.csv"):
        pd.read_csv(path).drop(columns="train/loss").to_csv(path, index=False)
    draw_curves(compare(collect([architectures.root])), tmp_path / "curves.png")
    assert named == ["attunet", "unet (mean of 2)"]


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_epochs_are_whole_numbers(epochs):
    axes = Figure().subplots()
    axes.plot(range(1, epochs + 1), range(epochs))
    curves._finish(axes, "training loss", "")
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == int(tick) for tick in ticks)


def test_series_leaves_out_epochs_without_a_value():
    curves = pd.DataFrame({"epoch": [1, 2, 3], "val/loss": [0.5, np.nan, 0.25]})
    assert series(curves, "val/loss").to_dict() == {1: 0.5, 3: 0.25}
    assert series(curves, "val/dice").empty


def test_two_stains_are_shown_as_red_and_green(tmp_path):
    stains = np.random.default_rng(0).random((6, 8, 2))
    shown = as_picture(stains)
    assert shown.shape == (6, 8, 3)
    assert np.array_equal(shown[..., :2], stains)
    assert not shown[..., 2].any()
    for channels in (1, 3):
        assert as_picture(np.ones((6, 8, channels))).shape == (6, 8, channels)
    mask = np.zeros((6, 8), int)
    draw_panels([stains], [mask], [mask], KEY, tmp_path / "panels.png", ["one"])
    assert (tmp_path / "panels.png").stat().st_size


def test_different_losses_share_no_axis(architectures):
    architectures.comparison |= {"factors": ["loss"]}
    for name in ("dice", "boundary"):
        architectures("unet", 0, name=name, choices={"loss": name})
    panels = _panels(compare(collect([architectures.root])))
    assert [(panel.title, panel.rows) for panel in panels] == [
        ("training loss (boundary)", (0,)),
        ("validation loss (boundary)", (0,)),
        ("training loss (dice)", (1,)),
        ("validation loss (dice)", (1,)),
        ("validation Dice", (0, 1)),
    ]
    for number in range(4):
        architectures("unet", 0, name=f"x{number}", choices={"loss": f"x{number}"})
    assert [panel.title for panel in _panels(compare(collect([architectures.root])))] == ["validation Dice"]
