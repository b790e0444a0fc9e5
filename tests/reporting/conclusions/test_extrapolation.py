"""Scores at a number that was not trained."""

import pytest
from matplotlib.axes import Axes

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.extrapolation import extrapolation_lines, extrapolations
from segbench.reporting.figures.numbers import draw_numbers

FACTOR = "data.train_groups"


@pytest.fixture
def curve(architectures):
    """Build runs on 4, 8 and all of the training groups, 16 of them: half of what is missing goes with each step."""

    def build(at=32, seeds=(0, 1), last=16):
        architectures.comparison |= {"factors": [FACTOR], "extrapolate_to": at}
        for seed in seeds:
            for place, number in enumerate((4, 8, None)):
                architectures("unet", seed, 60 + (20, 30)[place - 1] * bool(place), name=f"unet{place}{seed}",
                              config={FACTOR: number}, groups={"train": number or last})  # fmt: skip
        return compare(collect([architectures.root]))

    return build


def test_all_groups_are_a_number_too(curve):
    comparison = curve()
    (found,) = extrapolations(comparison)
    assert found.forecast.numbers == (4, 8, 16)
    errors = [1 - row.scores[comparison.metric].mean for row in comparison.rows]
    assert found.low == pytest.approx(found.score)
    assert found.score == pytest.approx(1 - found.forecast.error)
    assert found.forecast.error < min(errors)


def test_the_sentence_says_what_is_assumed(curve):
    (line,) = extrapolation_lines(curve())
    assert line.startswith("Extrapolated to data.train_groups=32: Dice 0.7")
    assert "through 4, 8 and 16, fitted to each of 2 seeds" in line
    assert "2 times the largest number is an assumption" in line


def test_what_cannot_be_extrapolated_is_said(curve):
    (line,) = extrapolation_lines(curve(seeds=(0,)))
    assert line == "Not extrapolated to 32: that takes a score that can be perfect, and 2 seeds with 3 numbers each."


def test_what_is_not_asked_for_is_not_extrapolated(curve):
    assert extrapolation_lines(curve(at=None)) == []


def test_the_figure_goes_on_to_it(curve, tmp_path, monkeypatch):
    ticks = []
    plain = Axes.set_xticks
    monkeypatch.setattr(
        Axes, "set_xticks", lambda self, places, *a, **b: ticks.append(list(places)) or plain(self, places, *a, **b)
    )
    comparison = curve()
    draw_numbers(comparison, evidence(comparison), tmp_path / "numbers.png")
    assert [4, 8, 16, 32] in ticks
