"""Scores at a number that was not trained."""

import pytest
from matplotlib.axes import Axes

from segbench.pictures.legend import legend_below
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.extrapolation import extrapolation_lines, extrapolations
from segbench.reporting.conclusions.two_questions import two_answers
from segbench.reporting.figures.numbers import draw_numbers
from segbench.runs.split_scores import derive

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


def test_it_stands_below_the_verdict(curve):
    comparison = curve()
    *_, (who, what) = two_answers(comparison, evidence(comparison))
    assert who == "A number that was not trained"
    assert [what] == extrapolation_lines(comparison)


def test_what_cannot_be_extrapolated_is_said(curve):
    (line,) = extrapolation_lines(curve(seeds=(0,)))
    assert line == (
        "Not extrapolated to 32: that takes a score that can be perfect but is not, and 2 seeds with 3 numbers each."
    )


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


def points(maker, numbers, models=("unet",), perfect=()):
    """Runs of two seeds, and of those that are perfect at the last number; ``attunet`` has two numbers only."""
    maker.comparison |= {"factors": ["model", FACTOR], "extrapolate_to": maker.comparison.get("extrapolate_to", 32)}
    for model in models:
        for seed in range(2 + len(perfect)):
            for place, (number, score) in enumerate(numbers.items()):
                if model == "attunet" and place > 1:
                    continue
                tp = 100 if seed in perfect and place == len(numbers) - 1 else score + seed
                maker(model, seed, tp, name=f"{model}{place}{seed}", config={FACTOR: number})
    return compare(collect([maker.root]))


def test_rows_without_a_forecast_and_seeds_without_a_law_are_named(architectures, monkeypatch):
    # With 100 of 110 pixels right a class of the made runs is as good as perfect.
    monkeypatch.setattr(
        "segbench.reporting.conclusions.extrapolation.derive",
        lambda *asked: 1.0 if derive(*asked) > 0.7 else derive(*asked),
    )
    comparison = points(architectures, {4: 60, 8: 70, 16: 80}, ("unet", "attunet"), perfect=[2])
    first, second = extrapolation_lines(comparison)
    assert "fitted to each of 2 seeds (1 other has fewer numbers, or nothing missing at one)" in first
    assert second.startswith("Not extrapolated to 32, attunet: that takes")


def test_a_score_that_falls_is_said_to_and_ends_at_0(architectures):
    architectures.comparison["extrapolate_to"] = 1e15
    comparison = points(architectures, {4: 80, 8: 70, 16: 50})
    (found,) = extrapolations(comparison)
    assert found.forecast.error > 1
    assert found.low == found.score == 0
    (line,) = extrapolation_lines(comparison)
    assert "What is missing to a perfect score rises as the number to the power 0." in line


@pytest.mark.parametrize(
    ("at", "said"),
    [(10, "holds between the numbers"), (2, "begins at 0.5 times the smallest number"), (64, "goes on to 4 times")],
)
def test_what_is_assumed_depends_on_where_it_is(curve, at, said):
    (line,) = extrapolation_lines(curve(at=at))
    assert f"That the law {said}" in line


@pytest.mark.slow
def test_the_figure_goes_on_from_the_largest_number_and_not_from_what_has_none(architectures, tmp_path, monkeypatch):
    comparison = points(architectures, {4: 60, 8: 70, 16: 80, None: 90})
    assert extrapolations(comparison)[0].forecast.numbers == (4, 8, 16)
    dashed, said = [], []
    plain = Axes.plot

    def noted(self, *given, **options):
        if options.get("linestyle") == "--":
            dashed.append(list(given[0]))
        return plain(self, *given, **options)

    def legend(*given):
        said.append(given[-1])
        return legend_below(*given)

    monkeypatch.setattr(Axes, "plot", noted)
    monkeypatch.setattr("segbench.reporting.figures.numbers.legend_below", legend)
    draw_numbers(comparison, evidence(comparison), tmp_path / "numbers.png")
    assert dashed == [[16, 32]]
    # What the upright lines are differs: those of means are of images and seeds.
    assert said[0].endswith("; dashed: extrapolated, 95 % interval over seeds")
