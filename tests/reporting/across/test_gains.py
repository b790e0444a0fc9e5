from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from simulated import comparison, counts

from segbench.reporting.across.gains import ALIKE, BETTER, UNDECIDED, findings
from segbench.reporting.across.table import across
from segbench.reporting.across.text import notes
from segbench.reporting.across.verdict import power, ranks_line, verdict
from segbench.reporting.statistics.intervals import paired_difference


def joined(gains, noise=0.0, images=6, seeds=2):
    """Data sets in which each network scores so much above 0.5: {name: gain of each data set, None = missing}."""
    rng = np.random.default_rng(0)
    sets = []
    for place in range(len(next(iter(gains.values())))):
        rows = {
            name: {seed: counts(0.5 + each[place] + noise * rng.normal(size=images)) for seed in range(seeds)}
            for name, each in gains.items()
            if each[place] is not None
        }
        sets.append(replace(comparison(rows), title=f"d{place}"))
    return across(sets)


def by_label(found, shown):
    return {tuple(found.networks[i].label for i in (pair.first, pair.second)): pair for pair in shown.pairs}


def test_the_mean_gain_is_over_the_data_sets_that_have_both():
    found = joined({"a": [0.1, 0.2, 0.3, 0.35], "b": [0.08, 0.15, 0.2, None], "c": [0.0, 0.0, 0.0, 0.0]}, 0.01)
    shown = findings(found)
    pairs = by_label(found, shown)
    assert list(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    pair = pairs["a", "b"]
    single = [paired_difference(*(row.done for row in found.sets[place].rows[:2]), "test", "dice", found.sets[0].convention) for place in range(3)]  # fmt: skip
    assert [gain.mean for gain in pair.gains] == [one.mean for one in single]
    assert [(gain.low, gain.high) for gain in pair.gains] == [(one.low, one.high) for one in single]
    theirs = stats.ttest_1samp([one.mean for one in single], 0)
    # Corrected for three pairs.
    assert (pair.total.low, pair.total.high) == pytest.approx(tuple(theirs.confidence_interval(1 - 0.05 / 3)))
    assert pair.p == pytest.approx(min(1, 3 * theirs.pvalue))
    assert (pair.won, len(pair.gains), len(pairs["a", "c"].gains)) == (3, 3, 4)
    # Holm's correction of 0.125 (four data sets) and twice 0.25.
    assert [pairs[names].signed_rank for names in pairs] == pytest.approx([0.5, 0.375, 0.5])
    assert shown.ranking.average == {0: 1.0, 2: 2.0}
    assert [found.networks[index].label for index in shown.order] == ["a", "c", "b"]


def test_a_baseline_shares_the_error_rate_among_the_pairs_that_have_it():
    gains = {"a": [0.1, 0.2, 0.3], "b": [0.08, 0.15, 0.2], "c": [0.0, 0.0, 0.01], "d": [0.2, 0.25, 0.4]}
    found = joined(gains, 0.01)
    whole, asked = by_label(found, findings(found)), by_label(found, findings(found, baseline=2))
    assert set(asked) == {("a", "c"), ("b", "c"), ("d", "c")}
    for names, pair in asked.items():
        assert pair.p == pytest.approx(min(1, whole[names].p / 2))
        means = [gain.mean for gain in whole[names].gains]
        theirs = stats.ttest_1samp(means, 0).confidence_interval(1 - 0.05 / 3)
        assert (pair.total.low, pair.total.high) == pytest.approx(tuple(theirs))
    sentence = verdict(found, findings(found, baseline=2))
    assert "c" in sentence
    assert "b is better than a" not in sentence


def test_networks_that_are_alike_to_a_baseline_are_not_called_alike():
    found = joined({"a": [0.0054, 0.004, 0.0026], "b": [-0.0026, -0.004, -0.0054], "c": [0.0, 0.0, 0.0]})
    assert verdict(found, findings(found, 0.01, baseline=2)).startswith("a and b are each alike to c over 3 data sets")
    assert verdict(found, findings(found, 0.1)).startswith("a, c and b are alike ")
    wide = joined({"a": [0.0, 0.0001, 0.0], "b": [-0.2, 0.1, 0.0], "c": [0.0, 0.0, 0.0]})
    assert verdict(wide, findings(wide, 0.01, baseline=2)).endswith("; how the others compare with c is undecided.")


def test_verdicts_follow_the_corrected_interval_and_the_margin():
    gains = {"a": [0.1, 0.11, 0.12, 0.1], "b": [0.1, 0.111, 0.119, 0.101], "c": [0.0, 0.001, 0.0, 0.002]}
    gains["d"] = [0.2, 0.0, 0.2, 0.05]
    found = joined(gains)
    pairs = by_label(found, findings(found, 0.01))
    words = {frozenset(names): pair.verdict for names, pair in pairs.items()}
    assert words[frozenset("ab")] == ALIKE
    assert words[frozenset("ac")] == BETTER
    assert words[frozenset("ad")] == UNDECIDED
    assert by_label(found, findings(found))["b", "a"].verdict == UNDECIDED
    for pair in pairs.values():
        assert (pair.verdict == BETTER) == (pair.p < 0.05)


def test_the_sentence_begins_with_the_verdict():
    found = joined({"a": [0.1, 0.11, 0.12], "c": [0.0, 0.001, 0.0]})
    sentence = verdict(found, findings(found, 0.01))
    assert sentence.startswith("a is better than c over 3 data sets by 0.1097 [")
    assert sentence.endswith("] in dice (95 %).")
    found = joined({"a": [0.1, 0.11, 0.12, 0.1], "b": [0.1, 0.111, 0.119, 0.101]})
    assert verdict(found, findings(found, 0.01)) == (
        "b and a are alike over 4 data sets: no mean gain is beyond 0.01 (95 %)."
    )
    assert verdict(found, findings(found)).startswith("Undecided over 4 data sets: b is ahead, over a by 0.0002 [-0.0")
    found = joined(
        {
            "a": [0.1, 0.11, 0.12, 0.1],
            "b": [0.1, 0.111, 0.119, 0.101],
            "c": [0.0, 0.0, 0.001, 0.0],
            "d": [0.2, 0, 0.2, 0],
        }
    )
    assert verdict(found, findings(found, 0.01)) == (
        "b is better than c over 4 data sets by 0.1075 [0.0808, 0.1342] in dice (95 % for all 6 pairs together);"
        " b and a are alike; whether b is better than d is undecided; a is better than c."
    )
    # All gains equal: nothing shows how they vary.
    found = joined({"a": [0.1, 0.1], "b": [0.0, 0.0]})
    assert verdict(found, findings(found, 0.01)).startswith("Undecided over 2 data sets: no two networks")


def test_lower_is_better_turns_every_gain():
    found = joined({"a": [0.1, 0.11, 0.12], "c": [0.0, 0.001, 0.0]})
    lower = replace(found, score=SimpleNamespace(name="dice", direction=-1, largest=1.0))
    (pair,) = findings(lower).pairs
    assert lower.networks[pair.first].label == "c"
    assert pair.total.mean == pytest.approx(0.1097, abs=1e-4)
    assert findings(lower).ranking.average == {0: 2.0, 1: 1.0}


def test_what_so_few_data_sets_cannot_show_is_said():
    found = joined({"a": [0.1, 0.13, 0.12], "c": [0.0, 0.001, 0.0]}, 0.02)
    lines = power(found, findings(found))
    assert lines[0] == (
        "With 3 data sets a rank test of two networks can never reach 5 %: its smallest p is 0.25; it takes 6 data sets."
    )
    assert "is found in 80 %" in lines[1]
    assert "with 3, " in lines[1]
    many = joined({"a": [0.1, 0.13, 0.12] * 3, "c": [0.0, 0.001, 0.0] * 3})
    assert not any("never" in line for line in power(many, findings(many)))
    assert "p = 0.250 (exact)" in ranks_line(found, findings(found))


def test_a_data_set_that_pairs_nothing_is_named():
    found = joined({"a": [0.1, 0.13, 0.12], "c": [0.0, 0.001, 0.0]})
    network = found.networks[1]
    others = tuple(replace(run, seed=run.seed + 9) for run in network.rows[2].runs)
    rows = (*network.rows[:2], replace(network.rows[2], runs=others))
    shown = findings(replace(found, networks=(found.networks[0], replace(network, rows=rows))))
    (pair,) = shown.pairs
    assert (len(pair.gains), shown.refused) == (2, ((0, 1, "d2: no seed is finished by both"),))


def test_a_pair_that_is_left_without_two_data_sets_is_said_with_the_reason():
    found = joined({"a": [0.1, 0.13], "c": [0.0, 0.001]})
    network = found.networks[1]
    others = tuple(replace(run, seed=run.seed + 9) for run in network.rows[1].runs)
    rows = (network.rows[0], replace(network.rows[1], runs=others))
    found = replace(found, networks=(found.networks[0], replace(network, rows=rows)))
    shown = findings(found)
    assert verdict(found, shown) == "Undecided: no two networks can be paired in two data sets or more."
    assert "a and c in d1: no seed is finished by both." in notes(found, shown)


def test_who_is_alike_to_a_third_is_not_said_to_be_alike():
    gains = {"a": [0.103, 0.097, 0.104, 0.096], "b": [0.101] * 4, "c": [0.097, 0.103, 0.096, 0.104]}
    found = joined(gains)
    shown = findings(found, 0.013)
    assert [pair.verdict for pair in shown.pairs] == [ALIKE, UNDECIDED, ALIKE]
    assert verdict(found, shown) == (
        "b is alike to each of a and c over 4 data sets (95 % for all 3 pairs together); how the others compare with"
        " one another is undecided."
    )
