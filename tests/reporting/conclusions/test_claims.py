"""Claims judged by fake runs. Their images are all alike, so that the intervals are paired t intervals over seeds."""

import io
from dataclasses import replace

import numpy as np
import pytest
import simulated
from rich.console import Console
from scipy import stats

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.claim_words import measured
from segbench.reporting.conclusions.claims import judge
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.statistics.decision import Compared, Decision, Standing
from segbench.reporting.text.tables import markdown_body, print_comparison

pytestmark = pytest.mark.usefixtures("no_power")
ATTENTION = {"text": "Attention is better", "better": {"model": "attunet"}, "than": [{"model": "unet"}]}
BEST = {"text": "Attention is best", "better": {"model": "attunet"}}


def dice(tp: int) -> float:
    """By hand: disc 2 tp / (2 tp + 20), ring 0.5."""
    return (2 * tp / (2 * tp + 20) + 0.5) / 2


def compared(maker, claims, models, **options):
    """The comparison of fake runs: model name to the tp of each seed."""
    maker.comparison["claims"] = claims
    for model, tps in models.items():
        for seed, tp in enumerate(tps):
            maker(model, seed, tp, **options)
    return compare(collect([maker.root]))


def again(maker, claim):
    """Another claim, judged by the runs that are there."""
    comparison = compare(collect([maker.root]))
    return judge(comparison, [claim])[0]


def only(maker, claim, models, **options):
    (judged,) = evidence(compared(maker, [claim], models, **options)).claims
    return judged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attention", "plain", "verdict"),
    [
        ((90, 91, 90), (90, 91, 90), "holds"),
        ((90, 91, 90), (90, 90, 91), "holds"),
        ((90, 91, 80), (89, 70, 83), "undecided"),
        ((95, 96, 95), (80, 80, 81), "does not hold"),
        ((80, 80, 81), (95, 96, 95), "does not hold"),
    ],
)
def test_alike_is_an_interval_within_the_margin(architectures, attention, plain, verdict):
    alike = {"text": "Both are alike", "alike": [{"model": "attunet"}, {"model": "unet"}], "within": 0.004}
    claim = only(architectures, alike, {"attunet": attention, "unet": plain})
    assert claim.verdict == verdict
    (rival,) = claim.rivals
    assert rival.label == "unet"
    assert "alike means within 0.004" in measured(claim)
    # The same interval, and another margin.
    wide = again(architectures, alike | {"within": 0.5})
    assert wide.verdict == "holds"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x"},
        {"text": "x", "better": {"model": "unet"}, "within": 0.1},
        {"text": "x", "alike": [{"model": "unet"}, {"model": "attunet"}]},
        {"text": "x", "alike": [{"model": "unet"}], "within": 0.1},
        {"text": "x", "better": {}, "alike": [{"model": "unet"}, {"model": "attunet"}], "within": 0.1},
    ],
)
def test_a_claim_that_says_neither_or_both_is_not_judged(architectures, wrong):
    assert only(architectures, wrong, {"attunet": (90, 91), "unet": (80, 81)}).verdict == "not judged"


@pytest.mark.parametrize(
    ("attention", "plain", "verdict"),
    [
        ((95, 96, 95), (80, 80, 81), "holds"),
        ((80, 80, 81), (95, 96, 95), "does not hold"),
        ((90, 91, 80), (89, 70, 83), "undecided"),
        # Each seed's difference is a pair: these spread widely, but together.
        ((90, 60, 40), (80, 55, 38), "holds"),
    ],
)
def test_the_verdict_is_that_of_a_paired_t_interval(architectures, attention, plain, verdict):
    comparison = compared(architectures, [ATTENTION], {"attunet": attention, "unet": plain})
    (claim,) = evidence(comparison).claims
    assert (claim.verdict, claim.reason) == (verdict, "")
    (rival,) = claim.rivals
    first, second = ([dice(tp) for tp in tps] for tps in (attention, plain))
    attunet, unet = comparison.rows
    assert rival.difference.mean == pytest.approx(attunet.scores["dice"].mean - unet.scores["dice"].mean)
    oracle = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (rival.difference.low, rival.difference.high) == pytest.approx(tuple(oracle))
    stream = io.StringIO()
    print_comparison(comparison, Console(file=stream, width=240))
    figures = f"{rival.difference.mean:+.4f} [{rival.difference.low:+.4f}, {rival.difference.high:+.4f}] over unet"
    for text in (markdown_body(comparison), stream.getvalue()):
        assert "Attention is better" in text
        assert f"{figures} (3 seeds, 4 images of 2 groups)" in text
    assert f"| Attention is better | {verdict} | {figures}" in markdown_body(comparison)


def half_width(scores, pair, alpha):
    """Of the difference between two rows (K,S) that all vary alike, by the formulas of the pooling's description."""
    rows, seeds = scores.shape
    residual = scores - scores.mean(axis=1, keepdims=True)
    residual = residual - residual.mean(axis=0)
    sums = (residual**2).sum(axis=1)
    shares, free = sums / sums.sum(), seeds - 1
    uneven = rows * (shares**2).sum()
    mean_square = sums.sum() / ((rows - 1) * free) * uneven * (rows * free + 2) / (rows * (free + 2))
    quantile = stats.t.ppf(1 - alpha / 2, max((rows - 1) * free / uneven, free))
    own = sum(sums[row] * rows / (rows - 1) / free / seeds for row in pair)
    alone = min(2 * quantile**2, stats.t.ppf(1 - alpha / 2, free) ** 2) * own
    return np.sqrt(max(quantile**2 * 2 * mean_square / seeds, alone))


@pytest.mark.slow
def test_the_best_must_be_above_all_at_once(architectures):
    """Two of four rows cannot say as much of seeds as all of them."""
    tps = {"attunet": (95, 95, 96), "unet": (92, 93, 92), "segnet": (80, 80, 81), "fcn": (70, 71, 70)}
    claim = only(architectures, BEST, tps)
    assert [rival.label for rival in claim.rivals] == ["fcn", "segnet", "unet"]
    assert claim.strongest.label == "unet"
    scores = np.array([[dice(tp) for tp in each] for each in tps.values()])
    alone = stats.ttest_rel(scores[0], scores[1]).confidence_interval(1 - 0.05 / 3)
    assert alone.low < 0
    half = half_width(scores, (0, 1), 0.05 / 3)
    found = claim.strongest.difference
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((half, half))
    assert claim.verdict == "holds"
    # One figure, that of the verdict.
    assert measured(claim).startswith(f"+{found.mean:.4f} [+0.0")
    assert "] over unet, the next (3 seeds, 4 images of 2 groups)" in measured(claim)
    # By a score that is not the one that decides, each pair for itself.
    iou = again(architectures, BEST | {"metric": "iou"})
    assert iou.verdict == "undecided"


@pytest.mark.slow
def test_a_claim_has_the_error_rate_of_the_look(architectures):
    tps = {"attunet": (95, 95, 96), "unet": (92, 93, 93)}
    (claim,) = judge(compared(architectures, [ATTENTION], tps), [ATTENTION], rate=0.011)
    assert claim.confidence == pytest.approx(0.989)
    oracle = stats.ttest_rel(*([dice(tp) for tp in each] for each in tps.values())).confidence_interval(0.989)
    found = claim.rivals[0].difference
    assert (found.low, found.high) == pytest.approx(tuple(oracle))


@pytest.mark.slow
def test_not_better_within_the_margin_is_alike(architectures):
    """A near tie does not read as ignorance, where the experiment says what a near tie is."""
    claim = only(architectures, ATTENTION, {"attunet": (90, 91, 90), "unet": (90, 90, 91), "fcn": (60, 61, 60)})
    assert (claim.verdict, claim.margin) == ("undecided", 0)
    comparison = compare(collect([architectures.root]))
    stated = replace(comparison, margin=0.05)
    assert [judge(stated, [one])[0].verdict for one in (ATTENTION, BEST)] == ["alike", "alike"]
    # In units of another score it says nothing.
    assert judge(stated, [ATTENTION | {"metric": "iou"}])[0].verdict == "undecided"
    assert judge(replace(comparison, margin=0.0001), [ATTENTION])[0].verdict == "undecided"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shortlist", "ruled_out", "claims", "verdicts", "said"),
    [
        ((0,), (1, 2), [BEST], ["holds"], "+0.0010 [-0.0020, +0.0040] over unet, the next (3 seeds"),
        ((1,), (0, 2), [BEST], ["does not hold"], "-0.0010 [-0.0040, +0.0020] over unet, which is better (3 seeds"),
        (
            (0, 1),
            (2,),
            [BEST],
            ["undecided"],
            "+0.0010 over unet; it may be ahead of all others by up to 0.0100, or behind the best by up to 0.0200 (3",
        ),
        # What is not its question it does not answer.
        ((0,), (1, 2), [ATTENTION, BEST | {"metric": "iou"}], ["undecided", "undecided"], ""),
    ],
)
def test_a_claim_about_the_best_is_answered_by_the_decision_on_it(
    architectures, shortlist, ruled_out, claims, verdicts, said
):
    """Names in the order of the rows; the decision is made up, as both seldom differ."""
    comparison = compared(architectures, [BEST], {"attunet": (90, 95, 91), "unet": (89, 97, 88), "zoo": (90, 90, 93)})
    assert [row.label for row in comparison.rows] == ["attunet", "unet", "zoo"]
    standings = tuple(Standing(row, row in ruled_out, -0.02, 0.01, 0.5, shortlist[0]) for row in range(3))
    # As decide_best has them: one comparison a row, what speaks against it.
    others = [row for row in range(3) if row != shortlist[0]]
    against = [(shortlist[0], row, 0.01 if row in ruled_out else 0.5) for row in others]
    pairs = tuple(Compared(first, second, 0.001, -0.002, 0.004, p, 0.95) for first, second, p in against)
    decided = Decision("best", standings=standings, compared=pairs)
    assert decided.shortlist == shortlist
    assert [judge(comparison, [claim])[0].verdict for claim in claims] == ["undecided"] * len(claims)
    judged = judge(comparison, claims, decision=decided)
    assert [claim.verdict for claim in judged] == verdicts
    if len(claims) == 1:
        assert measured(judged[0]).startswith(said)


@pytest.mark.slow
@pytest.mark.parametrize("by", [{}, {"by": [0.001, 0.002]}])
def test_a_winner_that_is_ruled_out_is_shown_against_what_rules_it_out(architectures, by):
    """By the leader, even where the second is more surely above it; also of a claim that says by how much."""
    tps = {"attunet": (80, 83, 77), "unet": (96, 99, 90), "fcn": (93, 95, 91), "zoo": (94, 97, 90)}
    claim = only(architectures, BEST | by, tps)
    assert claim.verdict == "does not hold"
    found = evidence(compare(collect([architectures.root]))).decision
    (against,) = (one for one in found.compared if one.second == 0)
    assert measured(claim).startswith(
        f"{-against.gain:+.4f} [{-against.high:+.4f}, {-against.low:+.4f}] over unet, which"
    )


@pytest.mark.slow
def test_one_rival_above_refutes_the_best(architectures):
    claim = only(architectures, BEST, {"attunet": (80, 81, 80), "unet": (83, 84, 83), "fcn": (99, 99, 82)})
    fcn, unet = (rival.difference for rival in claim.rivals)
    assert (fcn.mean < unet.mean, fcn.sign, unet.sign) == (True, 0, -1)
    assert (claim.verdict, claim.strongest.label) == ("does not hold", "unet")


@pytest.mark.slow
def test_of_many_rivals_the_strongest_and_a_count_are_shown(architectures):
    weak = {f"weak{index}": (40 + index, 41 + index, 40 + index) for index in range(4)}
    claim = only(architectures, BEST, {"attunet": (95, 95, 95), "unet": (95, 94, 96), "top": (99, 99, 99)} | weak)
    # None of its own intervals says so, but the decision does.
    assert claim.verdict == "does not hold"
    assert "over top, which is better (3 seeds" in measured(claim)
    text = measured(again(architectures, BEST | {"metric": "iou"}))
    assert text.startswith(
        "iou: attunet is shown to be better than 4 of 6 rivals and worse than 1; the strongest: -0.0"
    )
    assert "over top (3 seeds" in text
    assert text.endswith("each interval 99.2%")


@pytest.mark.slow
def test_runs_that_are_missing_are_named(architectures):
    missing = "no finished run of"
    assert only(architectures, ATTENTION, {"attunet": (95, 96, 95)}).reason == f"{missing} model=unet"
    assert again(architectures, BEST).reason == f"{missing} any other row"
    assert again(architectures, ATTENTION | {"better": {"model": "fcn"}}).reason == f"{missing} model=fcn"
    architectures("unet", 0, state="failed", reason="disk full")
    architectures("fcn", 0, 50)
    comparison = compare(collect([architectures.root]))
    assert f"| Attention is better | cannot be judged: {missing} unet | – |" in markdown_body(comparison)
    assert not any("Letters" in line for line in notes(comparison))
    best = again(architectures, BEST)
    assert (best.verdict, best.reason) == ("cannot be judged", f"{missing} unet")
    assert [rival.label for rival in best.rivals] == ["fcn"]
    assert best.confidence == 1 - 0.05 / 2
    assert again(architectures, BEST | {"better": {"model": "unet"}}).reason == f"{missing} unet"


@pytest.mark.slow
def test_other_images_or_seeds_cannot_be_judged(architectures):
    compared(architectures, [ATTENTION], {"unet": (80, 81, 80)}, images=6)
    claim = only(architectures, ATTENTION, {"attunet": (95, 96, 95)})
    assert claim.verdict == "cannot be judged"
    assert claim.reason == "attunet and unet: the runs are scored on different images"


@pytest.mark.slow
def test_the_winner_is_one_row_and_no_rival_of_its_own(architectures):
    architectures.comparison["factors"] = ["model", "optimizer.lr"]
    for rate in (0.1, 0.01):
        for seed in (0, 1):
            architectures("attunet", seed, name=f"a{rate}{seed}", config={"optimizer.lr": rate})
    compared(architectures, [], {"unet": (80, 81)})
    claim = again(architectures, ATTENTION)
    assert (claim.verdict, claim.reason) == ("cannot be judged", "2 rows are model=attunet")
    one = {"better": {"model": "attunet", "optimizer.lr": 0.1}, "than": [{"model": "attunet"}, {"model": "unet"}]}
    assert [rival.label for rival in again(architectures, ATTENTION | one).rivals] == [
        "attunet, lr=0.01",
        "unet, lr=0.001",
    ]


def test_one_seed_is_no_verdict(architectures):
    claim = only(architectures, ATTENTION, {"attunet": (99,), "unet": (20,)})
    assert claim.verdict == "cannot be judged"
    assert claim.reason == "with one shared seed the interval is for these trained networks only"
    assert "(1 seed, 4 images" in measured(claim)


def test_one_group_is_no_verdict(architectures):
    claim = only(architectures, ATTENTION, {"attunet": (95, 96), "unet": (80, 81)}, images=2)
    assert claim.verdict == "cannot be judged"
    assert "one group" in claim.reason
    assert "[no interval] over unet (2 seeds, 2 images of 1 group)" in measured(claim)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "verdict", "said"),
    [
        ([0.008, 0.05], "holds", "the interval overlaps the claimed 0.008 to 0.05"),
        ([0.2, 0.3], "does not hold", "the interval lies below the claimed 0.2 to 0.3"),
        ([0.002, 0.001], "holds", "the interval lies above the claimed 0.001 to 0.002"),
    ],
)
def test_a_claimed_gain_is_compared_with_the_interval(architectures, by, verdict, said):
    claim = only(architectures, ATTENTION | {"by": by}, {"attunet": (95, 96, 95), "unet": (80, 80, 81)})
    assert (claim.verdict, measured(claim).endswith(said)) == (verdict, True)
    assert claim.reason == ("it gains less than claimed" if verdict == "does not hold" else "")


def test_claims_without_a_ranking_are_shown_and_not_judged(architectures):
    claims = [{"text": "Attention helps"}, {"text": "It is best", "winner": "attunet"}]
    comparison = compared(architectures, claims, {"attunet": (95, 96), "unet": (80, 81)})
    assert [claim.verdict for claim in evidence(comparison).claims] == ["not judged"] * 2
    text = markdown_body(comparison)
    assert "| Attention helps | not judged: it does not name who beats whom | – |" in text
    assert "| It is best | not judged" in text
    assert "Claims:" not in text


def test_the_notes_say_what_was_tested_and_how(architectures):
    said = " ".join(notes(compared(architectures, [ATTENTION], {"attunet": (95, 96), "unet": (80, 81)})))
    assert "Verdict: whether the row may be the best (multiple comparisons with the best, Hsu)" in said
    assert "mean difference in dice (test split)" in said


@pytest.mark.slow
def test_the_metric_and_convention_are_those_of_the_comparison(architectures):
    architectures.comparison["metric"] = "iou_disc"
    comparison = compared(architectures, [ATTENTION], {"attunet": (95, 96, 95), "unet": (80, 80, 81)})
    ious = [np.mean([tp / (tp + 20) for tp in tps]) for tps in ((95, 96, 95), (80, 80, 81))]
    assert evidence(comparison).claims[0].rivals[0].difference.mean == pytest.approx(ious[0] - ious[1])
    assert "difference in iou disc" in markdown_body(comparison)


def test_without_claims_nothing_is_said_of_them(architectures):
    assert "claim" not in markdown_body(compared(architectures, [], {"attunet": (95, 96), "unet": (80, 81)}))
    assert judge(simulated.comparison({}), []) == ()


@pytest.mark.slow
def test_better_than_one_that_predicts_the_same_does_not_hold(architectures):
    """The seeds' part by all rows makes their interval wide, though no seed and no image tells them apart."""
    claim = only(architectures, ATTENTION, {"attunet": (90, 92, 91), "unet": (90, 92, 91), "fcn": (60, 61, 66)})
    assert claim.verdict == "does not hold"
    assert claim.reason == "unet: identical counts of right and wrong pixels on all 4 images"
