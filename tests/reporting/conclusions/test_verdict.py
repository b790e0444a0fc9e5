"""Better, alike or undecided: the words follow from the decision, and a near tie does not read as ignorance."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import comparison, counts, layouts, networks

from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.numbers import figures
from segbench.reporting.conclusions.two_questions import two_answers
from segbench.reporting.conclusions.verdict import by_chance
from segbench.reporting.statistics.jackknife import by_seed, layout
from segbench.reporting.statistics.margin import margin_of
from segbench.scores.convention import Convention
from segbench.scores.score import Metric, Share

DICE = Metric("dice", Share("dice", "Dice"))


def asked(means, number=1, shape=(3, 20), spreads=(0.005, 0.01, 0.02), **more):
    """A comparison of networks m0, m1, ... and its evidence."""
    compared = replace(networks(np.random.default_rng(number), means, shape, *spreads, shared=0.05), **more)
    return compared, evidence(compared)


def test_a_clear_winner_of_two():
    _, found = asked([0.83, 0.90])
    assert found.verdict.word == "better"
    assert found.answer.startswith("m1 is better than m0: Dice 0.")
    (one,) = found.decision.compared
    shown = figures(DICE, *one.gains)
    assert f"{shown.plain(one.low)}, " in found.answer or "0.0" in found.answer
    assert found.verdict.rows == {1: "best", 0: "not best"}
    assert found.verdict.detail.endswith("3 seeds, 20 images.")


def test_the_best_of_several_is_named_with_the_next():
    _, found = asked([0.80, 0.90, 0.84, 0.75])
    assert found.answer.startswith("m1 is the best of 4: Dice 0.")
    assert found.answer.endswith("over m2, the next.")


def test_a_shortlist_says_who_may_be_the_best_and_who_is_not():
    _, found = asked([0.80, 0.88, 0.878, 0.75, 0.79])
    assert found.answer.startswith("These 2 of 5 may be the best: m")
    assert "; the other 3 are not. m" in found.answer
    assert sorted(found.verdict.rows.values()) == ["may be best"] * 2 + ["not best"] * 3
    assert found.top == {1, 2}


def test_alike_is_the_whole_interval_within_the_margin():
    _, found = asked([0.85, 0.85], shape=(8, 60), margin=0.03)
    (one,) = found.decision.compared
    assert found.verdict.word == "alike"
    assert found.answer.startswith("m0 and m1 are alike: Dice 0.") or found.answer.startswith(
        "m1 and m0 are alike: Dice 0."
    )
    assert max(abs(one.low), abs(one.high)) < 0.03
    _, narrow = asked([0.85, 0.85], shape=(8, 60), margin=min(abs(one.low), abs(one.high)))
    assert narrow.verdict.word == "undecided"
    assert "alike means within" in narrow.verdict.detail


def test_a_near_tie_and_ignorance_do_not_read_the_same():
    _, near = asked([0.984, 0.984], shape=(4, 100), spreads=(0.0005, 0.002, 0.003), margin=0.0001)
    _, ignorant = asked([0.6, 0.7], shape=(2, 20), spreads=(0.2, 0.1, 0.1))
    assert near.verdict.word == ignorant.verdict.word == "undecided"
    assert "may be better by up to 0.00" in near.answer
    assert ignorant.answer.endswith("of the difference hardly anything is known.")
    assert "so these runs show no two alike" in ignorant.verdict.detail


def test_against_a_baseline_each_row_has_its_word():
    _, found = asked([0.83, 0.90, 0.831, 0.75], family="baseline", baseline=0)
    assert found.answer.startswith("Against m0 (Dice 0.")
    assert "better: m1 by 0.0" in found.answer
    assert "worse: m3 by 0.0" in found.answer
    assert (found.verdict.rows[0], found.verdict.rows[1], found.verdict.rows[3]) == ("baseline", "better", "worse")
    _, two = asked([0.90, 0.83], family="baseline", baseline=0)
    assert two.answer.startswith("m0 is better than m1: Dice 0.")


def test_all_pairs_are_counted():
    _, found = asked([0.80, 0.90, 0.80], family="pairs")
    assert found.verdict.word == "better"
    assert found.answer.startswith("Of 3 pairs 2 differ, ")
    assert "most clearly m1 is better than m" in found.answer


@pytest.mark.parametrize(
    ("gain", "low", "high", "scores", "shown"),
    [
        (0.03, 0.01, 0.05, None, "0.03 [0.01, 0.05]"),
        (0.0204, 0.0044, 0.0364, None, "0.020 [0.004, 0.036]"),
        (0.0002, -0.0013, 0.0016, None, "0.0002 [-0.0013, 0.0016]"),
        (0.0453, 0.0233, 0.0673, (0.8738, 0.8285), "0.045 [0.023, 0.067]"),
        (0.4, -1.0, 1.0, None, "0.40 [-1.00, 1.00]"),
        # An end that leaves out 0 shows that it does; near 0 is near enough where the interval has 0 within.
        (0.0035, 0.00003, 0.007, None, "0.00350 [0.00003, 0.00700]"),
        (0.000001, -0.03, 0.04, None, "0.0000 [-0.0300, 0.0400]"),
    ],
)
def test_figures_have_the_digits_of_their_interval(gain, low, high, scores, shown):
    assert figures(DICE, gain, low, high, scores).gain(gain, low, high) == shown


def test_no_zero_is_negative_and_a_distance_has_its_unit():
    assert figures(DICE, 0.1, 0.05, 0.2).plain(-0.0001) == "0.0" + "0"


def test_both_questions_are_labelled_and_answered():
    compared, found = asked([0.83, 0.90])
    (recipe, detail), (trained, networks_say) = two_answers(compared, found)
    assert recipe == "If you train again with other seeds and test on other images (what the verdict is about)"
    # The figures' brackets, and what p is, for who has no statistics.
    assert detail == f"In brackets: the differences that these runs leave possible, at 95 %. {found.verdict.detail}"
    assert found.verdict.detail.startswith("If rows were equal, 0.")
    assert " % of such experiments would show a difference at least as large (p = 0.0" in detail
    assert trained == "If you use these trained networks as they are, on other images"
    assert networks_say.startswith("m1's 3 networks score higher than m0's 3 networks, by 0.0")
    compared, tied = asked([0.83, 0.83])
    named = tied.verdict.sentence.replace("m0", "data.size=[96, 128]")
    tied = replace(tied, verdict=replace(tied.verdict, sentence=named))
    assert "[" in named
    assert two_answers(compared, tied)[0][1].startswith("If rows were equal, ")
    single, found = asked([0.83, 0.90], shape=(1, 20))
    assert [who for who, _ in two_answers(single, found)] == [trained]


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.0004, "fewer than 0.1 % of such experiments would show a difference at least as large (p < 0.001)"),
        (0.0321, "3.2 % of such experiments would show a difference at least as large (p = 0.032)"),
        (0.9963, "100 % of such experiments would show a difference at least as large (p = 0.996)"),
        (1.0, "100 % of such experiments would show a difference at least as large (p = 1.000)"),
    ],
)
def test_a_p_value_is_a_share_that_anybody_reads(p, said):
    assert by_chance(p) == f"If rows were equal, {said}"


def test_the_margin_is_the_repeatability_limit_of_the_seeds():
    scores = [[0.80, 0.82, 0.81], [0.70, 0.71]]
    rows = []
    for index, seeds in enumerate(scores):
        part = {seed: counts(np.full(12, score)) for seed, score in enumerate(seeds)}
        rows.append(layout(by_seed(comparison({f"m{index}": part}).rows[0].done, "test", "dice", Convention())))
    squares = sum((len(seeds) - 1) * np.var(seeds, ddof=1) for seeds in scores)
    limit = 1.96 * np.sqrt(2 * squares / 3)
    found = margin_of(None, rows)
    assert found.value == found.noise == pytest.approx(limit, rel=0.05)
    assert (margin_of(0.01, rows).value, margin_of(0.01, rows).proposed) == (0.01, False)
    assert np.isnan(margin_of(None, [None]).value)
    # Of a distance any limit is proposed, of a share none above 0.05.
    wild = [
        layout(
            by_seed(
                comparison({"m": {0: counts(np.full(12, 0.3)), 1: counts(np.full(12, 0.9))}}).rows[0].done,
                "test",
                "dice",
                Convention(),
            )
        )
    ]
    assert np.isnan(margin_of(None, wild).value)
    assert margin_of(None, wild, np.inf).value > 1


@pytest.mark.slow
def test_rows_that_differ_by_the_margin_are_seldom_called_alike():
    """Two one-sided tests at 5 %: with a stated margin, a true difference of its size passes for alike in at most 5 %."""
    rng, called = np.random.default_rng(0), []
    for _ in range(300):
        easy = 0.05 * rng.normal(size=30)
        rows = {}
        for name, mean in (("a", 0.82), ("b", 0.80)):
            table = mean + easy + layouts(rng, 1, (6, 30), 0.004, 0.005, 0.01)[0]
            rows[name] = {seed: counts(scores) for seed, scores in enumerate(table)}
        called.append(evidence(replace(comparison(rows), margin=0.02)).verdict.word == "alike")
    print(f"\nrows that differ by the margin are called alike in {np.mean(called):.1%}")
    assert np.mean(called) <= 0.07
