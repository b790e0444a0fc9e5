import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from segbench.masks import BITS, MaskKey, bit_sets
from segbench.pictures.palette import CLASS_COLOURS
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures import NothingToDrawError, contours
from segbench.reporting.figures.contours import draw_contours

from .test_examples import IDS, run


@pytest.fixture
def outlined(monkeypatch):
    """The masks that are outlined, in order: truth and prediction of each image."""
    drawn = []
    real = contours._outline

    def spy(axes, mask, key, dashed):
        drawn.append((dashed, mask.mean()))
        real(axes, mask, key, dashed)

    monkeypatch.setattr(contours, "_outline", spy)
    return drawn


@pytest.mark.slow
def test_the_best_configurations_best_median_and_worst_image_are_outlined(architectures, tmp_path, outlined):
    run(architectures, "attunet", (90, 20, 80, 70))
    run(architectures, "unet", (99, 88, 97, 95))
    comparison = compare(collect([architectures.root]))
    draw_contours(comparison, evidence(comparison), tmp_path / "contours.png")
    # Truth is empty and the prediction full in these files: solid and dashed are not mixed up.
    assert outlined == [(True, 0.0), (False, 1.0)] * 3
    text = (tmp_path / "contours.svg").read_text()
    assert "unet: dice of each image" in text.lower()
    assert "solid: prediction; dashed: truth" in text
    titles = re.findall(r">(best|median|worst): ([\d.]+)<", text)
    assert [rank for rank, _ in titles] == ["best", "median", "worst"]
    values = [float(value) for _, value in titles]
    assert values == sorted(values, reverse=True)
    # Of unet's own images: test0, then test3 (the third of four), then test1.
    assert re.findall(r">(test\d)<", text) == ["test0", "test3", "test1"]
    assert set(IDS) > {"test0", "test3", "test1"}


def test_an_outline_follows_the_edge_of_its_class():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    mask = np.zeros((10, 12), np.uint8)
    mask[2:6, 3:9] = 1
    mask[0, 0] = 255
    contours._outline(axes, mask, MaskKey(("background", "a")), dashed=False)
    (drawn,) = axes.collections
    corners = np.concatenate([path.vertices for path in drawn.get_paths()])
    np.testing.assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[3, 2], [9, 6]], atol=0.01)


def test_a_network_that_marks_the_whole_image_has_an_outline_along_its_edge():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    contours._outline(axes, np.ones((10, 12), np.uint8), MaskKey(("background", "a")), dashed=False)
    (drawn,) = axes.collections
    corners = np.concatenate([path.vertices for path in drawn.get_paths()])
    np.testing.assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[0, 0], [12, 10]], atol=0.01)
    assert not drawn.get_clip_on()


def test_outlines_that_coincide_are_both_seen():
    """Of classes that overlap: the earlier one has the wider line, and lies below."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    inside = np.zeros((10, 12), bool)
    inside[2:6, 3:9] = True
    key = MaskKey(("whole", "part"), BITS, background=False)
    contours._outline(axes, bit_sets([inside, inside]), key, dashed=False)
    below, above = axes.collections
    assert below.get_linewidths()[0] > above.get_linewidths()[0] + 1
    assert [to_hex(part.get_edgecolor()[0]).upper() for part in (below, above)] == list(CLASS_COLOURS[:2])


def test_without_kept_predictions_it_says_so(architectures, tmp_path):
    run(architectures, "unet", (90, 70, 80, 20), keep=False)
    comparison = compare(collect([architectures.root]))
    with pytest.raises(NothingToDrawError, match="kept its predictions"):
        draw_contours(comparison, evidence(comparison), tmp_path / "contours.png")
