"""Does the test reject as often as it says, and does the interval cover? 1000 experiments that were never trained.

The figures of docs/statistics.md: ``python -m pytest -m slow -s tests/reporting/test_simulations.py``.
"""

import numpy as np
import pytest
from scipy import stats
from simulated import layouts, networks, sign_flips

from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.statistics.intervals import half_width, p_value
from segbench.reporting.statistics.power import POWER, detectable
from segbench.reporting.statistics.variance_components import Components

# Standard deviations of a paired difference by seed, image and rest; the first as in the cardiac experiments.
MIXTURES = {
    "as measured, seeds alike": (0.0, 0.026, 0.040),
    "as measured, seeds differ": (0.0095, 0.008, 0.040),
    "seeds alone": (0.01, 0.0, 0.0),
    "images alone": (0.0, 0.03, 0.0),
    "seeds more": (0.02, 0.03, 0.02),
    "equal shares": (0.03, 0.03, 0.03),
    "rest alone": (0.0, 0.0, 0.04),
}
SHAPES = [(3, 20), (3, 50), (2, 20), (5, 50)]
# Of these the test should reject just 5 %; of the others less, but a test that never rejects would be of no use.
ONE_SOURCE = ("seeds alone", "images alone")
LEAST = 0.003
# Each is a whole comparison with everything that a report says, at about 50 ms: all where figures are printed, else some.
EXPERIMENTS, SOME = 250, 100


@pytest.fixture
def printed(pytestconfig):
    """Whether figures are printed, as by ``-s``: what is only shown is not worked out otherwise."""
    return pytestconfig.option.capture == "no"


@pytest.fixture
def experiments(printed):
    return range(EXPERIMENTS if printed else SOME)


def bootstrap_rejects(table: np.ndarray, rng: np.random.Generator, draws: int = 1000) -> bool:
    """Whether the 95 % percentile interval of a hierarchical bootstrap over seeds and groups leaves out 0."""
    seeds, groups = (rng.multinomial(count, [1 / count] * count, draws) / count for count in table.shape)
    low, high = np.percentile(((seeds @ table) * groups).sum(axis=1), [2.5, 97.5])
    return bool(low > 0 or high < 0)


def rejections(shape, deviations, rivals, repeats=1000, seed=0) -> dict[str, float]:
    """Share of experiments without a true difference in which we find one at 5 %, and other methods do."""
    rng = np.random.default_rng(seed)
    tables = layouts(rng, repeats, shape, *deviations)
    means, images = tables.mean(axis=(1, 2)), tables.mean(axis=1)
    ours = {
        "ours": float((p_value(means, tables) < 0.05).mean()),
        "interval": float((np.abs(means) > half_width(tables)).mean()),
    }
    if not rivals:
        return ours
    return ours | {
        "bootstrap": float(np.mean([bootstrap_rejects(table, rng) for table in tables])),
        "sign flips": float((sign_flips(images) < 0.05).mean()),
        "wilcoxon": float((stats.wilcoxon(images, axis=1).pvalue < 0.05).mean()),
    }


@pytest.mark.parametrize("deviations", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("shape", [(3, 20), pytest.param((3, 50), marks=pytest.mark.slow)])
def test_it_does_not_reject_more_often_than_it_says(shape, deviations):
    tables = layouts(np.random.default_rng(0), 4000, shape, *deviations)
    means = tables.mean(axis=(1, 2))
    rejected = p_value(means, tables) < 0.05
    assert LEAST < rejected.mean() < 0.065
    # The test and the interval say the same.
    assert (rejected == (np.abs(means) > half_width(tables))).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 20), (2, 50)])
def test_with_one_source_of_variance_it_rejects_in_just_5_percent(shape):
    for deviations in (MIXTURES["seeds alone"], MIXTURES["images alone"]):
        tables = layouts(np.random.default_rng(1), 8000, shape, *deviations)
        assert (p_value(tables.mean(axis=(1, 2)), tables) < 0.05).mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_difference_that_is_called_detectable_is_found_with_its_sign(shape):
    for name, (seed, image, rest) in MIXTURES.items():
        true = detectable(Components(seed**2, image**2, rest**2), *shape)
        tables = true + layouts(np.random.default_rng(2), 2000, shape, seed, image, rest)
        means = tables.mean(axis=(1, 2))
        rejected = p_value(means, tables) < 0.05
        print(f"{shape[0]} seeds x {shape[1]} images, {name:28} {true:.4f} found in {rejected.mean():.1%}")
        assert rejected.mean() == pytest.approx(POWER, abs=0.04), name
        assert (rejected & (means < 0)).mean() <= 0.002, name


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shape", SHAPES)
def test_1000_experiments_without_a_difference(printed, shape):
    print(f"\n{shape[0]} seeds x {shape[1]} images")
    for name, deviations in MIXTURES.items():
        found = rejections(shape, deviations, rivals=printed)
        print(f"{name:28}" + "".join(f"{method} {share:6.1%}  " for method, share in found.items()))
        # 5 % + 1.5 %: never above, but far below where several sources vary.
        assert (0.035 if name in ONE_SOURCE else LEAST) <= found["ours"] <= 0.065
        assert found["interval"] == found["ours"]


def coverage(tables: np.ndarray, true: float = 0.0) -> float:
    """Share of experiments whose interval holds the true difference."""
    return float((np.abs(tables.mean(axis=(1, 2)) - true) <= half_width(tables)).mean())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("shape", "heavy"), [((3, 20), False), ((2, 20), False), ((5, 50), False), ((3, 20), True)])
def test_coverage_of_20000_experiments(shape, heavy):
    rng = np.random.default_rng(3)
    found = []
    for seed, image, rest in MIXTURES.values():
        draw = (lambda size: rng.standard_t(3, size)) if heavy else (lambda size: rng.normal(size=size))
        parts = [(seed, (shape[0], 1)), (image, (1, shape[1])), (rest, shape)]
        found.append(coverage(sum(deviation * draw((20_000, *size)) for deviation, size in parts)))
    print(f"\n{shape[0]} seeds x {shape[1]} images{', t(3)' * heavy}: covered {min(found):.1%} to {max(found):.1%}")
    assert min(found) >= 0.94
    # Most where several sources vary: docs/statistics.md says up to 99 %.
    assert max(found) <= 0.995


@pytest.mark.slow
def test_skewed_groups_and_rare_failures_are_covered_less_as_the_docs_say():
    rng = np.random.default_rng(4)
    seeds = 0.001 * rng.normal(size=(20_000, 3, 1))
    skewed = coverage(seeds + rng.exponential(size=(20_000, 1, 20)), 1.0)
    rare = coverage(seeds + (rng.random((20_000, 1, 20)) < 0.05), 0.05)
    print(f"\nskewed groups: covered {skewed:.1%}; a failure in one group of twenty: {rare:.1%}")
    assert 0.90 <= skewed <= 0.93
    assert 0.6 <= rare <= 0.68


@pytest.mark.slow
@pytest.mark.usefixtures("no_power")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("images", [20, 50])
@pytest.mark.parametrize(("seed", "image", "rest"), [(0.007, 0.018, 0.028), (0.014, 0.02, 0.014)])
def test_whole_experiments_of_four_equal_networks(experiments, images, seed, image, rest):
    pairs, family, covered, means, sure, best = [], [], [], [], [], []
    for number in experiments:
        found = evidence(networks(np.random.default_rng(number), [0.7] * 4, (3, images), seed, image, rest))
        pairs += [pair.p < 0.05 for pair in found.pairs]
        family.append(len(found.decision.ruled_out) / len(found.means))
        covered += [pair.difference.low <= 0 <= pair.difference.high for pair in found.pairs]
        means += [mean.low <= 0.7 <= mean.high for mean in found.means]
        sure.append(found.best.max() > 0.95)
        best.append(found.best[0])
    print(
        f"\n3 seeds x {images} images, standard deviations {seed}, {image}, {rest}: a pair {np.mean(pairs):.1%}, any row"
        f" ruled out {np.mean(np.array(family) > 0):.1%}, difference covered {np.mean(covered):.1%}, mean covered"
        f" {np.mean(means):.1%}, P(best) above 95 % {np.mean(sure):.1%}, mean P(best) {np.mean(best):.3f}"
    )
    assert 0.01 <= np.mean(pairs) <= 0.065
    # Each of the four is the best, and so stays in 95 % of experiments.
    assert LEAST <= np.mean(family) <= 0.05
    assert 0.93 <= np.mean(covered) <= 0.99
    assert 0.93 <= np.mean(means) <= 0.99
    assert np.mean(best) == pytest.approx(0.25, abs=0.03)


@pytest.mark.slow
@pytest.mark.usefixtures("no_power")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("times", "single", "family"), [(1, 0.8, 0.75), (2, 0.95, 0.95)])
def test_whole_experiments_with_one_network_above_three_equal_ones(experiments, monkeypatch, times, single, family):
    # Half of the time that the rest takes, and not looked at.
    ranks = "segbench.reporting.conclusions.evidence.rank_probabilities"
    monkeypatch.setattr(ranks, lambda rows, **_: np.full((len(rows), len(rows)), np.nan))
    shape, deviations = (3, 50), (0.014, 0.02, 0.014)
    # The difference of two networks varies twice as much as each of them.
    true = times * detectable(Components(*(2 * deviation**2 for deviation in deviations)), *shape)
    told, apart, wrong, covered, alarm = [], [], [], [], []
    for number in experiments:
        drawn = networks(np.random.default_rng(number), [0.5 + true, *[0.5] * 3], shape, *deviations)
        found = evidence(drawn)
        own = [pair for pair in found.pairs if pair.first == 0]
        told += [pair.p < 0.05 for pair in own]
        apart += [index in found.decision.ruled_out for index in (1, 2, 3)]
        wrong += [pair.p < 0.05 and pair.difference.mean < 0 for pair in own]
        covered += [pair.difference.low <= true <= pair.difference.high for pair in own]
        alarm.append(any(one.verdict for one in found.decision.compared if 0 not in one.rows))
    print(
        f"\n{shape[0]} seeds x {shape[1]} images, standard deviations {deviations}, one network {true:.3f} above three:"
        f" rejected {np.mean(told):.1%}, ruled out {np.mean(apart):.1%}, with the wrong sign {np.mean(wrong):.2%},"
        f" difference covered {np.mean(covered):.1%}, any two of the equal ones told apart {np.mean(alarm):.1%}"
    )
    assert np.mean(told) >= single
    assert np.mean(apart) >= family
    assert np.mean(wrong) <= 0.002
    assert 0.93 <= np.mean(covered) <= 0.99
    assert np.mean(alarm) <= 0.05
