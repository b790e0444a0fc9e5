"""What training shows: how far training images are ahead, and how soon the score is there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scored import rewrite

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.claim_words import explanation, measured
from segbench.reporting.conclusions.claims import judge
from segbench.reporting.statistics import measures
from segbench.reporting.statistics.jackknife import UnpairedError
from segbench.reporting.statistics.measures import half_width, measured_difference

SOONER = {"text": "Attention gets there sooner", "better": {"model": "attunet"}, "metric": "epochs_to_95"}
LESS = {"text": "Attention overfits less", "better": {"model": "attunet"}, "metric": "train_gap"}


def rising(epochs: int, best: float = 0.8) -> dict[str, object]:
    """Curves that get to 95 % of their last value after so many epochs, of ten."""
    scores = np.where(np.arange(1, 11) < epochs, 0.9 * best, 0.96 * best)
    scores[-1] = best
    return {"epoch": range(1, 11), "val/loss": np.linspace(1, 0.3, 10), "val/dice": scores}


def judged(maker, claim):
    comparison = compare(collect([maker.root]))
    return comparison, judge(comparison, [claim])[0]


def test_epochs_until_the_score_is_nearly_there(architectures):
    for seed, (attention, plain) in enumerate([(3, 6), (4, 6), (3, 5)]):
        architectures("attunet", seed, curves=rising(attention))
        # Another final score, so that each is held against its own.
        architectures("unet", seed, curves=rising(plain, best=0.5))
    comparison, claim = judged(architectures, SOONER)
    assert claim.verdict == "holds"
    found = claim.rivals[0].difference
    low, high = stats.ttest_1samp([3, 2, 2], 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((7 / 3, low, high))
    assert measured(claim) == f"epochs to 95: +2.3333 [{low:+.4f}, {high:+.4f}] over unet (3 seeds)"
    said = " ".join(explanation([claim], "dice", "test", "images"))
    assert "epochs until the validation score reached 95 % of that of the scored epoch" in said
    assert "rival minus winner, as lower is better" in said


def test_the_scored_epoch_is_the_best_one(architectures):
    """Not the last one, after which the score had fallen."""
    curves = rising(4)
    curves["val/dice"][-1] = 0.1
    architectures("unet", 0, curves=curves)
    architectures("attunet", 0, curves=rising(4))
    comparison = compare(collect([architectures.root]))
    run = comparison.rows[0].done[0] if comparison.rows[0].label == "unet" else comparison.rows[1].done[0]
    attention = next(row for row in comparison.rows if row.label == "attunet").done
    for best, epochs in ((9, 4), (2, 1), (99, 1), (None, 1), (-99, 1), (0, 1), (True, 1)):
        run.summary["best"] = {"epoch": best}
        assert measured_difference("epochs_to_95", [run], attention, comparison, 0.95).mean == epochs - 4


def score_training_images(maker, *seeds):
    """Runs of two networks with so many true positives of each seed's training images."""
    for seed, pair in enumerate(seeds):
        for model, tp in zip(("attunet", "unet"), pair, strict=True):
            path = maker(model, seed, tp=80) / "scores.parquet"
            frame = pd.read_parquet(path)
            train = frame[frame.split == "test"].assign(split="train", id=lambda rows: "train" + rows.id)
            train.loc[train.class_name == "disc", "tp"] = tp
            train["tn"] = 1000 - train.tp - train.fp - train.fn
            rewrite(path, pd.concat([frame, train]))


def test_how_far_training_images_are_ahead(architectures):
    score_training_images(architectures, (85, 95), (86, 97), (84, 93))
    comparison, claim = judged(architectures, LESS)
    assert claim.verdict == "holds"
    # The mean over disc and ring of 2 tp / (2 tp + fp + fn), of which only the disc of the training images differs.
    differences = [tp / (tp + 10) / 2 - other / (other + 10) / 2 for tp, other in ((95, 85), (97, 86), (93, 84))]
    assert claim.rivals[0].difference.mean == pytest.approx(np.mean(differences))


def test_gaps_are_alike_within_the_margin_of_the_score(architectures):
    """Which is in their unit; epochs are not."""
    score_training_images(architectures, (90, 91), (92, 91), (91, 91))
    comparison, claim = judged(architectures, LESS)
    assert (claim.verdict, claim.margin) == ("undecided", 0)
    found = claim.rivals[0].difference
    widest = max(-found.low, found.high)
    assert judge(replace(comparison, margin=1.01 * widest), [LESS])[0].verdict == "alike"
    assert judge(replace(comparison, margin=0.99 * widest), [LESS])[0].verdict == "undecided"
    assert judge(replace(comparison, margin=0.05), [SOONER])[0].margin == 0


@pytest.mark.parametrize(
    ("claim", "words"),
    [(LESS, "has no scores of its training images (data.score_train=true measures them)"),
     (SOONER, "has no val/dice of each epoch in metrics.csv")],
)  # fmt: skip
def test_what_was_not_measured_cannot_be_judged(architectures, claim, words):
    for model in ("attunet", "unet"):
        for seed in (0, 1):
            architectures(model, seed, curves={"epoch": range(3), "val/loss": [1.0, 0.5, 0.4]})
    _, found = judged(architectures, claim)
    assert found.verdict == "cannot be judged"
    assert words in found.reason


def test_what_has_learned_nothing_is_not_the_fastest(architectures):
    for seed in (0, 1):
        architectures("attunet", seed, curves=rising(1, best=0.0))
        architectures("unet", seed, curves=rising(5))
    _, found = judged(architectures, SOONER)
    assert found.verdict == "cannot be judged"
    assert "95 % of 0, the validation score of " in found.reason


def test_a_run_without_a_value_is_named(architectures, monkeypatch):
    for model in ("attunet", "unet"):
        architectures(model, 0, curves=rising(5))
    comparison = compare(collect([architectures.root]))
    monkeypatch.setattr(measures, "_VALUES", {"epochs_to_95": lambda run, comparison: np.nan})
    with pytest.raises(UnpairedError, match="has no dice on one of both sides"):
        measured_difference("epochs_to_95", *(row.done for row in comparison.rows), comparison, 0.95)


def test_one_seed_is_why_there_is_no_interval(architectures):
    """Not that one group of images decides: a measure has no images."""
    for model in ("attunet", "unet"):
        architectures(model, 0, curves=rising(5))
    _, found = judged(architectures, SOONER)
    assert found.verdict == "cannot be judged"
    assert found.reason == "with one shared seed the interval is for these trained networks only"


def test_few_seeds_that_differ_alike_by_an_epoch_decide_nothing():
    assert half_width(np.array([1.0, 1, 1]), 0.95, step=1) > 1
    assert half_width(np.array([2.0, 2, 2]), 0.95, step=1) < 2
    # Where seeds vary by more than rounding, and of what is no count, it is the paired t interval.
    for differences, step in (([3.0, 5, 1], 1), ([0.3, 0.31, 0.29], 0)):
        high = stats.ttest_1samp(differences, 0).confidence_interval(0.95).high
        assert half_width(np.array(differences), 0.95, step) == pytest.approx(high - np.mean(differences))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.2, 0.5, 1, 3])
def test_equal_networks_are_told_apart_by_their_epochs_in_5_percent_at_most(seeds, spread):
    """Epochs rounded up; half of the draws on either side of one, which makes the differences most alike."""
    chance = np.random.default_rng(0)
    epochs = np.ceil(20 + chance.normal(0, spread, (4000, 2, seeds)))
    wrong = [abs(found.mean()) > half_width(found, 0.95, step=1) for found in epochs[:, 0] - epochs[:, 1]]
    assert np.mean(wrong) < 0.06
