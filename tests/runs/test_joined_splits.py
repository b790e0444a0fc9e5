"""Splits of several runs as one: every score of the whole follows from the same images."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from segbench.runs.split_labels import SplitLabels
from segbench.runs.split_overlaps import SplitOverlaps
from segbench.runs.split_scores import derive, metric_of
from segbench.scores import Convention
from segbench.scores.columns import ColumnScore, Ratio

DEPTH = ColumnScore("depth", "depth", (Ratio({"deep": 1}, {"all": 1}),))


def overlaps(ids, seed, declared=(DEPTH,)):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 50, (len(ids), 2, 4))
    columns = {name: rng.integers(1, 9, (len(ids), 2)).astype(float) for name in ("deep", "all")} if declared else {}
    groups = tuple(f"g{name}" for name in ids)
    return SplitOverlaps(ids, groups, ((5, 5 + seed),), ("a", "b"), counts, None, columns, False, declared)


def test_counts_and_columns_stand_with_their_images():
    parts = [overlaps(("b", "d"), 0), overlaps(("a", "e", "f"), 1), overlaps(("c",), 2)]
    whole = parts[0].joined(parts[1:])
    assert type(whole) is SplitOverlaps
    assert whole.ids == ("a", "b", "c", "d", "e", "f")
    assert whole.groups == tuple(f"g{name}" for name in whole.ids)
    assert whole.sizes == ((5, 5), (5, 6), (5, 7))
    for part in parts:
        for place, name in enumerate(part.ids):
            index = whole.ids.index(name)
            np.testing.assert_array_equal(whole.counts[index], part.counts[place])
            assert [whole.columns[key][index].tolist() for key in ("deep", "all")] == [
                part.columns[key][place].tolist() for key in ("deep", "all")
            ]
    weights = [len(part.ids) for part in parts]
    for name in ("dice", "depth"):
        each = [derive(part, name, Convention()) for part in parts]
        assert derive(whole, name, Convention()) == pytest.approx(np.average(each, weights=weights))


def test_a_bound_is_that_of_all_parts_and_unknown_where_one_does_not_state_it():
    bounded = replace(DEPTH, lower_is_better=True, most="all")
    one, two = overlaps(("a",), 0, (bounded,)), overlaps(("b",), 1, (bounded,))
    three = overlaps(("c",), 2, (replace(bounded, most=""),))
    most = [part.columns["all"].max() for part in (one, two)]
    assert [metric_of(part, "depth").largest for part in (one, two)] == most
    assert metric_of(one.joined([two]), "depth").largest == max(most)
    assert metric_of(one.joined([two, three]), "depth").largest == np.inf
    assert metric_of(one, "depth") == metric_of(three, "depth")


def test_a_score_that_one_lacks_is_left_out():
    whole = overlaps(("a",), 0).joined([overlaps(("b",), 1, declared=())])
    assert (whole.declared, dict(whole.columns)) == ((), {})


def test_an_image_twice_or_other_classes_are_refused():
    first = overlaps(("a", "b"), 0)
    with pytest.raises(ValueError, match="b is scored twice"):
        first.joined([overlaps(("b", "c"), 1)])
    with pytest.raises(ValueError, match="they are scored on different classes"):
        first.joined([replace(overlaps(("c",), 1), class_names=("a", "c"))])


def test_labels_stand_with_their_images():
    parts = [
        SplitLabels(
            ids, ids, ("cat", "dog"), *(np.array(values, np.uint8) for values in labels), np.array(sure, np.float32)
        )
        for ids, labels, sure in (
            (("b", "d"), ([0, 1], [0, 0]), [0.9, 0.6]),
            (("a", "c"), ([1, 1], [1, 1]), [0.7, 0.8]),
        )
    ]
    whole = parts[0].joined(parts[1:])
    table = pd.DataFrame({"id": whole.ids, "truth": whole.truth, "prediction": whole.prediction}).set_index("id")
    assert table.loc[["a", "b", "c", "d"]].to_numpy().tolist() == [[1, 1], [0, 0], [1, 1], [1, 0]]
    assert whole.probability == pytest.approx([0.7, 0.9, 0.8, 0.6])
    assert derive(whole, "accuracy", Convention()) == 0.75
