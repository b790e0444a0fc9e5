import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from segbench.pictures.canvas import NothingToDrawError
from segbench.pictures.palette import COLOURS, rgb
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures.bars import MEAN, _ends, draw_bars, run_scores, score_groups
from segbench.scores import Convention

pytestmark = pytest.mark.slow

# What conftest writes: the disc has tp, 10, 10 and the ring 50, 50, 50 (tp, fp, fn) in every image.
DISC = {80: (160 / 180, 80 / 100), 90: (180 / 200, 90 / 110)}
RING = (0.5, 50 / 150)


@pytest.fixture
def drawn(monkeypatch):
    """What is drawn: bars (middle, height), strokes (height, ends), whiskers (height, deviation), dots (heights) and texts."""
    found = {"bar": [], "hlines": [], "errorbar": [], "scatter": [], "text": []}
    for name, calls in found.items():
        real = getattr(Axes, name)

        def spy(axes, *values, _real=real, _calls=calls, **style):
            _calls.append(values)
            return _real(axes, *values, **style)

        monkeypatch.setattr(Axes, name, spy)
    return found


def comparison(root, convention=None):
    return compare(collect([root]), convention)


def test_scores_are_those_of_each_run_and_class(architectures):
    for seed, tp in enumerate((80, 90)):
        architectures("unet", seed, tp)
    architectures("unet", 2, state="failed")
    result = comparison(architectures.root)
    (row,) = result.rows
    assert score_groups(result) == ["disc", "ring", MEAN]
    for position, score in enumerate(("dice", "iou")):
        assert run_scores(result, row, score, "disc") == pytest.approx([DISC[tp][position] for tp in (80, 90)])
        assert run_scores(result, row, score, "ring") == pytest.approx([RING[position]] * 2)
        means = [(DISC[tp][position] + RING[position]) / 2 for tp in (80, 90)]
        assert run_scores(result, row, score, MEAN) == pytest.approx(means)


def test_where_bars_are_narrower_than_their_figures_none_is_written(architectures, drawn, tmp_path):
    """Nor is the spread of nothing: a class that no run finds has a 0."""
    for model, count in (("unet", 2), ("attunet", 1)):
        for seed in range(count):
            architectures(model, seed, 0)
    few = comparison(architectures.root)
    draw_bars(few, tmp_path / "few.png")
    texts = [values[2] for values in drawn["text"]]
    assert "0" in texts
    assert not [text for text in texts if text.startswith("0.000")]
    drawn["text"].clear()
    many = tuple(replace(few.rows[0], values=(f"unet{number}",)) for number in range(24))
    draw_bars(replace(few, rows=many, classes=tuple(f"class {number}" for number in range(20))), tmp_path / "many.png")
    assert not drawn["text"]


def test_one_class_is_its_own_mean_unless_the_background_counts(architectures):
    architectures()
    result = comparison(architectures.root)
    with_background = comparison(architectures.root, Convention(background=True))
    vars(result)["classes"] = vars(with_background)["classes"] = ("disc",)
    assert score_groups(result) == ["disc"]
    assert score_groups(with_background) == ["disc", MEAN]


def test_bars_are_means_and_whiskers_sample_deviations(architectures, tmp_path, drawn):
    for seed, tp in enumerate((80, 90)):
        architectures("unet", seed, tp)
    draw_bars(comparison(architectures.root), tmp_path / "classes.png")
    dice = [DISC[tp][0] for tp in (80, 90)]
    assert len(drawn["bar"]) == 6  # disc, ring and mean of Dice, then of IoU
    # Where values are close, a stroke on an axis that does not begin at 0.
    assert drawn["hlines"][0][0] == pytest.approx(np.mean(dice))
    assert len(drawn["hlines"]) == 4
    assert drawn["bar"][1][1] == pytest.approx(RING[0])
    assert drawn["errorbar"][0][1:3] == pytest.approx((np.mean(dice), abs(dice[0] - dice[1]) / np.sqrt(2)))
    assert drawn["scatter"][0][1] == pytest.approx(dice)
    assert drawn["text"][0][2] == "0.894\n± 0.008"


def test_a_single_run_is_a_dot_without_a_whisker(architectures, tmp_path, drawn):
    architectures("unet", 0, 90)
    draw_bars(comparison(architectures.root), tmp_path / "classes.png")
    assert not drawn["errorbar"]
    assert [len(dots[1]) for dots in drawn["scatter"]] == [1] * 6
    assert drawn["scatter"][0][0] == pytest.approx(drawn["bar"][0][0])
    assert drawn["text"][0][2] == "0.900"


def test_a_configuration_has_one_colour_in_all_figures(architectures, tmp_path):
    architectures("attunet", 0, state="failed")
    architectures("unet", 0, 90)
    draw_bars(comparison(architectures.root), tmp_path / "classes.png")
    pixels = np.asarray(Image.open(tmp_path / "classes.png").convert("RGB")) / 255.0
    areas = [int((np.abs(pixels - rgb(colour)).max(axis=2) < 0.01).sum()) for colour in COLOURS[:3]]
    # The first row has no finished run, but the learning curves have drawn it blue.
    assert areas[1] > 10_000
    assert areas[0] == areas[2] == 0


def test_a_class_that_no_image_has_leaves_a_gap(architectures, tmp_path, drawn):
    architectures("unet", 0, 90)
    result = comparison(architectures.root)
    splits = result.rows[0].runs[0].counts
    counts = splits["test"].counts.copy()
    counts[:, 2] = (0, 0, 0, 1000)
    splits["test"] = replace(splits["test"], counts=counts)
    draw_bars(result, tmp_path / "classes.png")
    assert len(drawn["bar"]) == 4


def test_many_configurations_with_long_names_fit(architectures, tmp_path, drawn):
    names = [f"a network of which there is much to say, variant {number}" for number in range(9)]
    for name in names:
        architectures(name, 0, 90, name=re.sub(r"\W", "", name))
    draw_bars(comparison(architectures.root), tmp_path / "classes.png")
    assert len(drawn["bar"]) == 9 * 6
    middles = sorted(bar[0] for bar in drawn["bar"][:9])
    assert np.diff(middles).min() > 0.08
    pixels = np.asarray(Image.open(tmp_path / "classes.png").convert("L"))
    assert pixels[:, [0, -1]].min() == pixels[[0, -1]].min() == 255


def test_without_a_finished_run_there_is_no_figure(architectures, tmp_path):
    architectures(state="failed")
    with pytest.raises(NothingToDrawError):
        draw_bars(comparison(architectures.root), tmp_path / "classes.png")
    assert not list(tmp_path.glob("*.png"))


def test_what_is_close_has_an_axis_that_tells_it_apart(architectures):
    for seed, (low, high) in enumerate(((80, 90), (81, 89))):
        architectures("unet", seed, low)
        architectures("attunet", seed, high)
    result = comparison(architectures.root)
    low, high = _ends(result, ["dice"], ["disc"])
    assert 0.8 < low < DISC[80][0] < DISC[90][0] < high <= 1
    # The rings are all alike: nothing to tell apart. Disc and ring together are far from each other.
    assert _ends(result, ["dice"], ["ring"]) == _ends(result, ["dice"], ["disc", "ring"]) == (0, 1)
