import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from segbench.masks import MaskKey
from segbench.pictures.canvas import NothingToDrawError
from segbench.pictures.panels import class_colour
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.figures.frequencies import MOST_PANELS, draw_frequencies, percent, training_sets

pytestmark = pytest.mark.slow

RARE = (0.82, 0.17, 0.01)


@pytest.fixture
def drawn(monkeypatch):
    """The bars (lengths) and the texts of each axes, in the order they are drawn."""
    found = {"barh": [], "text": []}
    bars, text = Axes.barh, Axes.text

    def spy_bars(axes, places, lengths, *values, **style):
        found["barh"].append(list(lengths))
        return bars(axes, places, lengths, *values, **style)

    def spy_text(axes, x, y, words, **style):
        found["text"].append(words)
        return text(axes, x, y, words, **style)

    monkeypatch.setattr(Axes, "barh", spy_bars)
    monkeypatch.setattr(Axes, "text", spy_text)
    return found


def draw(maker, path):
    return draw_frequencies(compare(collect([maker.root])), path / "frequencies.png")


def test_a_rare_foreground_is_drawn_again_enlarged_with_its_percentages(architectures, tmp_path, drawn):
    architectures("unet", 0, frequencies=RARE)
    draw(architectures, tmp_path)
    assert drawn["barh"] == [pytest.approx([82, 17, 1]), pytest.approx([17, 1])]
    assert drawn["text"] == ["82.00 %", "17.00 %", "1.00 %", "17.00 %", "1.00 %"]
    pixels = np.asarray(Image.open(tmp_path / "frequencies.png").convert("RGB")) / 255.0
    for label in (1, 2):
        assert (
            np.abs(pixels - class_colour(label, MaskKey(("background", "disc", "ring")))).max(axis=2) < 0.01
        ).sum() > 500
    assert pixels[[0, -1]].min() == pixels[:, [0, -1]].min() == 1


@pytest.mark.parametrize("frequencies", [(0.5, 0.2, 0.3), (0.98, 0.02), (0.0, 0.3, 0.7)])
def test_a_frequent_foreground_or_one_class_is_drawn_once(architectures, tmp_path, drawn, frequencies):
    architectures("unet", 0, frequencies=frequencies)
    draw(architectures, tmp_path)
    assert drawn["barh"] == [pytest.approx([100 * share for share in frequencies])]


def test_runs_on_the_same_training_set_share_a_panel(architectures, drawn, tmp_path):
    for model in ("attunet", "unet"):
        for seed in (0, 1):
            architectures(model, seed, frequencies=RARE)
    (shared,) = training_sets(compare(collect([architectures.root])))
    assert (shared.name, shared.images) == ("fake", (8,))
    assert shared.users == (("attunet", 0), ("attunet", 1), ("unet", 0), ("unet", 1))
    draw(architectures, tmp_path)
    assert len(drawn["barh"]) == 2


def test_each_training_set_has_a_panel_that_says_whose_it_is(architectures, tmp_path, drawn, monkeypatch):
    titles = []
    monkeypatch.setattr("matplotlib.figure.SubFigure.suptitle", lambda part, title, **_: titles.append(title))
    architectures("attunet", 0, frequencies=RARE)
    for seed in range(3):
        architectures("unet", seed, frequencies=(0.6, 0.3, 0.1) if seed else RARE)
    draw(architectures, tmp_path)
    assert titles == [
        "fake, training set (8 images)\nattunet; unet, seed 0",
        "fake, training set (8 images)\nunet, seeds 1, 2",
    ]


def test_training_sets_that_look_alike_are_one_panel_with_the_least_and_the_most(
    architectures, tmp_path, drawn, monkeypatch
):
    titles = []
    monkeypatch.setattr("matplotlib.figure.SubFigure.suptitle", lambda part, title, **_: titles.append(title))
    for seed, rare in enumerate((0.010, 0.012, 0.011)):
        architectures("unet", seed, frequencies=(0.8, 0.2 - rare, rare))
    architectures("attunet", 0, frequencies=(0.8, 0.17, 0.03))
    draw(architectures, tmp_path)
    assert titles == [
        "fake, training set (8 images)\nattunet",
        "fake, 3 training sets (8 images each)\nunet",
    ]
    assert drawn["barh"][2] == pytest.approx([80, 18.9, 1.1])
    assert drawn["text"][5:8] == ["80.00 %", "18.90 % (18.80 % to 19.00 %)", "1.10 % (1.00 % to 1.20 %)"]


def test_words_of_a_very_rare_class_leave_room_for_bars(architectures, tmp_path, monkeypatch):
    limits, real = [], Axes.set_xlim

    def spy(axes, *ends, **more):
        if not more:
            limits.append(ends)
        return real(axes, *ends, **more)

    monkeypatch.setattr(Axes, "set_xlim", spy)
    for seed, rare in enumerate((1.0e-12, 1.1e-12)):
        architectures("unet", seed, frequencies=(0.9, 0.1 - rare, rare))
    draw(architectures, tmp_path)
    assert limits == [(0, pytest.approx(5 * longest, rel=1e-6)) for longest in (90, 10)]


def test_what_is_too_much_is_said(architectures, tmp_path, drawn, monkeypatch):
    said = []
    monkeypatch.setattr("matplotlib.figure.SubFigure.supxlabel", lambda part, words, **_: said.append(words))
    for seed in range(MOST_PANELS + 2):
        architectures("unet", seed, frequencies=(0.5, 0.5 - 0.01 * 1.5**seed, 0.01 * 1.5**seed))
    draw(architectures, tmp_path)
    assert len(drawn["barh"]) == MOST_PANELS
    assert said == ["2 more training sets are not shown"]


@pytest.mark.parametrize("frequencies", [(), (1.0,), (0.5, "much"), (0.5, None), (0.0, 0.0), (0.5, float("nan"))])
def test_without_frequencies_there_is_no_figure(architectures, tmp_path, frequencies):
    architectures("unet", 0, frequencies=frequencies)
    architectures("unet", 1)
    architectures("unet", 2, state="failed")
    with pytest.raises(NothingToDrawError):
        draw(architectures, tmp_path)
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, "100.00 %"),
        (0.823456, "82.35 %"),
        (0.05298, "5.30 %"),
        (0.00061, "0.061 %"),
        (1e-6, "0.00010 %"),
        (0, "none"),
    ],
)
def test_percentages_show_rare_classes_too(share, words):
    assert percent(share) == words
