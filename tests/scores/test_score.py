"""What the name of a metric means: scores state their direction, and names are matched exactly."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.scores.columns import ColumnScore, Ratio
from segbench.scores.derive import OVERALL_SCORES, SCORES
from segbench.scores.labels import ACCURACY, CLASS_SCORES
from segbench.scores.score import Metric, Share, resolve, spellings

DISTANCE = ColumnScore("hd95", "HD95", (Ratio({"sum": 1}, {"number": 1}),), lower_is_better=True, unit="mm")


def found(name, scores, classes):
    return resolve(name, scores, lambda score: () if score.name in OVERALL_SCORES else classes)


def test_a_class_called_loss_is_not_minimised():
    metric = found("dice_bone loss", SCORES.values(), ("bone loss", "bone"))
    assert (metric.score, metric.label) == (SCORES["dice"], "bone loss")
    assert (metric.direction, metric.largest, metric.title) == (1, 1, "Dice bone loss")


def test_a_class_named_like_a_score_takes_nothing_from_it():
    for label in ("hd95", "loss", "distance", "dice"):
        metric = found(f"iou_{label}", (*SCORES.values(), DISTANCE), (label,))
        assert (metric.score.name, metric.label, metric.direction) == ("iou", label, 1)
    metric = found("hd95_dice", (*SCORES.values(), DISTANCE), ("dice",))
    assert (metric.score, metric.direction, metric.largest) == (DISTANCE, -1, math.inf)


def test_a_score_named_like_the_beginning_of_another_is_not_it():
    long = Share("hd95_soft", "soft HD95")
    for order in ((DISTANCE, long), (long, DISTANCE)):
        assert found("hd95_soft", order, ("soft",)) == Metric("hd95_soft", long)
        assert found("hd95_soft_wall", order, ("wall", "soft_wall")) == Metric("hd95_soft_wall", long, "wall")
        assert found("hd95_wall", order, ("wall",)) == Metric("hd95_wall", DISTANCE, "wall")
        assert found("hd95_walls", order, ("wall",)) is None
        assert found("hd95_", order, ("wall",)) is None
        assert found("hd95_wall_", order, ("wall",)) is None


def test_spaces_may_be_underscores_and_the_class_as_it_is_written_comes_first():
    assert found("dice_left_ventricle", SCORES.values(), ("left ventricle",)).label == "left ventricle"
    for classes in (("a b", "a_b"), ("a_b", "a b")):
        assert found("dice_a_b", SCORES.values(), classes).label == "a_b"
        assert found("dice_a b", SCORES.values(), classes).label == "a b"


@pytest.mark.parametrize("name", OVERALL_SCORES)
def test_a_score_of_all_classes_together_has_no_class(name):
    scores = (*SCORES.values(), *OVERALL_SCORES.values())
    assert found(name, scores, ("cell",)) == Metric(name, OVERALL_SCORES[name])
    assert found(f"{name}_cell", scores, ("cell",)) is None


def test_units_stand_once():
    assert Metric("hd95_wall", DISTANCE, "wall").title_with_unit == "HD95 wall in mm"
    assert Metric("hd95_wall", DISTANCE, "wall").title == "HD95 wall"
    assert Metric("f1", CLASS_SCORES["f1"]).title_with_unit == "F1"


def test_shares_are_best_at_1():
    for score in (*SCORES.values(), *OVERALL_SCORES.values(), ACCURACY, *CLASS_SCORES.values()):
        assert (score.lower_is_better, score.largest, score.unit, score.empty) == (False, 1, "", "")


names = st.from_regex(r"[a-z][a-z0-9]{0,3}(_[a-z0-9]{1,3})?", fullmatch=True)
labels = st.from_regex(r"[a-z][a-z0-9]{0,3}([ _][a-z0-9]{1,3}){0,2}", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=5, unique=True), st.lists(labels, max_size=5, unique=True), st.data())
def test_every_name_means_what_it_spells(scores, classes, data):
    known = [Share(name, name) for name in scores]
    spelt = [spelling for name in scores for label in classes for spelling in spellings(name, label)]
    asked = data.draw(st.sampled_from([*scores, *spelt, "nothing"]))
    metric = resolve(asked, known, lambda _: classes)
    if asked not in (*scores, *spelt):
        assert metric is None
    elif asked in scores:
        assert (metric.score.name, metric.label) == (asked, None)
    else:
        assert metric.label in classes
        assert asked in spellings(metric.score.name, metric.label)
        assert not any(
            len(name) > len(metric.score.name) and asked in spellings(name, label)
            for name in scores
            for label in classes
        )
