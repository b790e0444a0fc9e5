"""Scores over a factor that is a number."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from segbench.pictures.canvas import NothingToDrawError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.figures.numbers import FIGURE, draw_numbers


def swept(maker, values, models=("unet",)):
    maker.comparison["factors"] = ["model", "optimizer.lr"]
    for model in models:
        for place, value in enumerate(values):
            for seed in (0, 1):
                maker(model, seed, 70 + 5 * place + seed + 3 * (model == "attunet"), name=f"{model}{place}{seed}",
                      config={"optimizer.lr": value})  # fmt: skip
    return compare(collect([maker.root]))


@pytest.fixture
def ticks(monkeypatch):
    """Where the axis has its ticks, and their words."""
    found = {}
    plain = Axes.set_xticks

    def noted(self, places, labels=None, **options):
        if labels is not None:
            found.update(zip(labels, places, strict=True))
        return plain(self, places, labels, **options)

    monkeypatch.setattr(Axes, "set_xticks", noted)
    return found


@pytest.mark.slow
def test_numbers_stand_at_their_place_and_null_behind_them(architectures, tmp_path, ticks):
    comparison = swept(architectures, [8, 16, None], ("unet", "attunet"))
    assert FIGURE.needs(comparison)
    draw_numbers(comparison, evidence(comparison), tmp_path / "numbers.png")
    assert (ticks["8"], ticks["16"]) == (8, 16)
    assert ticks["none"] > 16
    assert np.asarray(Image.open(tmp_path / "numbers.png")).std() > 0
    assert (tmp_path / "numbers.svg").exists()


@pytest.mark.slow
def test_rates_stand_on_a_logarithmic_axis(architectures, tmp_path, ticks):
    comparison = swept(architectures, [0.0001, 0.01, 0.001])
    draw_numbers(comparison, evidence(comparison), tmp_path / "numbers.png")
    assert list(ticks) == ["0.0001", "0.001", "0.01"]


@pytest.mark.parametrize("values", [[0.1, 0.2], [0.1, "x", 0.3], [True, False, 1.5]])
def test_other_factors_are_not_drawn(architectures, tmp_path, values):
    comparison = swept(architectures, values)
    assert not FIGURE.needs(comparison)
    with pytest.raises(NothingToDrawError, match="no factor has three numbers"):
        draw_numbers(comparison, evidence(comparison), tmp_path / "numbers.png")
