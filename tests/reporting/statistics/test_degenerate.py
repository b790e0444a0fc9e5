"""Runs that predict one thing everywhere, seeds that collapse, rows that are the same, images that are always lost."""

from dataclasses import replace

import numpy as np
import pytest
from labelled import labels_table
from simulated import comparison, counts, pixels

from segbench.reporting.statistics.degenerate import Collapse, Same, collapses, lost_images, same_rows
from segbench.runs.scores_file import read_frame
from segbench.runs.split_scores import About
from segbench.scores.constant import constant_counts


def scores(mean=0.8, images=20, seed=0):
    return mean + 0.02 * np.random.default_rng(seed).normal(size=images)


def everywhere(name):
    part = counts(scores())
    return replace(part, counts=constant_counts(part.counts, part.class_names, exclusive=True)[name])


def good(seed):
    return counts(scores(seed=seed))


@pytest.mark.parametrize("name", ["background", "car"])
def test_one_thing_everywhere_is_a_collapse_with_every_seed_or_with_some(name):
    part = everywhere(name)
    found = collapses(
        comparison({"all": {0: part, 1: part}, "some": {0: good(0), 1: part, 2: good(2)}, "ok": {0: good(0)}})
    )
    assert [one.everywhere for one in found[0]] == [name, name]
    assert [(one.seed, one.everywhere) for one in found[1]] == [(1, name)]
    assert 2 not in found


def test_a_seed_far_below_the_others_collapsed():
    low = {0: good(0), 1: counts(scores(0.35)), 2: good(2)}
    found = collapses(comparison({"a": low, "b": low | {1: counts(scores(0.45))}}))
    assert list(found) == [0]
    (only,) = found[0]
    assert (only.seed, only.everywhere) == (1, "")
    assert only.score == pytest.approx(scores(0.35).mean(), abs=1e-6)


def test_a_row_that_learns_next_to_nothing_with_any_seed_collapsed_whole():
    (one,) = collapses(comparison({"all": {0: everywhere("car")}}))[0]
    nothing, little = (counts(scores(one.score + gain) - scores(0).mean()) for gain in (0.005, 0.05))
    found = collapses(comparison({"a": {0: good(0)}, "b": {0: nothing, 1: nothing}, "c": {0: little, 1: little}}))
    assert {row: [(one.seed, one.everywhere) for one in seeds] for row, seeds in found.items()} == {
        1: [(0, ""), (1, "")]
    }


def test_what_collapsed_does_not_depend_on_the_score_that_decides():
    # A network that marks everything misses nothing, and has the highest sensitivity.
    rows = {"a": {0: good(0), 1: good(1), 2: counts(scores(0.3))}, "b": {0: everywhere("car")}}
    for metric in ("dice", "sensitivity_car", "specificity_car"):
        found = collapses(comparison(rows, metric=metric))
        assert {row: [(one.seed, one.everywhere) for one in seeds] for row, seeds in found.items()} == {
            0: [(2, "")],
            1: [(0, "car")],
        }


def test_where_marking_everything_scores_high_seeds_that_are_little_above_it_have_learned():
    """The class covers half of each image: marking everything has a Dice of 0.67, these 0.68, 0.71 and 0.74."""

    def halves(right):
        return pixels(right, 100 - right, 100 - right, right)

    rows = {"a": {seed: halves(right) for seed, right in enumerate((68, 71, 74))}, "b": {0: halves(90), 1: halves(54)}}
    found = collapses(comparison(rows))
    assert {row: [one.seed for one in seeds] for row, seeds in found.items()} == {1: [1]}


def test_marking_ten_times_too_much_of_a_small_class_is_a_collapse_and_missing_half_of_it_is_none():
    """Its sensitivity is 1 and its specificity 0.91; the other's Dice is 0.57, with hardly a false positive."""
    usual = pixels(91, 9, 9, 9891), pixels(92, 8, 8, 9892)
    rows = {"much": [*usual, pixels(100, 900, 0, 9000)], "little": [*usual, pixels(40, 1, 60, 9899)]}
    found = collapses(comparison({name: dict(enumerate(parts)) for name, parts in rows.items()}))
    assert {row: [one.seed for one in seeds] for row, seeds in found.items()} == {0: [2]}


def test_the_background_is_not_asked():
    """One network takes all of the disc for the ring; its background is right."""
    part = counts(scores())
    right, wrong = (
        [[100, 0, 0, 100], [50, 0, 0, 150], [50, 0, 0, 150]],
        [[100, 0, 0, 100], [0, 0, 50, 150], [50, 50, 0, 100]],
    )
    good, bad = (
        replace(part, class_names=("background", "disc", "ring"), counts=np.broadcast_to(table, (20, 3, 4)))
        for table in (right, wrong)
    )
    assert (good.agreement, bad.agreement) == (1, pytest.approx(0.25))


def test_a_classifier_that_takes_all_for_one_class():
    truth = np.arange(99) % 3
    right, one = (
        read_frame(labels_table(truth, predicted), About("classification"))["test"]
        for predicted in (truth, np.full(99, 1))
    )
    found = collapses(comparison({"a": {0: right, 1: right}, "b": {0: one, 1: right}}, metric="accuracy"))
    assert found == {1: (Collapse(0, pytest.approx(1 / 3), "dog"),)}


def test_rows_are_the_same_that_agree_with_every_shared_seed():
    rows = {"a": {0: good(0), 1: good(1)}, "b": {1: good(1)}, "c": {0: good(0), 1: good(2)}, "d": {}, "e": {5: good(0)}}
    assert same_rows(comparison(rows)) == (Same((0, 1), 20),)
    other = counts(scores(), [f"x{index}" for index in range(20)])
    assert same_rows(comparison({"a": {0: good(0)}, "b": {0: other}})) == ()


def test_images_that_are_lost_with_every_seed():
    def losing(seed, *lost):
        found = scores(seed=seed)
        found[list(lost)] = 0.1
        return counts(found)

    rows = {
        "a": {0: losing(0, 3), 1: losing(1, 3, 5)},
        "b": {0: losing(0, 3)},
        "c": {0: losing(0, 3, 5), 1: losing(1, 5)},
    }
    assert lost_images(comparison(rows)) == {("i003",): [0, 1], ("i005",): [2]}
    # What happens to more than one in ten is no rare failure.
    assert lost_images(comparison({"a": {0: losing(0, 1, 2, 3)}})) == {}
    assert lost_images(comparison({"a": {0: counts(np.full(5, np.nan))}, "b": {}})) == {}
