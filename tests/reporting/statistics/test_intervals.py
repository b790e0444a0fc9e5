"""Paired differences against scipy's t intervals, a second implementation by resampling, and simulated comparisons."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from segbench.reporting.collection.runs import Run
from segbench.reporting.statistics.intervals import Difference, half_width, p_value, paired_difference
from segbench.reporting.statistics.jackknife import UnpairedError, layout, parts
from segbench.runs.split_counts import SplitCounts
from segbench.runs.split_scores import derive
from segbench.scores import Convention, image_scores

DICE = Convention()


def split_counts(table: np.ndarray, groups: list[str]) -> SplitCounts:
    ids = tuple(f"i{index}" for index in range(len(groups)))
    return SplitCounts(ids, tuple(groups), ((10, 10),), ("background", "disc", "ring")[: table.shape[1]], table)


def drawn(seed: int, groups: list[str], empty: float = 0.0) -> SplitCounts:
    """Random counts; a class is absent from truth and prediction, or from the truth alone, with chance ``empty``."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 20, (len(groups), 3, 4))
    absent = rng.random(counts.shape[:2]) < empty
    counts[absent] *= [0, 0, 0, 1]
    counts[absent & (rng.random(counts.shape[:2]) < 0.5)] += [0, 5, 0, 0]
    return split_counts(counts, groups)


def runs(*splits: SplitCounts, seeds: list[int] | None = None) -> list[Run]:
    seeds = list(range(len(splits))) if seeds is None else seeds
    return [
        Run(Path(f"run{seed}"), "done", seed=seed, counts={"test": counts})
        for seed, counts in zip(seeds, splits, strict=True)
    ]


def difference(first, second, metric="dice", convention=DICE, **options) -> Difference:
    return paired_difference(first, second, "test", metric, convention, **options)


def contributions(counts: SplitCounts, metric="dice", convention=DICE) -> np.ndarray:
    return layout({0: [parts(counts, metric, convention)]}).table[0, 0]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 1 - 0.05 / 6])
def test_with_one_source_it_is_the_t_interval_of_scipy(confidence):
    scores = np.random.default_rng(0).normal(0.01, 0.02, 20)
    expected = stats.ttest_1samp(scores, 0).confidence_interval(confidence)
    for table in (scores[None], np.tile(scores, (3, 1)), np.tile(scores[:, None], (1, 5))):
        half = half_width(table, confidence)
        assert (table.mean() - half, table.mean() + half) == pytest.approx(tuple(expected), rel=1e-9)


def test_two_sources_are_added_in_quadrature():
    # By hand: seeds' means 1, 2, 3 (standard error 1/sqrt(3), t = 4.3027), groups' means 1, 3 (1, t = 12.7062), no rest.
    assert half_width(np.array([[0.0, 2], [1, 3], [2, 4]])) == pytest.approx(np.hypot(4.30265 / 3**0.5, 12.7062), 1e-5)
    # A rest of mean square 6 (sum of squares 12, 2 degrees of freedom), so e = 6 / (3 * 2) = b², counts once; but the
    # interval over groups alone stays the least.
    rest = np.array([[1.0, -1], [1, -1], [-2, 2]])
    assert half_width(np.array([[0.0, 2], [1, 3], [2, 4]]) + rest) == pytest.approx(12.7062, 1e-5)
    squares = 4.30265**2 * 20**2 / 3 + 12.7062**2 * (1 - 1 / 4)
    assert half_width(np.array([[0.0, 2], [20, 22], [40, 42]]) + rest / 2) == pytest.approx(squares**0.5, 1e-5)


def test_it_is_never_narrower_than_the_interval_over_seeds_or_over_groups():
    tables = np.random.default_rng(8).normal(size=(500, 3, 9))
    for axis, count in ((1, 9), (2, 3)):
        means = tables.mean(axis=axis)
        alone = stats.t(count - 1).ppf(0.975) * means.std(axis=1, ddof=1) / count**0.5
        assert (half_width(tables) >= alone * (1 - 1e-9)).all()


def test_many_seeds_and_groups_agree_with_resampling_both():
    # The resampling counts the rest twice, so there is little of it here.
    rng = np.random.default_rng(1)
    table = 0.5 * rng.normal(size=(40, 1)) + rng.normal(size=(1, 60)) + 0.3 * rng.normal(size=(40, 60))
    seeds, groups = (rng.multinomial(count, [1 / count] * count, 20_000) / count for count in table.shape)
    low, high = np.percentile(((seeds @ table) * groups).sum(axis=1), [2.5, 97.5])
    assert half_width(table) == pytest.approx((high - low) / 2, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 20), (2, 20), (3, 6)])
@pytest.mark.parametrize(
    ("by_seed", "by_group", "rest"),
    [(0, 1, 0), (0, 1, 0.3), (0.1, 1, 0.3), (0.3, 1, 0.3), (1, 1, 0.3), (1, 0.1, 0.1), (0.2, 0.2, 1), (0, 0, 1)],
)
def test_it_covers_what_it_says_for_few_seeds(shape, by_seed, by_group, rest):
    rng, (seeds, groups) = np.random.default_rng(2), shape
    table = by_seed * rng.normal(size=(8000, seeds, 1)) + by_group * rng.normal(size=(8000, 1, groups))
    table = table + rest * rng.normal(size=(8000, seeds, groups))
    for confidence, least in ((0.95, 0.94), (1 - 0.05 / 6, 0.985)):
        assert (np.abs(table.mean(axis=(1, 2))) <= half_width(table, confidence)).mean() > least


@pytest.mark.slow
@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize(
    "metric",
    ["dice", "iou_ring", "sensitivity_disc", "precision", "pixel_accuracy", "miou", "micro_dice", "micro_specificity"],
)
@pytest.mark.parametrize(
    "convention",
    [DICE, Convention("pooled"), Convention(empty="zero", background=True), Convention("pooled", True, "one")],
)
def test_contributions_are_those_of_scoring_again_without_each_group(metric, convention, background):
    counts = replace(drawn(5, ["b", "a", "a", "c", "d", "d", "e"], empty=0.4), background=background)
    whole = derive(counts, metric, convention)
    found = parts(counts, metric, convention)
    assert found.score == pytest.approx(whole, abs=1e-14)
    for index, name in enumerate("abcde"):
        inside = np.array(counts.groups) == name
        left, alone = (
            derive(replace(counts, counts=counts.counts[keep]), metric, convention) for keep in (~inside, inside)
        )
        assert found.loss[index] == pytest.approx(whole - left, abs=1e-14)
        assert found.own[index] == pytest.approx(alone, nan_ok=True)
        assert found.images[index] == inside.sum()


def test_contributions_of_equal_groups_are_the_means_of_their_images():
    counts = drawn(0, ["b", "a", "a", "b", "c", "c"])
    scores = image_scores(counts.counts, "dice", DICE)
    expected = [scores[[1, 2]].mean(), scores[[0, 3]].mean(), scores[[4, 5]].mean()]
    assert contributions(counts, "dice", DICE) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["dice", "iou_ring", "pixel_accuracy"])
@pytest.mark.parametrize("convention", [DICE, Convention("pooled"), Convention(empty="one", background=True)])
def test_the_difference_is_that_of_the_table(metric, convention):
    groups = ["a", "a", "b", "c", "d", "d", "d", "e"]
    first, second = ([drawn(10 * side + seed, groups, empty=0.3) for seed in range(3)] for side in (0, 1))
    found = difference(runs(*first), runs(*second), metric, convention)
    means = [np.mean([derive(counts, metric, convention) for counts in side]) for side in (first, second)]
    assert found.mean == pytest.approx(means[0] - means[1], abs=1e-12)
    assert found.low < found.mean < found.high


def test_a_ratio_varies_as_the_delta_method_says():
    # Pooled Dice is a ratio of sums, 2 TP / (2 TP + FP + FN); its linear part has a known standard error.
    groups = [f"g{index}" for index in range(400)]
    counts = drawn(3, groups)
    tp, fp, fn, _ = np.moveaxis(counts.counts[:, 1], -1, 0)
    top, bottom = 2 * tp, 2 * tp + fp + fn
    error = np.std((top - top.sum() / bottom.sum() * bottom) / bottom.mean(), ddof=1) / 20
    found = contributions(counts, "dice_disc", Convention("pooled"))
    assert np.std(found, ddof=1) / 20 == pytest.approx(error, rel=0.02)


def test_groups_without_anything_to_score_do_not_count():
    groups = ["a", "b", "b", "c", "d"]
    first, second = ([drawn(10 * side + seed, groups) for seed in range(2)] for side in (0, 1))
    for counts in (*first, *second):
        counts.counts[1:3, 2, :3] = 0
    found = difference(runs(*first), runs(*second), "dice_ring")
    kept = [[split_counts(c.counts[[0, 3, 4]], ["a", "c", "d"]) for c in side] for side in (first, second)]
    assert found == difference(runs(*kept[0]), runs(*kept[1]), "dice_ring")
    assert (found.images, found.groups) == (3, 3)
    # One network's false alarm costs it, although the other has no score there.
    first[0].counts[1, 2, 1] = 5
    alarmed = difference(runs(*first), runs(*second), "dice_ring")
    assert (alarmed.images, alarmed.groups) == (5, 4)
    assert alarmed.mean < found.mean


def test_pairs_are_the_seeds_of_both_and_repeated_runs_count_once():
    groups = list("abcd")
    counts = [drawn(seed, groups) for seed in range(5)]
    found = difference(runs(*counts[:3], seeds=[0, 1, 2]), runs(*counts[3:], seeds=[2, 0]))
    scores = [derive(part, "dice", DICE) for part in counts]
    assert found.seeds == (0, 2)
    assert found.mean == pytest.approx((scores[0] - scores[4] + scores[2] - scores[3]) / 2)
    twice = difference(runs(*counts[:3], seeds=[0, 0, 1]), runs(*counts[3:]))
    assert twice.mean == pytest.approx(((scores[0] + scores[1]) / 2 - scores[3] + scores[2] - scores[4]) / 2)


def test_one_seed_distinguishes_nothing():
    better, worse = (split_counts(np.tile([[tp, 1, 1, 9]], (4, 2, 1)), list("abcd")) for tp in (9, 5))
    alone = difference(runs(better), runs(worse))
    assert alone.low > 0
    assert alone.sign == 0
    assert difference(runs(better, better), runs(worse, worse)).sign == 1
    assert difference(runs(worse, worse), runs(better, better)).sign == -1
    assert difference(runs(better, better), runs(better, better)).sign == 0


@pytest.mark.parametrize("shape", [(3, 20), (2, 6), (1, 30), (40, 50)])
def test_the_p_value_is_the_error_rate_whose_interval_ends_at_zero(shape):
    table = np.random.default_rng(4).normal(0.1, 1, (5, *shape))
    table += np.random.default_rng(5).normal(0, 0.2, (5, shape[0], 1))
    mean = table.mean(axis=(1, 2))
    for each, values, p in zip(mean, table, p_value(mean, table), strict=True):
        assert half_width(values, 1 - p) == pytest.approx(abs(each), rel=1e-5)
    if shape[0] == 1:
        assert p_value(mean, table) == pytest.approx(stats.ttest_1samp(table[:, 0], 0, axis=1).pvalue, rel=1e-6)


def test_no_difference_has_p_1_and_a_certain_one_the_smallest():
    assert p_value(np.array([0.0, 0.1]), np.stack([np.zeros((3, 4)), np.full((3, 4), 0.1)])) == pytest.approx(
        [1, 1e-15]
    )


def test_seeds_may_have_a_split_each():
    own = [drawn(seed, [f"{'abc'[seed]}{index}" for index in range(6)]) for seed in range(3)]
    own = [replace(counts, ids=counts.groups) for counts in own]
    better = [replace(counts, counts=np.add(counts.counts, [9, 0, 0, 0])) for counts in own]
    found = difference(runs(*better), runs(*own))
    assert (found.images, found.groups, found.seeds) == (18, 18, (0, 1, 2))
    scores = [derive(a, "dice", DICE) - derive(b, "dice", DICE) for a, b in zip(better, own, strict=True)]
    assert found.mean == pytest.approx(np.mean(scores))
    # Each group was seen once: its contribution is all there is of it, beside the spread of the seeds' differences.
    errors = [np.std(scores, ddof=1) / 3**0.5]
    errors.append(
        np.std([contributions(a) - contributions(b) for a, b in zip(better, own, strict=True)], ddof=1) / 18**0.5
    )
    expected = np.hypot(stats.t(2).ppf(0.975) * errors[0], stats.t(17).ppf(0.975) * errors[1])
    assert found.high - found.mean == pytest.approx(expected)


@pytest.mark.parametrize("overlap", [False, True])
def test_it_covers_what_it_says_when_each_seed_has_its_own_split(overlap):
    rng, repeats, seeds, groups, pool = np.random.default_rng(6), 4000, 3, 20, 40 if overlap else 60
    by_group = rng.normal(size=(repeats, 1, pool)) * 0.05
    table = by_group + 0.01 * rng.normal(size=(repeats, seeds, 1)) + 0.02 * rng.normal(size=(repeats, seeds, pool))
    for seed in range(seeds):
        chosen = rng.permutation(pool)[:groups] if overlap else np.arange(seed * groups, (seed + 1) * groups)
        table[:, seed, np.setdiff1d(np.arange(pool), chosen)] = np.nan
    seen = ~np.isnan(table).all(axis=(0, 1))
    table = table[:, :, seen]
    assert (np.abs(np.nanmean(table, axis=(1, 2))) <= half_width(table)).mean() > 0.95


def test_one_group_has_no_interval():
    one = [drawn(seed, ["a"] * 4) for seed in range(4)]
    found = difference(runs(*one[:2]), runs(*one[2:]))
    assert np.isfinite(found.mean)
    assert np.isnan([found.low, found.high]).all()
    assert found.sign == 0


def test_what_cannot_be_paired_is_refused():
    counts = drawn(0, list("abcd"))
    with pytest.raises(UnpairedError, match="no seed"):
        difference(runs(counts, seeds=[0]), runs(counts, seeds=[1]))
    with pytest.raises(UnpairedError, match="different images"):
        difference(runs(counts), runs(replace(counts, ids=("x", *counts.ids[1:]))))
    with pytest.raises(UnpairedError, match="different images"):
        difference(runs(counts), runs(replace(counts, groups=tuple("aacd"))))
    with pytest.raises(UnpairedError, match="different classes"):
        difference(runs(counts), runs(replace(counts, class_names=("background", "disc", "rim"))))
    counts.counts[:, 1, :3] = 0
    with pytest.raises(UnpairedError, match="anything to score by dice_disc"):
        difference(runs(counts), runs(counts), "dice_disc")
