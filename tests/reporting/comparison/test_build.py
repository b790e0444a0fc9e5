import csv
import io
import math
import statistics

import pandas as pd
import pytest
from rich.console import Console
from scored import rewrite

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.comparison.columns import score_names
from segbench.reporting.comparison.estimate import estimate
from segbench.reporting.comparison.words import show_better, show_duration, show_p, show_probability
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes, own_notes
from segbench.reporting.figures.curves import _panels
from segbench.reporting.html.scores import score_table
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import (
    markdown_body,
    other_score_cells,
    print_comparison,
    score_cells,
)
from segbench.scores import Convention

# By hand: disc 2*90/(2*90+20) = 0.9 and ring 100/200 = 0.5, so 0.7; with tp = 80 disc is 160/180.
DICE_90, DICE_80 = 0.7, (160 / 180 + 0.5) / 2


def compared(maker, **options):
    return compare(collect([maker.root]), **options)


def printed(comparison) -> str:
    stream = io.StringIO()
    print_comparison(comparison, Console(file=stream, width=240))
    return stream.getvalue()


def test_mean_and_sample_standard_deviation_over_seeds(architectures):
    for model, tps in (("unet", (90, 80)), ("attunet", (90, 90, 80))):
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp)
    attunet, unet = compared(architectures).rows
    assert (attunet.values, unet.values) == (("attunet",), ("unet",))
    value = attunet.scores["dice"]
    assert value.mean == pytest.approx(statistics.mean([DICE_90, DICE_90, DICE_80]))
    assert value.spread == pytest.approx(statistics.stdev([DICE_90, DICE_90, DICE_80]))
    assert (value.n, unet.scores["dice"].n) == (3, 2)
    assert unet.scores["dice_disc"].mean == pytest.approx((0.9 + 160 / 180) / 2)
    assert unet.scores["dice_ring"].mean == pytest.approx(0.5)
    assert unet.scores["iou"].mean == pytest.approx(((90 / 110 + 1 / 3) / 2 + (80 / 100 + 1 / 3) / 2) / 2)
    assert unet.scores["pixel_accuracy"].mean == pytest.approx((0.74 + 0.73) / 2)


def test_published_figure_stands_beside_ours(architectures):
    architectures("unet", tp=90)
    architectures("attunet", tp=80)
    comparison = compared(architectures)
    header, (attunet, unet) = score_cells(comparison)
    assert header[-2:] == ["published", "difference"]
    assert unet[-2:] == ["0.75", "-0.0500"]
    assert attunet[-2:] == ["–", "–"]
    assert "report X, table 1" in markdown_body(comparison)


def test_a_published_figure_stands_at_every_row_that_it_fits(architectures):
    architectures.comparison |= {"factors": ["optimizer.lr"]}
    for rate, tp in ((0.001, 90), (0.01, 80)):
        architectures("unet", tp=tp, name=f"unet-{rate}", config={"optimizer.lr": rate})
    comparison = compared(architectures)
    assert [row.published.value for row in comparison.rows] == [0.75, 0.75]
    assert [entry.row for entry in comparison.published if entry.metric == "dice"] == [0, 1]
    text = markdown_body(comparison)
    assert "ours: none" not in text
    for row in comparison.rows:
        assert f"model=unet ({row.label}): dice 0.75; ours {row.scores['dice'].mean:.4f}" in text


def test_published_figures_without_a_row_or_a_score_are_listed(architectures):
    architectures.comparison["published"] += [
        {"where": {"model": "segnet"}, "metric": "dice", "value": 0.9, "source": "s"},
        {"where": {"model": "unet"}, "metric": "val/loss", "value": 0.018, "source": "epoch 2"},
        {"where": {"model": "unet"}, "metric": "iou", "value": 0.5},
        {"where": {}, "metric": "dice", "value": 0.8},
    ]
    architectures("unet")
    text = markdown_body(compared(architectures))
    assert "model=segnet: dice 0.9; ours: none" in text
    assert "model=unet: val/loss 0.018; ours: none" in text
    assert "- all runs: dice 0.8; ours" in text
    assert f"model=unet: iou 0.5; ours {(90 / 110 + 1 / 3) / 2:.4f}" in text


def test_the_experiment_says_what_its_rows_are(architectures):
    architectures.comparison["rows"] = {"attunet": "with attention gates", "unet": None, "fcn": "was not trained"}
    for model in ("unet", "attunet"):
        architectures(model)
    found = compared(architectures)
    assert found.described == {"attunet": "with attention gates"}
    assert own_notes(found)[1] == "Rows. attunet: with attention gates."


def test_a_difference_of_protocol_is_said_where_a_run_has_its_settings(architectures):
    architectures.comparison["differences"] = {
        "cars": "12 cars",
        "dropped": None,
        "rate": {"text": "a rate", "where": {"optimizer.lr": 0.001}},
        "other": {"text": "another network", "where": {"optimizer.lr": 0.001, "model": "attunet"}},
        "both": {"text": "a network", "where": {"optimizer.lr": 0.001, "model": "unet"}},
    }
    architectures("unet")
    assert set(compared(architectures).differences) == {"12 cars", "a rate", "a network"}


def test_what_the_command_line_set_is_a_difference_and_what_is_swept_is_none(architectures):
    given = ["model=unet", "seed=0", "variant=a/b", "trainer.max_epochs=1", "trainer.threads=1", "paths.outputs=/x"]
    architectures("unet", overrides=given)
    architectures("unet", 1, overrides=["model=unet", "seed=1", "+model.depth=2"])
    *_, said = compared(architectures).differences
    assert said.endswith("whatever the experiment says: trainer.max_epochs=1, +model.depth=2.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("convention", "expected"),
    [(Convention(), DICE_90), (Convention(background=True), (1200 / 1250 + 1.4) / 3), (Convention("pooled"), DICE_90)],
)
def test_the_convention_decides_and_is_printed(architectures, convention, expected):
    architectures("unet")
    comparison = compared(architectures, convention=convention)
    assert comparison.rows[0].scores["dice"].mean == pytest.approx(expected)
    for text in (markdown_body(comparison), printed(comparison), csv_text(comparison)):
        assert convention.describe() in text
    assert "test split; 4 images; resolution 50x20; 2 groups; seeds 0." in printed(comparison)


def test_one_seed_has_no_spread_and_says_so(architectures):
    architectures("unet")
    comparison = compared(architectures)
    assert score_cells(comparison)[1][0][2] == "0.7000 (n=1)"
    assert "One seed for each row: there is no spread" in markdown_body(comparison)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attention", "plain", "word", "said"),
    [
        ((91, 80), (90, 80), "alike", "attunet and unet are alike: Dice 0."),
        ((99, 98), (80, 79), "better", "attunet is better than unet: Dice 0.704 against 0.694, by 0.010 ["),
        ((99, 98), (80,), "undecided", "One shared seed: attunet scores highest"),
    ],
)
def test_the_answer_stands_on_top(architectures, attention, plain, word, said):
    for model, tps in (("attunet", attention), ("unet", plain)):
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp)
    comparison = compared(architectures)
    assert markdown_body(comparison).startswith(f"Is attention worth its weights?\n\n**{word.capitalize()}.** {said}")
    lines = printed(comparison).splitlines()
    assert lines[1].startswith("carvana/architectures")
    assert lines[2].startswith(f"{word.upper()}  {said}")


@pytest.mark.slow
def test_what_the_tests_say_has_columns_where_there_is_any(architectures):
    for model, tps in (("attunet", (95, 96)), ("unet", (80, 81))):
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp)
    found = evidence(compared(architectures))
    header, (attunet, unet) = score_cells(compared(architectures))
    assert header[:7] == [
        "model",
        "finished",
        "dice",
        "range over groups of images",
        "verdict",
        "published",
        "difference",
    ]
    interval = f"{found.means[0].low:.4f} to {found.means[0].high:.4f}"
    assert attunet[3:5] == [interval, "best"]
    assert unet[4] == "not best"
    said = " ".join(notes(compared(architectures)))
    assert "Verdict: whether the row may be the best" in said
    architectures("fcn", 0, state="failed", reason="disk full")
    header, cells = score_cells(compared(architectures))
    assert cells[1][3:5] == ["–", "–"]


def test_no_probability_is_shown_as_certain():
    assert [show_probability(value) for value in (0, 0.654, 1)] == ["<0.01", "0.65", ">0.99"]
    # On which side of 5 % it is can be seen.
    assert [show_p(value) for value in (0.00001, 0.0316, 0.0496, 0.04999, 0.0504, 0.0505)] == [
        "< 0.001", "0.032", "0.0496", "0.04999", "0.0504", "0.051"]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "cases", "seeds", "shown"),
    [(0.654, 60, 3, "65%"), (1.0, 60, 3, "60 of 60"), (0.0, 60, 3, "0 of 60"), (0.999, 1000, 3, ">99%"),
     (0.001, 1000, 3, "<1%"), (0.5, 21, 1, "10.5 of 21"), (1.0, 20, 1, "20 of 20"), (math.nan, 0, 3, "–")],
)  # fmt: skip
def test_no_share_is_shown_as_certain_and_one_seed_is_counted(share, cases, seeds, shown):
    assert show_better(share, cases, seeds) == shown


@pytest.mark.slow
def test_where_all_images_score_the_same_there_is_no_interval(architectures):
    """One without width would claim to know what other images score."""
    for model in ("attunet", "unet"):
        architectures(model, 0)
    header, _ = score_cells(compared(architectures))
    assert "95 % interval" not in header
    assert "attunet and unet: all images score the same, so there is no interval" in " ".join(
        notes(compared(architectures))
    )


@pytest.mark.slow
def test_one_seed_has_an_interval_over_images_and_no_letters(architectures):
    images = 24
    for model in ("attunet", "unet"):
        path = architectures(model, 0, images=images) / "scores.parquet"
        frame = pd.read_parquet(path)
        rewrite(path, frame.assign(tp=frame["tp"] - (frame["id"] == frame["id"].min())))
    header, _ = score_cells(compared(architectures))
    assert header[2:5] == ["dice", "95 % interval", "verdict"]
    assert "dice disc" in other_score_cells(compared(architectures))[0]
    said = " ".join(notes(compared(architectures)))
    assert "One seed: intervals are over groups of images" in said
    assert "95 % interval: of the mean, for other groups of images." in said
    architectures("unet", 1, images=images)
    said = " ".join(notes(compared(architectures)))
    assert "for other seeds and other groups of images, with one seed for other groups of images alone." in said


def test_unfinished_runs_are_counted_and_listed_but_score_nothing(architectures):
    architectures("unet", 0)
    architectures("unet", 1, state="failed", reason="loss is NaN at step 7")
    architectures("unet", 2, state="running")
    (architectures("unet", 3) / "scores.parquet").write_bytes(b"no")
    comparison = compared(architectures)
    (row,) = comparison.rows
    assert (len(row.done), len(row.runs), row.scores["dice"].n) == (1, 4, 1)
    for text in (markdown_body(comparison), printed(comparison)):
        assert "1 of 4" in text
        assert "fake-unet-dice-seed1: failed: loss is NaN at step 7" in text
        assert "fake-unet-dice-seed2: killed" in text
        assert "fake-unet-dice-seed3: unreadable: scores.parquet: " in text


def test_only_failed_runs_still_make_a_table(architectures):
    architectures("unet", state="failed", reason="disk full")
    comparison = compared(architectures)
    assert "0 of 1" in markdown_body(comparison)
    assert "disk full" in printed(comparison)
    assert len(csv_text(comparison).splitlines()) == 2


def test_a_lost_job_counts_in_its_row(architectures):
    folder = architectures("unet")
    (folder.parent / "sweep.json").write_text(
        '{"jobs": [{"directory": "gone", "overrides": ["model=unet", "seed=1"], "exit_code": 137, "reason": "killed"}]}'
    )
    assert "1 of 2" in markdown_body(compared(architectures))


def test_csv_is_unrounded(architectures):
    for seed, tp in enumerate((90, 80)):
        architectures("unet", seed, tp)
    (line,) = csv.DictReader(io.StringIO(csv_text(compared(architectures))))
    assert float(line["dice_mean"]) == pytest.approx((DICE_90 + DICE_80) / 2, rel=1e-15)
    assert float(line["dice_std"]) == pytest.approx(statistics.stdev([DICE_90, DICE_80]), rel=1e-12)
    assert (line["model"], line["dice_n"], line["seeds"], line["finished"]) == ("unet", "2", "0 1", "2")
    assert (line["letters"], line["p_best"]) == ("", "")
    assert 0 <= float(line["low"]) <= float(line["dice_mean"]) <= float(line["high"]) <= 1
    assert line["ends"] == "range over groups of images"
    assert (line["parameters"], line["device"]) == ("34527041.0", "Fake CPU, 32-true")


def test_costs_are_shown_in_the_units_of_people(architectures):
    architectures("unet")
    text = markdown_body(compared(architectures))
    assert "| unet | 34,527,041 | 83 | 1.25 | 4 | 2 GiB | 4 min 12 s | Fake CPU, 32-true |" in text


def test_a_cost_that_was_not_measured_leaves_a_gap(architectures):
    architectures("unet", cost={"train_images_per_second": None})
    assert "| 34,527,041 | 83 | – | 4 |" in markdown_body(compared(architectures))


def test_a_missing_split_falls_back_and_says_so(architectures):
    architectures.comparison["split"] = "challenge"
    architectures("unet")
    comparison = compared(architectures)
    assert comparison.split == "test"
    assert any("asks for the challenge split" in line for line in notes(comparison))


def test_runs_scored_on_other_images_or_devices_are_told(architectures):
    architectures("unet", images=4)
    architectures("attunet", images=6, cost={"device": "Fake GPU"})
    said = " ".join(notes(compared(architectures)))
    assert "different test images" in said
    assert "Fake CPU (1 threads), Fake GPU (1 threads)" in said


def test_the_metric_may_be_one_class_and_must_exist(architectures):
    architectures.comparison["metric"] = "dice_disc"
    architectures("unet")
    assert compared(architectures).rows[0].scores["dice_disc"].mean == pytest.approx(0.9)
    architectures.comparison["metric"] = "dicee"
    architectures("attunet", seed=1)
    with pytest.raises(ConfigError, match="no score 'dicee'"):
        compared(architectures)


def test_estimate_leaves_out_what_is_not_there():
    assert estimate([1.0, None, float("nan"), 3.0]).mean == 2.0
    assert estimate([1.0, None]).spread is None
    assert estimate([]).n == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.2, "4.2 s"), (59.4, "59 s"), (252, "4 min 12 s"), (11100, "3 h 05 min")]
)
def test_duration(seconds, text):
    assert show_duration(seconds) == text


def test_the_iou_of_one_class_can_decide(architectures):
    architectures.comparison |= {"metric": "iou_ring", "claims": [], "published": []}
    for seed in (0, 1):
        architectures("unet", seed, tp=90)
        architectures("attunet", seed, tp=80)
    # The curves of these runs have no such column, as those of runs made before it was logged.
    found = compared(architectures)
    assert found.metric == "iou_ring"
    assert found.rows[0].scores["iou_ring"].mean == pytest.approx(50 / 150)
    # First what decides, then the other classes by the same score.
    assert score_names(found) == ["iou_ring", "iou_disc", "dice", "iou", "pixel_accuracy"]
    header, _ = score_cells(found)
    assert header[2].startswith("iou ring")
    assert found.score.title == found.score.title_with_unit == "IoU ring"
    assert "iou ring" in latex_table(found, evidence(found))
    table = score_table(found, evidence(found))
    assert table.columns[table.sorted_by].title == "iou ring"
    assert [column.title for column in table.columns if column.group == "classes"] == ["iou disc"]


def test_the_curve_of_one_class_is_drawn_where_it_was_logged(architectures):
    architectures.comparison |= {"metric": "iou_ring", "claims": [], "published": []}
    folder = architectures("unet", 0)
    assert [panel.key for panel in _panels(compared(architectures))] == ["train/loss", "val/loss"]
    curves = pd.read_csv(folder / "metrics.csv")
    curves.assign(**{"val/iou_ring": 0.5}).to_csv(folder / "metrics.csv", index=False)
    last = _panels(compared(architectures))[-1]
    assert (last.key, last.title) == ("val/iou_ring", "validation IoU ring")
