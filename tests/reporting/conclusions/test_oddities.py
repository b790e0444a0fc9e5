"""What no score shows is said in one line each, and such rows are ranked nowhere."""

from dataclasses import replace

import numpy as np
from simulated import comparison, counts, pixels

from segbench.reporting import look
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.reading import shown
from segbench.reporting.text.latex import latex_table
from segbench.scores.constant import constant_counts


def scores(mean=0.8, images=20, seed=0):
    return mean + 0.02 * np.random.default_rng(seed).normal(size=images)


def everywhere(name):
    part = counts(scores())
    return replace(part, counts=constant_counts(part.counts, part.class_names, exclusive=True)[name])


def seeds(mean, *collapsed):
    return {seed: counts(scores(0.1 if seed in collapsed else mean, seed=seed)) for seed in range(3)}


def test_a_network_that_marks_everything_is_said_and_not_ranked():
    found = evidence(comparison({"all": {seed: everywhere("car") for seed in range(3)}, "good": seeds(0.8)}))
    assert found.caveats[0] == "all: predicts car everywhere with all 3 seeds (dice 0.0196), so it is not ranked."
    assert found.unranked == {0}
    assert np.isnan(found.means[0].low)
    assert np.isnan(found.ranks).all()
    assert found.answer.startswith("Only one configuration can be ranked: good, Dice 0.")


def test_a_row_with_a_collapsed_seed_is_not_the_best_even_if_its_mean_is():
    compared = comparison({"wild": seeds(0.95, 1), "low": seeds(0.4), "lower": seeds(0.3)})
    found = evidence(compared)
    assert found.caveats[0].startswith("wild: 1 of 3 seeds collapsed (seed 1: dice 0.10")
    assert found.answer.startswith("low is better than lower: Dice 0.")
    assert found.answer.endswith("wild is not ranked, as 1 of 3 seeds collapsed (learned little or nothing).")
    assert found.verdict.rows[0] == "collapsed"
    assert found.means[0].mean > found.means[1].mean
    bold = [line for line in latex_table(compared, found).splitlines() if r"\textbf{0." in line]
    assert [line.split()[0] for line in bold] == ["low"]
    assert np.isnan(found.best[0])
    assert np.isfinite(found.best[1:]).all()


def test_rows_that_score_no_more_than_one_prediction_for_everything_are_named():
    """Marking the class everywhere, which covers half of each image, has a Dice of 0.67; below it a network can know more."""

    def halves(tp, fp, there=100, names=None):
        return pixels(tp, fp, there - tp, 100 - fp, names)

    def said(rows, **more):
        return [line for line in evidence(comparison(rows, **more)).caveats if line.startswith("Predicting")]

    low = {"low": {0: halves(50, 20), 1: halves(54, 20)}}
    rows = {"good": {0: halves(80, 20), 1: halves(82, 20)}, "lost": {0: halves(2, 1), 1: halves(90, 10)}, **low}
    assert said(rows) == ["Predicting car everywhere scores 0.667: no less than low (0.604)."]
    # Marking everything misses nothing: that says nothing of a row.
    assert said(rows, metric="sensitivity_car") == said(rows, metric="specificity_car") == []
    # Of other images, or of other masks of the same, marking everything has another score.
    assert said({"other": {0: halves(80, 20, names=[f"x{index}" for index in range(20)])}, **low}) == []
    assert said({"other": {0: halves(80, 20, there=90)}, **low}) == []


def test_classes_of_which_no_row_finds_anything_are_named(architectures):
    """The mean over both classes does not show it: the ring has 0.5, the disc nothing."""
    for model, tp in (("unet", 0), ("attunet", 0)):
        for seed in range(2):
            architectures(model, seed, tp)
    said = "No row finds anything of disc (1 of 2 classes)."
    assert said in evidence(compare(collect([architectures.root]))).caveats
    architectures("fcn", 0, 20)
    assert said not in evidence(compare(collect([architectures.root]))).caveats


def test_where_every_row_collapsed_there_is_no_best():
    found = evidence(comparison({name: {0: everywhere("background")} for name in "ab"}))
    assert found.answer == "Every row has trainings that collapsed (learned little or nothing), so none can be ranked."
    assert found.caveats[2].startswith(
        "a and b are the same: identical counts of right and wrong pixels on all 20 images"
    )


def cut_short(compared, labels=None, but=None):
    """Let the runs of some rows (default: all), but for a seed, end with their best epoch, as if they had learned on."""
    trainer, summary = {"max_epochs": 5, "monitor": "val/loss"}, {"best": {"epoch": 5}, "epochs": 5}
    rows = [
        replace(
            row,
            runs=tuple(
                run
                if run.seed == but
                else replace(run, config=run.config | {"trainer": trainer}, summary=run.summary | summary)
                for run in row.runs
            ),
        )
        if labels is None or row.label in labels
        else row
        for row in compared.rows
    ]
    return replace(compared, rows=tuple(rows))


def test_what_was_still_improving_has_not_collapsed():
    found = evidence(cut_short(comparison({"wild": seeds(0.95, 1), "low": seeds(0.4), "lower": seeds(0.3)})))
    assert found.caveats[0].startswith("wild: 1 of 3 seeds learned little or nothing so far (seed 1: dice 0.10")
    assert found.answer.endswith(
        "wild is not ranked, as 1 of 3 seeds learned little or nothing by the end, while they were still improving."
    )
    assert found.verdict.rows[0] == "learned little"
    assert found.unranked == {0}


def test_what_collapsed_had_ended_also_where_the_other_seeds_were_still_improving():
    found = evidence(cut_short(comparison({"wild": seeds(0.95, 1), "low": seeds(0.4), "lower": seeds(0.3)}), but=1))
    assert found.caveats[0].startswith("wild: 1 of 3 seeds collapsed (seed 1: dice 0.10")
    assert found.answer.endswith("wild is not ranked, as 1 of 3 seeds collapsed (learned little or nothing).")


def test_of_each_row_that_is_not_ranked_the_lost_seeds_are_counted():
    found = evidence(comparison({"wild": seeds(0.95, 1), "low": seeds(0.4), "flat": seeds(0.9, 2)}))
    assert found.answer.endswith(
        "wild and flat are not ranked, as 1 of 3 seeds each collapsed (learned little or nothing)."
    )
    alone = {name: {0: part[0]} for name, part in (("good", seeds(0.9)), ("flat", {0: everywhere("background")}))}
    assert evidence(comparison(alone)).answer.endswith(
        "flat is not ranked, as its only seed collapsed (learned little or nothing)."
    )


def test_nothing_else_says_that_it_collapsed():
    compared = cut_short(
        comparison({"wild": seeds(0.95, 1), "low": seeds(0.4), "lower": seeds(0.35), "last": seeds(0.3)})
    )
    found = evidence(compared)
    (said,) = shown(compared, found)
    assert "wild has seeds that learned little or nothing: its variance is its own" in said
    assert "collapsed" not in f"{said} {' '.join(found.caveats)} {found.answer} {look.UNRANKED}"


def test_where_every_row_is_too_short_that_is_said():
    found = evidence(cut_short(comparison({name: {0: everywhere("background")} for name in "ab"})))
    assert found.answer == (
        "Every row has trainings that learned little or nothing by the end, while they were still improving,"
        " so none can be ranked."
    )


def test_where_some_rows_are_too_short_and_others_collapsed_they_are_told_apart():
    compared = cut_short(comparison({"flat": seeds(0.8, 0), "short": seeds(0.9, 1)}), ["short"])
    found = evidence(compared)
    assert found.answer == (
        "No row can be ranked: trainings of flat collapsed (learned little or nothing); trainings of short learned"
        " little or nothing by the end, while they were still improving."
    )
    assert {compared.rows[index].label: word for index, word in found.verdict.rows.items()} == {
        "flat": "collapsed",
        "short": "learned little",
    }


def test_of_two_rows_that_are_the_same_neither_is_bold():
    compared = comparison({"a": seeds(0.8), "b": seeds(0.8)})
    found = evidence(compared)
    assert found.answer.startswith(
        "a and b are the same: identical counts of right and wrong pixels on all 20 images (Dice"
    )
    assert r"\textbf{0." not in latex_table(compared, found)


def test_an_image_that_is_always_lost_is_said():
    def losing(seed):
        found = scores(seed=seed)
        found[3] = 0.05
        return counts(found)

    rows = {name: {seed: losing(seed) for seed in range(2)} for name in "ab"}
    said = evidence(comparison(rows | {"c": {seed: counts(scores(seed=seed)) for seed in range(2)}})).caveats
    assert any(
        line.startswith("a and b fail on i003 with every seed (less than half the score of a typical image)")
        for line in said
    )
    assert any(line.startswith("Every row fails on i003") for line in evidence(comparison(rows)).caveats)
