from dataclasses import replace
from itertools import combinations
from math import nan
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from segbench.pictures.palette import COLOURS
from segbench.pictures.styles import MARKERS, colour, marker, wrapped
from segbench.reporting.comparison.words import show_p
from segbench.reporting.conclusions.evidence import evidence as measured
from segbench.reporting.figures import NothingToDrawError
from segbench.reporting.figures.costs import draw_costs, log_ticks, pareto_front, short
from segbench.reporting.figures.differences import draw_differences, lines
from segbench.reporting.figures.distributions import MOST_CONNECTED, draw_distributions
from segbench.reporting.figures.images import image_values, row_values
from segbench.reporting.figures.ranks import draw_ranks
from segbench.reporting.statistics.decision import Compared
from segbench.reporting.statistics.means import Mean
from segbench.scores import Convention, class_scores

pytestmark = pytest.mark.slow

DRAW = (draw_distributions, draw_differences, draw_ranks, draw_costs)
EIGHT = {
    f"a network of which there is much to say, variant {number}": (70 + number, 72 + number) for number in range(8)
}


def words(path):
    tree = ElementTree.parse(path.with_suffix(".svg"))
    return [
        text for text in ("".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")) if text
    ]


@pytest.fixture
def spy(monkeypatch):
    """Record what a method of Axes is called with."""

    def watch(name):
        calls, real = [], getattr(Axes, name)

        def spied(axes, *values, **style):
            calls.append((values, style))
            return real(axes, *values, **style)

        monkeypatch.setattr(Axes, name, spied)
        return calls

    return watch


@pytest.mark.parametrize("draw", DRAW)
def test_eight_configurations_with_long_names_stay_in_the_picture(compared, evidence, tmp_path, draw):
    more = {name: {"cost": {"parameters": 10**number}} for number, name in enumerate(EIGHT)}
    comparison = compared(EIGHT, **more)
    draw(comparison, evidence(comparison), tmp_path / "figure.png")
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("L"))
    assert pixels[:, [0, -1]].min() == pixels[[0, -1]].min() == 255
    assert "variant 7" in " ".join(words(tmp_path / "figure.png"))


@pytest.mark.parametrize("draw", DRAW)
def test_an_unfinished_configuration_is_left_out(compared, architectures, evidence, tmp_path, draw):
    architectures("broken", 0, name="broken", state="failed", cost={"parameters": 5})
    comparison = compared(
        {"unet": (90, 88), "zoo": (80, 79)}, unet={"cost": {"parameters": 100}}, zoo={"cost": {"parameters": 10}}
    )
    draw(comparison, evidence(comparison), tmp_path / "figure.png")
    assert "broken" not in " ".join(words(tmp_path / "figure.png"))


@pytest.mark.parametrize(("draw", "reason"), zip(DRAW, ["no run", "no two", "two conf", "one conf"], strict=True))
def test_without_a_finished_run_the_reason_is_told(compared, architectures, evidence, tmp_path, draw, reason):
    architectures("broken", 0, state="failed")
    comparison = compared({})
    with pytest.raises(NothingToDrawError, match=reason):
        draw(comparison, evidence(comparison), tmp_path / "figure.png")
    assert not list(tmp_path.glob("*.*g"))


@pytest.mark.parametrize(("draw", "reason"), zip(DRAW[1:], ["only one", "two conf", "one conf"], strict=True))
def test_one_configuration_alone_is_not_compared(compared, evidence, tmp_path, draw, reason):
    comparison = compared({"unet": (90, 80)})
    with pytest.raises(NothingToDrawError, match=reason):
        draw(comparison, evidence(comparison), tmp_path / "figure.png")


def test_image_scores_of_one_class_and_of_all(compared):
    counts = compared({"unet": (90,)}).done[0].counts["test"]
    assert image_values(counts, "dice", Convention()) == pytest.approx([0.7] * 4)
    assert image_values(counts, "dice_disc", Convention()) == pytest.approx([0.9] * 4)
    assert image_values(counts, "iou_background", Convention()) == pytest.approx([600 / 650] * 4)
    assert np.isnan(image_values(counts, "hausdorff", Convention())).all()
    assert np.mean(image_values(counts, "dice_disc", Convention())) == pytest.approx(
        class_scores(counts.counts, "dice")[1]
    )


def test_an_images_score_is_the_mean_over_the_runs_that_score_it(compared):
    comparison = compared({"unet": (90, 80)})
    comparison.done[0].counts["test"].counts[0, 1:] = (0, 0, 0, 1000)
    (row,) = comparison.rows
    found = row_values(comparison, row)
    assert found.ids == ("test0", "test1", "test2", "test3")
    low, high = (160 / 180 + 0.5) / 2, 0.7
    assert found.values == pytest.approx([low, *[(low + high) / 2] * 3])


def test_the_same_images_are_connected_while_they_are_few(compared, evidence, tmp_path, spy):
    for images in (4, MOST_CONNECTED + 2):
        calls = spy("plot")
        more = {name: {"images": images} for name in ("a", "b")}
        comparison = compared({"a": (90,), "b": (80,)}, **more)
        draw_distributions(comparison, evidence(comparison), tmp_path / "figure.png")
        joined = [values for values, style in calls if style.get("color") == "0.75"]
        assert len(joined) == (images == 4)
        if joined:
            assert joined[0][0] == pytest.approx(np.repeat([[0.7], [(160 / 180 + 0.5) / 2]], 4, axis=1))
        for folder in (comparison.directory).iterdir():
            for file in sorted(folder.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            folder.rmdir()


def test_the_comparisons_of_the_question_are_the_lines(compared, evidence):
    comparison = compared({"a": (80,), "b": (90,), "c": (70,)})
    found = lines(evidence(comparison))
    assert [line.found.rows for line in found] == [(1, 0), (1, 2)]
    assert [line.better for line in found] == ["90%"] * 2
    # Of a distance, where lower is better, a row is better where it is not higher.
    assert [line.better for line in lines(evidence(comparison), -1)] == ["10%"] * 2


def test_of_many_pairs_only_those_of_the_best_are_drawn(compared, evidence):
    comparison = compared({name: (tp,) for name, tp in zip("abcdef", (70, 90, 80, 60, 85, 75), strict=True)})
    known = evidence(comparison)
    pairs = tuple(Compared(*rows, 0.01, 0.0, 0.02, 0.3, 0.95) for rows in combinations(range(6), 2))
    asked = replace(known.decision, question="pairs", compared=pairs)
    assert [line.found.rows for line in lines(replace(known, decision=asked))] == [
        (0, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (1, 5),
    ]


@pytest.mark.parametrize(("family", "said"), [("best", "gain of b in Dice"), ("baseline", "gain over b in Dice")])
def test_the_row_that_all_lines_share_is_named_once(compared, evidence, tmp_path, family, said):
    comparison = replace(compared({"a": (80,), "b": (90,), "c": (70,)}), family=family)
    draw_differences(comparison, evidence(comparison), tmp_path / "d.png")
    text = words(tmp_path / "d.png")
    assert any(part.startswith(said) for part in text)
    assert {"a", "c"} <= set(text)


def test_what_is_not_shown_is_hollow(compared, evidence, tmp_path, spy):
    comparison = compared({"a": (90,), "b": (60,), "c": (89,)})
    calls = spy("plot")
    draw_differences(comparison, evidence(comparison), tmp_path / "d.png")
    faces = [style["color"] for values, style in calls if values[2:] == ("o",)]
    assert faces == ["white", COLOURS[1]]
    assert len([style for values, style in calls if style.get("linewidth") == 2.2]) == 2


def test_p_values_as_papers_print_them():
    assert [show_p(p) for p in (0.0320, 0.0001, 1.0, nan)] == ["0.032", "< 0.001", "1.000", "–"]


def test_ranks_of_one_seed_are_refused_by_their_reason(compared, architectures, tmp_path):
    comparison = compared({"a": (80,), "b": (90,)})
    with pytest.raises(NothingToDrawError, match="ranks need two seeds of each configuration"):
        draw_ranks(comparison, measured(comparison), tmp_path / "ranks.png")
    architectures("a", 1, name="a-1")
    architectures("b", 1, name="b-1")
    comparison = compared({})
    draw_ranks(comparison, measured(comparison), tmp_path / "ranks.png")


def test_ranks_are_ordered_and_written_in_percent(compared, evidence, tmp_path, spy):
    comparison = compared({"a": (80,), "b": (90,)})
    known = replace(evidence(comparison), ranks=np.array([[0.3, 0.7], [0.7, 0.3]]))
    calls = spy("pcolormesh")
    draw_ranks(comparison, known, tmp_path / "ranks.png")
    np.testing.assert_array_equal(calls[0][0][0], [[0.7, 0.3], [0.3, 0.7]])
    text = words(tmp_path / "ranks.png")
    assert text.index("b") < text.index("a")
    assert text.count("70") == text.count("30") == 2


def test_pareto_front():
    assert pareto_front([1, 2, 3, 4], [0.5, 0.4, 0.8, 0.8]) == [0, 2]
    assert pareto_front([2, 2, 1], [0.5, 0.6, 0.7]) == [2]
    assert pareto_front([3, 1, 2], [0.9, 0.7, 0.8]) == [1, 2, 0]
    assert pareto_front([], []) == []


def test_costs_have_a_panel_for_what_differs(compared, evidence, tmp_path):
    comparison = compared(
        {"a": (90, 89), "b": (80, 81)}, a={"cost": {"parameters": 2_000_000}}, b={"cost": {"parameters": 31_000_000}}
    )
    draw_costs(comparison, evidence(comparison), tmp_path / "costs.png")
    text = words(tmp_path / "costs.png")
    assert "parameters" in text
    assert not [part for part in text if "FLOPs" in part or "minutes" in part or "ms per image" in part]
    assert "10M" in text


def test_one_network_with_other_losses_costs_the_same(compared, evidence, tmp_path):
    noisy = {name: {"cost": {"predict_images_per_second": rate}} for name, rate in (("a", 4.0), ("b", 8.0))}
    comparison = compared({"a": (90,), "b": (80,)}, **noisy)
    with pytest.raises(NothingToDrawError, match="cost the same"):
        draw_costs(comparison, evidence(comparison), tmp_path / "costs.png")


def test_times_of_different_devices_are_not_compared(compared, evidence, tmp_path):
    costs = {
        "a": {"cost": {"parameters": 10, "wall_seconds": 50, "device": "GPU"}},
        "b": {"cost": {"parameters": 100, "wall_seconds": 500}},
    }
    comparison = compared({"a": (90,), "b": (80,)}, **costs)
    draw_costs(comparison, evidence(comparison), tmp_path / "costs.png")
    assert "training (minutes)" not in words(tmp_path / "costs.png")


def test_no_interval_is_no_bar(compared, evidence, tmp_path, spy):
    comparison = compared({"a": (90,), "b": (80,)}, a={"cost": {"parameters": 10}}, b={"cost": {"parameters": 99}})
    bars = spy("errorbar")
    means = tuple(Mean(row.scores["dice"].mean, nan, nan) for row in comparison.rows)
    draw_costs(comparison, replace(evidence(comparison), means=means), tmp_path / "costs.png")
    assert not bars


def test_what_is_filled_at_a_look_has_a_p_value_below_5_percent_and_the_interval_of_the_look(
    compared, evidence, tmp_path
):
    """P-values are stretched to 5 %, so the look's own rate would be the wrong limit."""
    comparison = compared({"a": (90, 89), "b": (80, 81)})
    draw_differences(comparison, replace(evidence(comparison), rate=0.011), tmp_path / "d.png")
    said = " ".join(words(tmp_path / "d.png"))
    assert "filled: p < 0.05, corrected" in said
    assert "98.9%" in said


def test_words():
    assert [short(value) for value in (999, 34_527_041, 8.3e10, 2e12)] == ["999", "34.5M", "83G", "2T"]
    assert wrapped("one two three four five six", 8, 2) == "one two\nthree …"
    assert len({(colour(index), marker(index)) for index in range(8)}) == len(MARKERS) == 8


@pytest.mark.parametrize("inches", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(("low", "high"), [(34.5e6, 34.6e6), (1e6, 2e6), (3e5, 6e7), (1, 1e9), (4.9, 11.3), (7, 7)])
def test_tick_labels_of_costs_do_not_touch(low, high, inches):
    factor = max((high / low) ** 0.12, 1.15)
    ends = low / factor, high * factor
    ticks = log_ticks(ends, low, high, inches)
    assert ticks
    places = inches * np.log(np.array(ticks) / ends[0]) / np.log(ends[1] / ends[0])
    # A letter of the labels is 0.064 inches wide on average, those that are widest 0.075.
    widths = np.array([0.075 * len(short(tick)) for tick in ticks])
    assert (np.diff(places) > (widths[1:] + widths[:-1]) / 2).all()
    assert len({short(tick) for tick in ticks}) == len(ticks)
