from dataclasses import replace

import numpy as np
import pytest
from simulated import comparison, counts

from segbench.errors import ConfigError
from segbench.reporting.across.table import across
from segbench.scores.constant import constant_counts


def scored(title, means, **more):
    """One data set: networks with these mean scores, two seeds on four images."""
    rng = np.random.default_rng(len(title))
    seeds = {
        name: {seed: counts(mean + 0.01 * rng.normal(size=4)) for seed in range(2)} if mean else {}
        for name, mean in means.items()
    }
    return replace(comparison(seeds, **more), title=title)


def marked(found, fingerprint, choice="x", **told):
    """The same data set with this fingerprint and choice, and what else its runs tell."""
    told |= {"fingerprint": fingerprint}
    rows = [
        replace(row, runs=tuple(replace(run, summary={"data": told}, choices=run.choices | {"data": choice}) for run in row.runs))
        for row in found.rows
    ]  # fmt: skip
    return replace(found, rows=tuple(rows))


def test_rows_are_joined_by_equal_values_and_what_is_missing_is_named():
    found = across(
        [
            scored("a", {"unet": 0.8, "segnet": 0.7, "fcn": 0.6}),
            scored("b", {"segnet": 0.6, "unet": 0.7}),
            scored("c", {"unet": 0.9, "segnet": 0.8, "fcn": None, "own": 0.5}),
        ]
    )
    assert found.names == ("a", "b", "c")
    assert sorted(network.label for network in found.networks) == ["fcn", "own", "segnet", "unet"]
    by_label = {network.label: found.means[index] for index, network in enumerate(found.networks)}
    assert by_label["unet"] == pytest.approx([0.8, 0.7, 0.9], abs=0.02)
    assert np.isnan(by_label["fcn"]).tolist() == [False, True, True]
    assert [network.complete for network in found.networks if network.label in ("unet", "own")] == [True, False]
    assert set(found.missing) == {
        "fcn is not in b.",
        "fcn has no finished run with a score in c.",
        "own is not in a and b.",
    }


def test_two_networks_that_no_two_data_sets_have_both_are_refused():
    sets = [scored("a", {"unet": 0.8}), scored("b", {"unet": 0.8, "segnet": 0.7}), scored("c", {"segnet": 0.7})]
    with pytest.raises(ConfigError, match="any two of a, b and c share fewer than two rows by model"):
        across(sets)


def test_experiments_of_one_name_are_told_apart():
    means = {"unet": 0.8, "segnet": 0.7}
    assert across([scored("a", means), scored("a", means)]).names == ("a (1)", "a (2)")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (scored("b", {"unet": 0.7, "segnet": 0.6}, metric="iou"), "are decided by different things, dice (higher is better) and iou"),
        (scored("b", {"own": 0.7, "other": 0.6}), "share fewer than two rows by model"),
        (replace(scored("b", {"unet": 0.7, "segnet": 0.6}), factors=("loss",)), "vary by different things, model and loss"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(other, words):
    with pytest.raises(ConfigError) as refused:
        across([scored("a", {"unet": 0.8, "segnet": 0.7}), other])
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_data_set_is_none_too_many():
    with pytest.raises(ConfigError, match="two data sets or more"):
        across([scored("a", {"unet": 0.8, "segnet": 0.7})])


def test_the_same_files_are_no_two_data_sets():
    first, second = (scored(name, {"unet": 0.8, "segnet": 0.7}) for name in "ab")
    with pytest.raises(ConfigError, match="a and b are of the same files"):
        across([marked(first, "f1"), marked(second, "f1")])
    with pytest.raises(ConfigError, match="a and b are of the same files"):
        across([marked(first, "f1", content="c"), marked(second, "f2", content="c")])
    (caveat,) = across([marked(first, "f1"), marked(second, "f2")]).caveats
    assert "a and b are all data=x" in caveat
    assert not across([marked(first, "f1"), marked(second, "f2", "y")]).caveats


def test_other_settings_and_splits_are_said():
    first = scored("a", {"unet": 0.8, "segnet": 0.7}, config={"optimizer": {"lr": 0.1}, "data": {"size": 3}})
    second = scored(
        "b", {"unet": 0.8, "segnet": 0.7}, config={"optimizer": {"lr": 0.2}, "data": {"size": 4}}, split="val"
    )
    caveats = across([first, second]).caveats
    assert "Between data sets the settings of a row differ also in optimizer.lr." in caveats
    assert "Scores are of different splits: test of a and val of b." in caveats


def test_a_network_that_learned_nothing_on_a_data_set_is_named():
    first, second = (scored(name, {"unet": 0.8, "segnet": 0.7}) for name in "ab")
    assert not across([first, second]).caveats
    (row, other), seen = second.rows, second.rows[0].runs[0].counts["test"]
    empty = replace(seen, counts=constant_counts(seen.counts, seen.class_names, exclusive=True)["background"])
    blind = replace(row, runs=tuple(replace(run, counts={"test": empty}) for run in row.runs))
    (caveat,) = across([first, replace(second, rows=(blind, other))]).caveats
    assert caveat.startswith("On b unet predicts background everywhere with all 2 seeds")
    assert caveat.endswith("; it counts as it is.")
