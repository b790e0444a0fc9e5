"""The figures over data sets."""

import numpy as np
import pytest

from segbench.pictures.palette import COLOURS
from segbench.reporting.figures import critical_difference, gains
from segbench.reporting.figures.gains import GainLine

# Three data sets rank four networks; the last two tie on the third.
RANKS = np.array([[1.0, 2, 3, 4], [2, 1, 3, 4], [1, 2, 3.5, 3.5]])


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that would be written."""
    kept = []
    for module in (critical_difference, gains):
        monkeypatch.setattr(module, "save", lambda figure, path: kept.append(figure))
    return kept


def test_bars_join_what_is_not_told_apart_and_only_that(drawn, tmp_path):
    apart = [(0, 2), (0, 3), (1, 3)]
    critical_difference.draw_critical_difference(["a", "b", "c", "d"], RANKS, apart, "t", tmp_path / "x.png")
    (axes,) = drawn[0].axes
    places = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    joined = [
        {name for name, at in places.items() if at in line.get_ydata()}
        for line in axes.lines
        if line.get_marker() == "o"
    ]
    assert joined == [{"a", "b"}, {"b", "c"}, {"c", "d"}]
    assert [text.get_text() for text in axes.texts] == ["1.33", "1.67", "3.17", "3.83"]
    # The best stands on top: the axis points down.
    assert places["a"] < places["d"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_no_bar_where_all_are_told_apart(drawn, tmp_path):
    critical_difference.draw_critical_difference(["a", "b"], RANKS[:, :2], [(1, 0)], "t", tmp_path / "x.png")
    assert not drawn[0].axes[0].lines


def test_gains_stand_at_their_values_with_the_margin_behind(drawn, tmp_path):
    lines = [GainLine("a over b", (0.01, 0.03), 0.02, -0.01, 0.05), GainLine("c over b", (0.02,), 0.02, np.nan, np.nan)]
    gains.draw_gains(lines, "gain in Dice", 0.01, tmp_path / "x.png")
    (axes,) = drawn[0].axes
    circles = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert circles == [[0.01, 0.03], [0.02]]
    intervals = [
        list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2 and line.get_color() in COLOURS
    ]
    assert intervals == [[-0.01, 0.05]]
    assert [patch.get_extents().width > 0 for patch in axes.patches] == [True]
    # As wide as a phone shows with letters that can be read.
    assert drawn[0].get_size_inches()[0] < 5
