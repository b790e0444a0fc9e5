"""Scores of objects decide comparisons as scores of pixels do; of a distance the lower one is better."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import simulated
from scored import store

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.comparison.estimate import Estimate
from segbench.reporting.comparison.model import COSTS
from segbench.reporting.conclusions.claim_words import explanation, measured
from segbench.reporting.conclusions.claims import judge
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.figures.costs import pareto_front
from segbench.reporting.figures.differences import lines
from segbench.reporting.figures.images import image_values
from segbench.reporting.html.scores import score_table
from segbench.reporting.statistics.jackknife import parts
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.tables import markdown_body
from segbench.runs.scores_file import read_scores
from segbench.runs.split_scores import About, derive
from segbench.scores.derive import Convention
from segbench.scores.objects import OBJECT_COLUMNS, OBJECT_SCORES

pytestmark = pytest.mark.usefixtures("no_power")

LONGEST = 500.0


def with_columns(part, **columns):
    """Counts with further columns of the foreground class, 0 where not given."""
    zero = np.zeros(len(part.ids))
    columns = {"object_hausdorff_most": zero + LONGEST} | columns
    found = {name: np.asarray(columns.get(name, zero), float) for name in OBJECT_COLUMNS}
    nothing = np.full(len(part.ids), np.nan)
    values = {name: np.stack([nothing, values], 1) for name, values in found.items()}
    return replace(part, columns=values, declared=OBJECT_SCORES)


def distances(values, **more):
    """Counts whose object Hausdorff distance is that of each image, and whose Dice is what is left of the longest."""
    values = np.asarray(values, float)
    area = np.full(len(values), 1000.0)
    sides = dict.fromkeys(("object_hausdorff_truth", "object_hausdorff_predicted"), values * area)
    return with_columns(
        simulated.counts(1 - values / LONGEST, **more), object_area_truth=area, object_area_predicted=area, **sides
    )


def compared(metric, means=(60.0, 30.0, 90.0), seeds=3, images=12, spread=6.0):
    rng = np.random.default_rng(4)
    hard = 15 * rng.normal(size=images)
    rows = {}
    for index, mean in enumerate(means):
        table = mean + hard + spread * rng.normal(size=(seeds, images)) + 2 * rng.normal(size=(seeds, 1))
        rows[f"m{index}"] = {seed: distances(np.round(values.clip(1, LONGEST), 3)) for seed, values in enumerate(table)}
    found = simulated.comparison(rows, metric=metric)
    costs = dict.fromkeys(COSTS, Estimate(1.0, None, 1))
    return replace(found, rows=tuple(replace(row, costs=costs) for row in found.rows))


@pytest.fixture(scope="module")
def lower():
    return compared("object_hausdorff")


@pytest.fixture(scope="module")
def higher():
    """The same, told by a score that is the higher the shorter the distance."""
    return compared("dice")


def test_everything_but_the_sign_is_that_of_the_mirrored_score(lower, higher):
    one, two = evidence(lower), evidence(higher)
    assert one.decision.winner == two.decision.winner == 1
    assert one.verdict.rows == two.verdict.rows
    assert one.ranks == pytest.approx(two.ranks, abs=1e-3)
    assert one.best.argmax() == 1
    for mean, mirrored in zip(one.means, two.means, strict=True):
        assert mean.mean == pytest.approx(LONGEST * (1 - mirrored.mean), abs=1e-3)
        # A share's interval is symmetric on the logit scale, a distance's as it is.
        assert mean.high - mean.mean == pytest.approx(mean.mean - mean.low)
        assert mean.high - mean.low == pytest.approx(LONGEST * (mirrored.high - mirrored.low), rel=0.02)
    for pair, mirrored in zip(one.pairs, two.pairs, strict=True):
        assert pair.p == pytest.approx(mirrored.p, rel=1e-3)
        assert pair.difference.mean == pytest.approx(-LONGEST * mirrored.difference.mean, abs=1e-3)
        assert pair.probability == pytest.approx(1 - mirrored.probability)


def test_the_answer_names_the_lowest_as_the_best(lower, higher):
    assert evidence(higher).answer.startswith("m1 is the best of 3: Dice 0.")
    answer = evidence(lower).answer
    assert re.match(
        r"m1 is the best of 3: Object Hausdorff distance [\d.]+ px against [\d.]+ px, where lower is better, by ",
        answer,
    )
    assert answer.endswith("] px over m0, the next.")
    by = float(answer.partition(" by ")[2].split()[0])
    assert by == pytest.approx(evidence(lower).means[0].mean - evidence(lower).means[1].mean, abs=1)
    alike = evidence(compared("object_hausdorff", means=(30.0, 30.2, 30.1)))
    assert "may be the best: m" in alike.answer
    assert " px), or " in alike.answer or " px, or behind" in alike.answer


def test_intervals_of_a_distance_end_at_the_longest_diagonal(lower):
    assert lower.score.largest == LONGEST
    # Not so wild that a seed's masks agree with the truth half as well as another's: its row would have no interval.
    wild = compared("object_hausdorff", means=(300.0, 250.0), seeds=2, images=3, spread=100.0)
    assert wild.score.largest == LONGEST
    (pair,) = evidence(wild).pairs
    assert (pair.difference.low, pair.difference.high) == (-LONGEST, LONGEST)
    assert all(mean.high <= LONGEST for mean in evidence(wild).means)


def test_an_interval_of_a_distance_is_not_cut_at_1(lower):
    assert all(mean.high > mean.mean > mean.low > 1 for mean in evidence(lower).means)


def test_tables_set_the_lowest_first_and_in_bold(lower):
    table = score_table(lower, evidence(lower))
    assert [line.cells[0].text for line in table.lines] == ["m1", "m0", "m2"]
    assert [line.top for line in table.lines] == [True, False, False]
    assert not table.columns[table.sorted_by].down
    bold = [line for line in latex_table(lower, evidence(lower)).splitlines() if line.count("textbf") == 1]
    assert len(bold) == 1
    assert "m1" in bold[0]


def test_notes_say_how_to_read_it(lower, higher):
    said = " ".join(notes(lower))
    assert "Object Hausdorff distance in pixels: lower is better." in said
    assert "lower is better" not in " ".join(notes(higher))


@pytest.mark.parametrize(
    ("better", "than", "verdict"), [("m1", "m0", "holds"), ("m2", "m1", "does not hold"), ("m1", None, "holds")]
)
def test_claims_are_judged_the_other_way_round(lower, higher, better, than, verdict):
    entry = {"text": "x", "better": {"model": better}, "than": [{"model": than}] if than else [], "by": [0.001, 1.0]}
    (low,) = judge(lower, [entry])
    (high,) = judge(higher, [entry])
    assert low.verdict == high.verdict == verdict
    for one, two in zip(low.rivals, high.rivals, strict=True):
        assert one.difference.mean == pytest.approx(LONGEST * two.difference.mean, abs=1e-3)
    assert low.strongest.label == high.strongest.label
    assert ("+" in measured(low)) is (verdict == "holds")


def test_a_claim_about_another_score_is_judged_by_it_and_says_so(lower, higher):
    entry = {"text": "x", "better": {"model": "m1"}, "than": [{"model": "m0"}]}
    (plain,) = judge(higher, [entry])
    by_dice = replace(lower, metric="dice")
    named, same = (judge(by_dice, [entry | {"metric": metric}])[0] for metric in ("object_hausdorff", "dice"))
    (alone,) = judge(lower, [entry])
    assert same == plain
    assert replace(named, metric="") == alone
    assert named.lower_is_better
    assert measured(named) == f"object hausdorff: {measured(alone)}"
    assert "Claims: mean difference in dice (test split) over" in explanation([plain], "dice", "test", "images")[0]
    both = explanation([plain, named], "dice", "test", "images")[0]
    turned = "(test split, rival minus winner of object_hausdorff, as lower is better) over"
    assert f"Claims: mean difference in dice and object_hausdorff {turned}" in both
    alone = explanation([named], "dice", "test", "images")[0]
    turned = "(test split, rival minus winner, as lower is better) over"
    assert f"Claims: mean difference in object_hausdorff {turned}" in alone


def test_figures_take_the_lowest_for_the_best(lower):
    many = compared("object_hausdorff", means=(60.0, 30.0, 90.0, 70.0, 50.0, 80.0))
    shown = lines(evidence(many), many.direction)
    assert {line.found.first for line in shown} == {1}
    assert all(line.found.gain > 0 for line in shown)
    # The closest first.
    assert [line.found.second for line in shown] == [4, 0, 3, 5, 2]
    assert many.score.title_with_unit == "object Hausdorff distance in px"
    assert many.metric_named("object_f1_car").title_with_unit == "object F1 car"
    assert pareto_front([1, 2, 3], [-9.0, -5.0, -7.0]) == [0, 1]


def test_tables_show_scores_of_objects_where_all_runs_have_them(make_run, drawn):
    for seed in (0, 1):
        make_run("unet", seed, tp=80 + seed)
        path = make_run.root / "carvana/architectures" / f"fake-unet-dice-seed{seed}" / "scores.parquet"
        table = pd.read_parquet(path)
        for column in OBJECT_COLUMNS:
            table[column] = np.where(table["class_index"] > 0, 2.0 + seed, np.nan)
        store(path, table, About("segmentation", scores=OBJECT_SCORES))
    found = compare(collect([make_run.root]))
    assert score_names(found)[-3:] == ["object_f1", "object_dice", "object_hausdorff"]
    assert found.rows[0].scores["object_f1"].mean == pytest.approx(0.5)
    assert "| object hausdorff |" in markdown_body(found)
    make_run("unet", 2)
    assert not [name for name in score_names(compare(collect([make_run.root]))) if name.startswith("object")]


# -- from columns to scores -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    """Random terms of 9 images in 5 groups, with images that lack one side and one that lacks both."""
    rng = np.random.default_rng(2)
    terms = {name: rng.integers(0, 6, 9).astype(float) for name in ("object_tp", "object_fp", "object_fn")}
    for side in ("truth", "predicted"):
        area = rng.integers(50, 400, 9) * np.array([1, 1, 1, 1, 1, side == "truth", side != "truth", 0, 1])
        terms |= {f"object_area_{side}": area, f"object_dice_{side}": area * rng.random(9)}
        terms |= {f"object_hausdorff_{side}": area * 40 * rng.random(9)}
    for name in ("object_tp", "object_fp", "object_fn"):
        terms[name][7] = 0
    groups = ["a", "a", "b", "c", "c", "d", "e", "e", "e"]
    return with_columns(simulated.counts(np.full(9, 0.5), groups=groups), **terms)


def by_hand(part, metric, pooled):
    rows = {name: part.columns[name][:, 1] for name in OBJECT_COLUMNS}

    def one(keep):
        t = {name: values[keep].sum() for name, values in rows.items()}
        if metric == "object_f1":
            total = 2 * t["object_tp"] + t["object_fp"] + t["object_fn"]
            return 2 * t["object_tp"] / total if total else np.nan
        sides = [
            t[f"{metric}_{side}"] / t[f"object_area_{side}"]
            for side in ("truth", "predicted")
            if t[f"object_area_{side}"]
        ]
        return np.mean(sides) if sides else np.nan

    count = len(part.ids)
    return lambda keep: one(np.array(keep)) if pooled else np.nanmean([one(np.array([i])) for i in keep if i < count])


@pytest.mark.parametrize("reduction", ["per_image", "pooled"])
@pytest.mark.parametrize("metric", ["object_f1", "object_dice", "object_hausdorff"])
def test_scores_and_what_each_group_adds(drawn, metric, reduction):
    convention = Convention(reduction=reduction)
    score = by_hand(drawn, metric, reduction == "pooled")
    everything = list(range(9))
    assert derive(drawn, metric, convention) == pytest.approx(score(everything))
    assert derive(drawn, f"{metric}_car", convention) == pytest.approx(score(everything))
    assert derive(drawn, metric, replace(convention, background=True)) == pytest.approx(score(everything))
    found = parts(drawn, metric, convention)
    assert found.score == pytest.approx(score(everything))
    for name, loss in zip(found.names, found.loss, strict=True):
        rest = [index for index in everything if drawn.groups[index] != name]
        assert loss == pytest.approx(score(everything) - score(rest))
    values = image_values(drawn, metric, convention)
    assert np.nanmean(values) == pytest.approx(derive(drawn, metric, Convention()))
    assert np.isnan(values).tolist() == [index == 7 for index in everything]


@pytest.mark.parametrize(
    ("metric", "empty", "worth"),
    [
        ("object_f1", "one", 1.0),
        ("object_f1", "zero", 0.0),
        ("object_dice", "one", 1.0),
        ("object_dice", "zero", 0.0),
        ("object_hausdorff", "one", 0.0),
    ],
)
def test_what_an_image_without_objects_is_worth(drawn, metric, empty, worth):
    convention = Convention(empty=empty)
    assert image_values(drawn, metric, convention)[7] == worth
    assert image_values(drawn, f"{metric}_car", convention)[7] == worth
    others = derive(drawn, metric, Convention())
    assert derive(drawn, metric, convention) == pytest.approx((8 * others + worth) / 9)


def test_nothing_to_find_has_no_distance_where_it_is_worth_nothing(drawn):
    assert np.isnan(image_values(drawn, "object_hausdorff", Convention(empty="zero"))[7])
    assert derive(drawn, "object_hausdorff", Convention(empty="zero")) == derive(
        drawn, "object_hausdorff", Convention()
    )


def test_runs_without_objects_are_refused_in_one_line(drawn):
    plain = replace(drawn, columns={}, declared=())
    with pytest.raises(ConfigError, match="^no score 'object_dice' of a segmentation; there are"):
        derive(plain, "object_dice", Convention())
    assert np.isnan(image_values(plain, "object_dice", Convention())).all()
    assert derive(plain, "dice", Convention()) == derive(drawn, "dice", Convention())
    for metric in ("object_dise", "object_dice_background"):
        with pytest.raises(ConfigError, match=f"no score '{metric}' .* object_f1, object_dice, object_hausdorff"):
            derive(drawn, metric, Convention())


def stored(part, path, **changes):
    rows = []
    for index, name in enumerate(part.ids):
        for label, kind in enumerate(part.class_names):
            row = {"split": "test", "id": name, "group": part.groups[index], "height": 9, "width": 9}
            row |= {"class_index": label, "class_name": kind}
            row |= dict(zip(("tp", "fp", "fn", "tn"), part.counts[index, label].tolist(), strict=True))
            rows.append(row | {column: values[index, label] for column, values in part.columns.items()})
    table = pd.DataFrame(rows)
    for column, value in changes.items():
        table.loc[table.index[3], column] = value
    return store(path, table.sample(frac=1, random_state=1), About("segmentation", scores=part.declared))


def test_columns_come_back_from_the_file(drawn, tmp_path):
    found = read_scores(stored(drawn, tmp_path / "scores.parquet"))["test"]
    assert set(found.columns) == set(OBJECT_COLUMNS)
    for column, values in drawn.columns.items():
        assert np.array_equal(found.columns[column], values, equal_nan=True)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_columns_that_make_no_sense_are_refused(drawn, tmp_path, value):
    path = stored(drawn, tmp_path / "scores.parquet", object_dice_truth=value)
    with pytest.raises(ValueError, match="test: object_dice_truth must be finite numbers, 0 or more"):
        read_scores(path)


# -- classes without objects, and SEG ---------------------------------------------------------------
