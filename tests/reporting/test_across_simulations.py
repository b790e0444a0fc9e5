"""Does an answer over data sets err as seldom as it says? 2000 times so many data sets, never trained on.

The figures of docs/statistics.md: ``python -m pytest -m slow -s tests/reporting/test_across_simulations.py``.
"""

from itertools import combinations

import numpy as np
import pytest
from simulated import layouts

from segbench.reporting.statistics.data_sets import mean_gain, signed_rank
from segbench.reporting.statistics.families import holm
from segbench.reporting.statistics.friedman import friedman, ranks

NETWORKS, SEEDS, LEVEL = 4, 3, 0.05
# Images of the data sets in turn, and standard deviations of scores by seed, image and rest, as in our experiments.
IMAGES, DEVIATIONS = (5, 20, 60), (0.007, 0.018, 0.028)
# Beyond, going through the orders takes a second for each experiment.
MOST_COUNTED = 10
PAIRS = tuple(combinations(range(NETWORKS), 2))


def draw(rng, repeats, sets, between, unequal, gain=0.0):
    """Scores of networks on data sets (repeats, D, K), the first better by ``gain``.

    A network's suits a data set by the standard deviation ``between``, a pair's gain by sqrt(2) times that.
    """
    scores = between * rng.normal(size=(repeats, sets, NETWORKS))
    scores[:, :, 0] += gain
    for place in range(sets):
        images = IMAGES[place % len(IMAGES)] if unequal else 20
        scale = np.exp(0.8 * rng.normal(size=(repeats, 1))) if unequal else 1.0
        noise = [layouts(rng, repeats, (SEEDS, images), *DEVIATIONS).mean(axis=(1, 2)) for _ in range(NETWORKS)]
        scores[:, place] += scale * np.stack(noise, axis=1)
    return scores


def measure(sets, between, unequal, gain=0.0, repeats=2000, by_ranks=200):
    """Shares of experiments, by what they are shares of."""
    scores = draw(np.random.default_rng(sets), repeats, sets, between, unequal, gain)
    unknown = np.full(sets, np.nan)
    alone = [mean_gain(table[:, 0] - table[:, 1], unknown) for table in scores]
    found = {
        "pair": np.mean([found.p < LEVEL for found in alone]),
        "covered": np.mean([found.low <= gain <= found.high for found in alone]),
    }
    families = [
        [mean_gain(table[:, i] - table[:, j], unknown, LEVEL / len(PAIRS)) for i, j in PAIRS] for table in scores
    ]
    truth = [gain * (i == 0) for i, _ in PAIRS]
    found["together"] = np.mean(
        [all(one.low <= true <= one.high for one, true in zip(family, truth, strict=True)) for family in families]
    )
    found["corrected"] = np.mean([family[0].low > 0 or family[0].high < 0 for family in families])
    some = scores[:by_ranks]
    tested = [holm(np.array([signed_rank(table[:, i] - table[:, j]) for i, j in PAIRS])) for table in some]
    found["any by ranks"] = np.mean([p.min() < LEVEL for p in tested])
    if sets <= MOST_COUNTED:
        # Without ties the p-value hangs on the sums of the ranks alone, in any order.
        sums = {tuple(np.sort(ranks(table).sum(axis=0))): table for table in some}
        p = {key: friedman(ranks(table)).p for key, table in sums.items()}
        found["friedman"] = np.mean([p[tuple(np.sort(ranks(table).sum(axis=0)))] < LEVEL for table in some])
    return found


def show(sets, between, unequal, gain, found):
    shares = ", ".join(f"{key} {100 * share:.1f} %" for key, share in found.items())
    print(f"{sets} data sets, between {between}, {'un' * unequal}equal, gain {gain}: {shares}")


@pytest.mark.slow
@pytest.mark.parametrize("unequal", [False, True], ids=["equal", "unequal"])
@pytest.mark.parametrize("between", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("sets", [3, 5, 10, 20])
def test_without_a_gain_it_errs_as_seldom_as_it_says(sets, between, unequal):
    found = measure(sets, between, unequal)
    show(sets, between, unequal, 0, found)
    # 5 %, and 1.5 % for chance.
    assert found["pair"] <= 0.065
    assert found["covered"] >= 0.935
    assert found["together"] >= 0.935
    # 200 experiments, and a test that is discrete.
    assert found["any by ranks"] <= 0.09
    assert found.get("friedman", 0) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("sets", [3, 5, 10, 20])
def test_a_gain_is_found_the_oftener_the_more_data_sets_there_are(sets):
    found = {between: measure(sets, between, False, gain=0.03) for between in (0.01, 0.03)}
    for between, shares in found.items():
        show(sets, between, False, 0.03, shares)
        assert shares["together"] >= 0.935
    assert found[0.01]["pair"] > found[0.03]["pair"]
    assert found[0.01]["pair"] >= {3: 0.3, 5: 0.8, 10: 0.95, 20: 0.95}[sets]


def test_three_data_sets_err_as_seldom_as_they_say():
    scores = draw(np.random.default_rng(0), 600, 3, 0.02, True)
    found = [mean_gain(table[:, 0] - table[:, 1], np.full(3, np.nan)).p < LEVEL for table in scores]
    assert 0.01 < np.mean(found) < 0.075
