"""McNemar's tests against values by hand and those of the paper; classifiers that predict alike break nothing."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from labelled import digits, label_run

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import difference_variances, evidence
from segbench.reporting.page import write_report
from segbench.reporting.plan import plan
from segbench.reporting.statistics.jackknife import layout, parts
from segbench.reporting.statistics.mcnemar import McNemar, identical_images, mcnemar
from segbench.reporting.statistics.pairs import probability_above
from segbench.reporting.text.tables import markdown_body, mcnemar_cells
from segbench.runs.split_labels import SplitLabels
from segbench.scores.labels import LABEL_CONVENTION


@pytest.mark.parametrize(
    ("alone", "exact", "mid"),
    [
        # Fagerland et al. 2013, airway hyper-responsiveness before and after transplantation: 0.070 and 0.039.
        ((1, 7), 18 / 256, 10 / 256),
        ((7, 1), 18 / 256, 10 / 256),
        ((1, 5), 14 / 64, 8 / 64),
        ((0, 5), 2 / 32, 1 / 32),
        ((2, 2), 1.0, 1.0),
        ((0, 0), 1.0, 1.0),
    ],
)
def test_p_values_are_those_by_hand(alone: tuple[int, int], exact: float, mid: float) -> None:
    found = McNemar(0, 100, *alone, identical=False)
    assert (found.exact, found.mid) == pytest.approx((exact, mid), rel=1e-12)


def test_mid_p_rejects_at_about_the_level_and_exact_less_often() -> None:
    # Of 30 images that one alone has right, each is the first's by a coin: what is rejected at 5 %, by the binomial.
    chance = [math.comb(30, k) / 2**30 for k in range(31)]
    rejected = {
        name: sum(p for k, p in enumerate(chance) if getattr(McNemar(0, 99, k, 30 - k, identical=False), name) < 0.05)
        for name in ("exact", "mid")
    }
    assert rejected["exact"] <= 0.05
    assert rejected["exact"] <= rejected["mid"] < 0.055


def test_images_are_counted_for_each_shared_seed(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, seeds in (("cnn", (0, 1, 2)), ("ff", (1, 2, 3))):
        for seed in seeds:
            label_run(make_run, model, seed, *digits(200, 0.1 if model == "cnn" else 0.3, seed + 10 * len(model)))
    rows = compare(collect([tmp_path])).rows
    found = mcnemar(rows[0].done, rows[1].done, "test")
    assert [test.seed for test in found] == [1, 2]
    truth, cnn = digits(200, 0.1, 31)
    ff = digits(200, 0.3, 21)[1]
    assert found[0].first_alone == np.sum((cnn == truth) & (ff != truth))
    assert found[0].second_alone == np.sum((cnn != truth) & (ff == truth))
    assert found[0].images == 200
    assert not identical_images(found)


def test_other_images_are_not_tested(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, images in (("cnn", 30), ("ff", 31)):
        label_run(make_run, model, 0, *digits(images, 0.3, 1))
    rows = compare(collect([tmp_path])).rows
    assert mcnemar(rows[0].done, rows[1].done, "test") == ()


def test_p_above_is_that_of_the_images_also_with_many_groups() -> None:
    # The rounding of a contribution grows with the groups: taken for a difference, it would turn ties into wins.
    images, names = 60_000, tuple(f"i{index:05d}" for index in range(60_000))
    truth = np.zeros(images, np.uint8)
    sides = []
    for wrong in (200, 219):
        prediction = (np.arange(images) < wrong).astype(np.uint8)
        labels = SplitLabels(names, names, ("a", "b"), truth, prediction, np.ones(images, np.float32))
        sides.append({0: [parts(labels, "accuracy", LABEL_CONVENTION)]})
    laid = layout(*sides)
    table = laid.table[0] - laid.table[1]
    assert np.abs(table[:, 219:]).max() > 1e-12  # there is such rounding here
    assert probability_above(table) == pytest.approx((19 + (images - 19) / 2) / images, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_identical_predictions_break_nothing(make_run, tmp_path: Path, seeds: int) -> None:  # type: ignore[no-untyped-def]
    make_run.comparison = {
        "question": "Is it better?",
        "factors": ["model"],
        "metric": "accuracy",
        "split": "test",
        "published": [{"where": {"model": "ff"}, "metric": "accuracy", "value": 0.9726, "source": "report, table 1"}],
        "claims": [{"text": "home-cooked is as good", "better": {"model": "ff"}, "than": [{"model": "home"}]}],
    }
    for model in ("ff", "home"):
        for seed in range(seeds):
            label_run(make_run, model, seed, *digits(100, 0.1, seed))
    found = compare(collect([tmp_path]))
    shown = evidence(found)
    assert shown.answer.startswith("ff and home are the same: identical predictions on all 100 images")
    assert shown.outlook is None
    difference = shown.pairs[0].difference
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)
    assert shown.pairs[0].probability == 0.5
    assert not any(compared.verdict for compared in shown.decision.compared)
    claim = evidence(found).claims[0]
    assert claim.verdict == ("does not hold" if seeds > 1 else "cannot be judged")
    assert "identical predictions on all 100 images" in claim.reason
    assert mcnemar_cells(found)[1][0][-2] == "identical predictions on all 100 images"
    assert "ours" in markdown_body(found)
    assert (tmp_path / "outputs/mnist/networks/index.html") in write_report(found)


@pytest.mark.slow
def test_the_report_shows_mcnemar_beside_ours(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, wrong in (("cnn", 0.05), ("ff", 0.3)):
        for seed in range(3):
            label_run(make_run, model, seed, *digits(200, wrong, seed + 10 * len(model)))
    found = compare(collect([tmp_path]))
    tests = mcnemar(found.rows[0].done, found.rows[1].done, "test")
    header, (row,) = mcnemar_cells(found)
    assert dict(zip(header, row, strict=True))["only A correct"] == ", ".join(str(test.first_alone) for test in tests)
    text = markdown_body(found)
    assert "McNemar's test" in text
    assert "knows nothing of seeds" in text


def test_segmentations_have_no_such_table(architectures, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model in ("unet", "attunet"):
        architectures(model=model)
    found = compare(collect([tmp_path]))
    assert mcnemar_cells(found)[1] == []
    assert "McNemar" not in markdown_body(found)


@pytest.mark.slow
def test_a_plan_from_classifiers(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, wrong in (("cnn", 0.05), ("ff", 0.3)):
        for seed in range(3):
            label_run(make_run, model, seed, *digits(500, wrong, seed + 10 * len(model)))
    variances, pairs = difference_variances(compare(collect([tmp_path])))
    assert variances is not None
    assert pairs == 1
    lines = plan(variances, "pilot", (3,), (1000, 10000))
    cells = next(line for line in lines if "1000" in line).splitlines()[-1].split("|")[2:4]
    assert 0 < float(cells[1]) < float(cells[0]) < 0.3


@pytest.mark.slow
def test_the_page_speaks_of_images_and_classes(make_run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for model, wrong in (("cnn", 0.05), ("ff", 0.3)):
        for seed in range(3):
            label_run(make_run, model, seed, *digits(200, wrong, seed + 10 * len(model)))
    found = compare(collect([tmp_path]))
    write_report(found)
    page = (found.directory / "index.html").read_text()
    shown = re.sub(r"<style>.*?</style>|<script>.*?</script>|data:image[^\"]*", "", page, flags=re.DOTALL)
    assert '<section id="mcnemar"' in shown
    texts = [shown, *((found.directory / f"table.{kind}").read_text() for kind in ("md", "csv", "tex"))]
    for text in texts:
        assert "accuracy" in text.lower()
        # Every image is its own group here, so the word would only be another one for images.
        assert not re.search(r"dice|pixel|background|label 255|resolution|groups of images|\d groups", text.lower())
    assert "f1_eel_mean" in texts[2]
    assert "eel" not in texts[3]
