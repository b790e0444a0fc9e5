"""The figures of a whole comparison: consistent with each other, and there or told to be missing, whatever the runs."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from simulated import comparison, counts, networks

from segbench.reporting.conclusions.evidence import MOST_ROWS, evidence
from segbench.reporting.statistics.intervals import paired_difference
from segbench.scores import Convention


def rng(seed=0):
    return np.random.default_rng(seed)


def scores(mean=0.7, images=20, seed=0, spread=0.02):
    return mean + spread * rng(seed).normal(size=images)


def said(found):
    return " ".join(found.caveats)


def test_all_figures_of_a_comparison_agree():
    compared = replace(networks(rng(1), [0.6, 0.75, 0.74, 0.6], image=0.02), family="pairs")
    found = evidence(compared)
    assert len(found.pairs) == len(found.decision.compared) == 6
    for pair in found.pairs:
        expected = paired_difference(
            compared.rows[pair.first].done, compared.rows[pair.second].done, "test", "dice", Convention()
        )
        # Of the pair alone; the interval has its seeds' part from all four rows.
        assert pair.difference.mean == expected.mean
        assert (pair.difference.seeds, pair.difference.groups) == (expected.seeds, expected.groups)
        assert (pair.p < 0.05) == (pair.difference.sign != 0)
        decided = found.decision.between(pair.first, pair.second)
        assert bool(decided.verdict) == (not decided.low <= 0 <= decided.high)
        assert abs(decided.gain) == pytest.approx(abs(pair.difference.mean))
        shared = set(found.letters[pair.first]) & set(found.letters[pair.second])
        assert bool(shared) == (not decided.verdict)
        assert found.pair(pair.second, pair.first).difference.mean == -pair.difference.mean
    for row, mean in zip(compared.rows, found.means, strict=True):
        assert mean.mean == pytest.approx(row.scores["dice"].mean)
        assert 0 <= mean.low < mean.mean < mean.high <= 1
    assert found.letters == ("b", "a", "a", "b")
    assert found.top == {1, 2}
    assert found.ranks.sum(axis=1) == pytest.approx(1)
    assert (found.best == found.ranks[:, 0]).all()
    assert found.best[1] + found.best[2] > 0.99
    assert sum(found.outlook.shares.values()) == pytest.approx(1)
    assert 0 < found.outlook.detectable.value < 0.1
    assert evidence(compared) is found


def test_intervals_of_differences_end_where_shares_do():
    high = {0: counts(np.array([1.0, 0.6])), 1: counts(np.array([0.9, 0.5]))}
    low = {0: counts(np.array([0.1, 0.4])), 1: counts(np.array([0.1, 0.3]))}
    compared = comparison({"high": high, "low": low})
    found = evidence(compared)
    (pair,) = found.pairs
    assert (pair.difference.low, pair.difference.high) == (-1, 1)
    sides = [row.done for row in compared.rows]
    assert paired_difference(*sides, "test", "dice", Convention()) == pair.difference
    # Two images give no interval of a mean, but the range of the two.
    assert found.ends == "range over images"
    assert [(mean.low, mean.high) for mean in found.means] == [
        (pytest.approx(0.55), pytest.approx(0.95)),
        (pytest.approx(0.1), pytest.approx(0.35)),
    ]


def test_one_configuration():
    found = evidence(networks(rng(), [0.7]))
    assert found.answer.startswith("Dice 0.")
    assert found.answer.endswith("; as there is only one configuration, nothing is compared.")
    assert (found.pairs, found.letters) == ((), ("",))
    assert np.isnan(found.ranks).all()
    assert found.outlook is None
    assert "nothing to compare it with" in said(found)


def test_one_seed():
    found = evidence(networks(rng(), [0.6, 0.8], shape=(1, 60)))
    assert found.answer.startswith("One seed: m1 scores highest")
    assert found.letters == ("", "")
    (pair,) = found.pairs
    assert np.isnan(pair.p)
    assert pair.probability < 0.1
    assert np.isnan(found.ranks).all()
    assert found.outlook is None
    assert "One seed: intervals are over images" in said(found)
    assert "fewer than 50" not in said(found)


def test_one_group():
    rows = {
        f"m{index}": {seed: counts(scores(0.6 + index / 10), groups=["g"] * 20) for seed in (0, 1)} for index in (0, 1)
    }
    found = evidence(comparison(rows))
    assert found.answer.startswith("One group of images decides: m1 scores highest (Dice 0.6")
    assert np.isnan([found.means[0].low, found.pairs[0].p]).all()
    assert found.outlook is None
    assert "One group of images: no interval" in said(found)
    assert "fewer than" not in said(found)


def test_rows_with_different_numbers_of_seeds():
    easy = scores()
    rows = {
        "three": {seed: counts(easy + 0.1 + 0.01 * rng(seed).normal(size=20)) for seed in range(3)},
        "two": {seed: counts(easy + 0.01 * rng(9 + seed).normal(size=20)) for seed in range(2)},
        "one": {1: counts(easy)},
        "other": {7: counts(easy)},
        "none": {},
    }
    found = evidence(comparison(rows))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert np.isfinite([pair.p for pair in found.pairs]).tolist() == [True, False, False]
    assert np.isfinite(found.best).tolist() == [True, True, False, False, False]
    assert found.ranks[:2, :2].sum(axis=0) == pytest.approx(1)
    assert np.isnan(found.means[4].mean)
    # Rows of which no pair could be tested: told from nothing, and alike to nothing.
    assert set(found.verdict.rows) == {0, 1}
    assert found.answer.endswith("one and other could not be compared.")
    assert "One seed only: one and other; told from no other row." in said(found)
    assert "Rows have different seeds" in said(found)
    assert "Not compared: three and other (and 2 other pairs), as no seed is finished by both." in said(found)


def test_scores_that_are_not_there():
    rows = {f"m{index}": {seed: counts(scores(0.6, seed=seed + index)) for seed in range(3)} for index in range(2)}
    rows["m0"][1] = counts(np.full(20, np.nan))
    rows["m2"] = {seed: counts(np.full(20, np.nan)) for seed in range(3)}
    found = evidence(comparison(rows))
    assert [(pair.first, pair.second, pair.difference.seeds) for pair in found.pairs] == [(0, 1, (0, 2))]
    assert np.isnan(found.means[2].mean)
    assert "4 finished runs have no score by dice." in said(found)
    # An image without the class in truth and prediction does not enter, whichever seed and row.
    partly = scores()
    partly[3] = np.nan
    found = evidence(comparison({name: {seed: counts(partly + seed / 100) for seed in range(2)} for name in "ab"}))
    assert found.pairs[0].difference.groups == 19


def test_runs_of_one_seed_on_different_images():
    compared = networks(rng(), [0.6, 0.7, 0.8])
    row = compared.rows[0]
    other = replace(row.runs[0], counts={"test": counts(scores(), [f"x{index}" for index in range(20)])})
    found = evidence(replace(compared, rows=(replace(row, runs=(*row.runs, other)), *compared.rows[1:])))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(1, 2)]
    assert "m0: several runs of one seed are scored on different images; it is not compared." in said(found)
    # Twice the same images: their mean.
    twice = replace(row, runs=(*row.runs, row.runs[0]))
    assert len(evidence(replace(compared, rows=(twice, *compared.rows[1:]))).pairs) == 3


def test_nothing_finished():
    found = evidence(comparison({"a": {}, "b": {}}))
    assert found.answer == "No finished run has a score: there is no answer yet."
    assert (found.pairs, found.caveats, found.letters) == ((), (), ("", ""))
    assert found.ranks.shape == (2, 2)
    assert evidence(comparison({})).ranks.shape == (0, 0)


def test_pooled_counts():
    compared = networks(rng(3), [0.6, 0.7], image=0.02)
    rows = {row.label: {run.seed: run.counts["test"] for run in row.runs} for row in compared.rows}
    found = evidence(comparison(rows, convention=Convention("pooled")))
    assert found.decision.winner == 1
    assert sum(found.outlook.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("overlap", [False, True])
def test_each_seed_its_own_split(overlap):
    def own(mean, seed):
        names = [f"{0 if overlap and index < 10 else seed}-{index}" for index in range(30)]
        return counts(scores(mean, 30, seed), names)

    found = evidence(
        comparison({name: {seed: own(mean, seed) for seed in range(3)} for name, mean in (("a", 0.6), ("b", 0.7))})
    )
    (pair,) = found.pairs
    assert pair.difference.images == (70 if overlap else 90)
    assert pair.difference.mean == pytest.approx(-0.1, abs=1e-5)
    assert found.decision.winner == 1
    assert found.best == pytest.approx([0, 1], abs=0.01)
    assert found.outlook is None
    assert "Seeds are scored on different images" in said(found)


def test_rows_on_different_images_are_not_compared():
    rows = {name: {seed: counts(scores(0.7), [f"{name}{i}" for i in range(20)]) for seed in (0, 1)} for name in "ab"}
    found = evidence(comparison(rows))
    assert found.pairs == ()
    assert found.answer.startswith("Nothing could be tested: a scores highest")
    assert found.answer.endswith("but the runs are scored on different images.")


def test_few_seeds_and_groups_and_missing_runs_are_told():
    compared = networks(rng(), [0.6, 0.7])
    lost = [(run, "out of memory") for run in compared.rows[0].runs[:2]]
    rows = {row.label: {run.seed: run.counts["test"] for run in row.runs} for row in compared.rows}
    found = said(evidence(comparison(rows, unfinished=lost)))
    assert "3 seeds are few: the intervals take for granted that seeds scatter normally" in found
    assert "20 images, fewer than 50" in found
    assert "2 runs are missing from the means: if they failed" in found
    assert "best epoch" not in found
    strangers = [(replace(run, config={"model": {}}, state="failed"), "in no row") for run, _ in lost]
    strangers += [(replace(run, state="excluded"), "other data") for run, _ in lost]
    assert "missing from the means" not in said(evidence(comparison(rows, unfinished=strangers)))
    enough = evidence(networks(rng(), [0.6, 0.7], shape=(5, 50)))
    assert enough.caveats == ()


@pytest.mark.parametrize(
    ("split", "monitor", "told"), [("val", "val/loss", True), ("val", "last", False), ("test", "val/loss", False)]
)
def test_an_epoch_chosen_on_the_same_images_is_told(split, monitor, told):
    rows = {name: {seed: counts(scores(seed=seed)) for seed in (0, 1)} for name in "ab"}
    found = evidence(comparison(rows, split, config={"trainer": {"monitor": monitor}}))
    assert ("The best epoch was chosen on the val images" in said(found)) == told


def test_equal_configurations_are_told_apart_by_nothing():
    rows = {name: {seed: counts(scores(seed=seed)) for seed in range(3)} for name in "abc"}
    found = evidence(replace(comparison(rows), family="pairs"))
    assert found.letters == ("a", "a", "a")
    assert [one.verdict for one in found.decision.compared] == [0, 0, 0]
    assert [pair.probability for pair in found.pairs] == [0.5, 0.5, 0.5]
    assert found.best == pytest.approx(np.full(3, 1 / 3), abs=0.02)


@pytest.mark.slow
def test_of_many_rows_the_highest_are_compared():
    means = np.linspace(0.3, 0.8, MOST_ROWS + 5)
    found = evidence(networks(rng(), means, shape=(2, 6), seed=0.001, image=0.002, rest=0.002))
    assert len(found.pairs) == len(list(combinations(range(MOST_ROWS), 2)))
    assert set(found.verdict.rows) == set(range(5, MOST_ROWS + 5))
    assert f"Pairs are tested among the {MOST_ROWS} best rows only." in said(found)


def test_a_leader_that_loses_on_the_shared_seeds_is_not_said_to_win():
    easy = scores(images=60, spread=0.001)
    rows = {
        "lucky": {seed: counts(easy - 0.01 + 0.0005 * rng(seed).normal(size=60)) for seed in range(3)},
        "steady": {seed: counts(easy + 0.0005 * rng(9 + seed).normal(size=60)) for seed in range(3)},
        "apart": {7: counts(easy - 0.3)},
    }
    rows["lucky"][3] = counts(easy + 0.2)
    found = evidence(comparison(rows))
    assert found.verdict.word == "better"
    assert found.answer.startswith("steady is better than lucky, by 0.0")
    assert found.answer.endswith("on the seeds that both have. apart could not be compared.")
    del rows["lucky"][3]
    assert evidence(comparison(rows)).answer.startswith("steady is better than lucky: Dice 0.")
