import pytest
from matplotlib.figure import Figure

from segbench.pictures.legend import legend_below
from segbench.reporting.figures.curves import BAND


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.6, 7.2, 10.8])
def test_the_heading_and_the_labels_stay_in_the_figure(width):
    figure = Figure(dpi=100, layout="constrained")
    axes = figure.add_subplot()
    labels = ["glands/base (mean of 3)", "a name " * 12]
    handles = [axes.plot([0, 1], [0, index], label=label)[0] for index, label in enumerate(labels)]
    below = legend_below(figure, handles, labels, width, BAND)
    figure.set_size_inches(width, 3 + below)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    for text in (legend.get_title(), *legend.get_texts()):
        extent = text.get_window_extent()
        assert extent.x0 >= -2
        assert extent.x1 <= figure.bbox.width + 2
    # No line covers another, and the axes keep their room.
    assert legend.get_window_extent().height <= 1.35 * below * figure.dpi
