"""One bad run costs a line in the report, never the report."""

import json
import math
import shutil

import pandas as pd
import pytest
import yaml
from rich.console import Console
from scored import rewrite

from segbench.commands import report
from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.html import html_page
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import markdown_body, print_comparison
from segbench.scores import Convention

pytestmark = pytest.mark.usefixtures("no_power")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def reported(maker, **options):
    """Compare, and print everything once, since that must not fail either."""
    comparison = compare(collect([maker.root]), **options)
    print_comparison(comparison, Console(quiet=True))
    csv_text(comparison)
    found = evidence(comparison)
    latex_table(comparison, found)
    assert html_page(comparison, [], found, "")
    return comparison, markdown_body(comparison)


@pytest.fixture
def pair(architectures):
    """Two networks with two seeds each."""
    for model in ("attunet", "unet"):
        for seed in range(2):
            architectures(model, seed)
    return architectures


def done(comparison):
    return [len(row.done) for row in comparison.rows]


def test_a_truncated_score_file_costs_its_run(pair):
    path = pair.root / "carvana/architectures/fake-unet-dice-seed1/scores.parquet"
    path.write_bytes(path.read_bytes()[:500])
    comparison, text = reported(pair)
    assert done(comparison) == [2, 1]
    assert "- fake-unet-dice-seed1: unreadable: scores.parquet: " in text


def test_a_run_of_another_data_set_is_excluded(pair):
    folder = pair("unet", 2, choices={"data": "other"}, config={"data.size": [9, 9]})
    comparison, text = reported(pair)
    assert done(comparison) == [2, 2]
    assert f"- {folder.name}: excluded: of the data set other, where 4 runs are of fake" in text


def test_halves_of_two_data_sets_are_refused_not_guessed(architectures):
    for seed, name in enumerate(("one", "other")):
        architectures("unet", seed, choices={"data": name}, config={"data.size": [seed, 9]})
    with pytest.raises(ConfigError, match=r"differ in data \("):
        compare(collect([architectures.root]))


def test_a_comparison_of_data_sets_keeps_them(architectures):
    architectures.comparison["factors"] = ["data"]
    for seed, name in enumerate(("one", "one", "other")):
        architectures("unet", seed, choices={"data": name}, config={"data.size": [len(name), 9]})
    assert done(compare(collect([architectures.root]))) == [2, 1]


def test_mixed_on_request_another_data_set_is_a_row(pair):
    pair("unet", 2, choices={"data": "other"}, config={"data.size": [9, 9]})
    comparison, _ = reported(pair, mix=True)
    assert comparison.factors == ("model", "data")
    assert sum(done(comparison)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
def test_a_copied_run_counts_once(pair, same):
    folder = pair.root / "carvana/architectures/fake-unet-dice-seed1"
    copy = folder.with_name("a-copy")
    shutil.copytree(folder, copy)
    status = json.loads((copy / "status.json").read_text())
    edit(copy / "status.json", finished="2025" + status["finished"][4:])
    if not same:
        frame = pd.read_parquet(copy / "scores.parquet")
        rewrite(copy / "scores.parquet", frame.assign(tp=frame["tp"] - 1, fn=frame["fn"] + 1))
    comparison, text = reported(pair)
    assert done(comparison) == [2, 2]
    words = "with equal counts" if same else "with other counts"
    assert f"- a-copy: excluded: the same configuration and seed as {folder.name}, {words}" in text


def test_of_a_run_and_a_link_to_it_the_run_counts(pair):
    folder = pair.root / "carvana/architectures/fake-unet-dice-seed1"
    folder.with_name("zzz").symlink_to(folder)
    comparison, text = reported(pair)
    assert done(comparison) == [2, 2]
    assert "- zzz: excluded" in text


def test_runs_without_the_split_of_the_others_are_excluded(pair):
    folder = pair("unet", 2)
    frame = pd.read_parquet(folder / "scores.parquet")
    rewrite(folder / "scores.parquet", frame[frame["split"] == "val"].assign(split="other"))
    comparison, text = reported(pair)
    assert (comparison.split, done(comparison)) == ("test", [2, 2])
    assert f"- {folder.name}: excluded: not scored on the test split (4 runs are)" in text


def renamed(folder, old="ring", new="rim"):
    frame = pd.read_parquet(folder / "scores.parquet")
    frame["class_name"] = frame["class_name"].replace(old, new)
    rewrite(folder / "scores.parquet", frame)
    return folder


def test_a_run_of_other_classes_is_excluded(pair):
    folder = renamed(pair("unet", 2, config={"optimizer.lr": 0.01}))
    comparison, text = reported(pair)
    assert (comparison.classes, done(comparison)) == (("disc", "ring"), [2, 2])
    reason = "has the classes background, disc, rim, where 4 runs have background, disc, ring"
    assert f"- {folder.name}: excluded: {reason}" in text


def test_runs_without_the_class_that_is_asked_for_are_excluded(pair):
    pair.comparison["metric"] = "dice_rim"
    pair.comparison["factors"] = ["data"]
    folders = [renamed(pair("unet", seed, choices={"data": "rims"}, name=f"rims{seed}")) for seed in (0, 1)]
    # The latest sweep asks for the rim, which the others lack.
    multirun = {"hydra": {"runtime": {"choices": {"experiment": "carvana/architectures"}}}}
    (folders[0].parent / "multirun.yaml").write_text(yaml.safe_dump(multirun | {"comparison": pair.comparison}))
    comparison, text = reported(pair)
    assert done(comparison) == [2]
    assert text.count("excluded: has the classes background, disc, ring, where 2 runs have") == 4


@pytest.mark.slow
def test_scores_that_are_not_finite_are_in_no_mean_and_named(pair):
    for name in ("fake-unet-dice-seed0", "fake-attunet-dice-seed1"):
        path = pair.root / "carvana/architectures" / name / "scores.parquet"
        frame = pd.read_parquet(path)
        foreground = frame["class_index"] > 0
        frame.loc[foreground, ["tp", "fp", "fn", "tn"]] = (0, 0, 0, 1000)
        rewrite(path, frame)
    comparison, text = reported(pair)
    assert [row.scores["dice"].n for row in comparison.rows] == [1, 1]
    assert (
        "No finite dice on the test split, so in no mean of it: fake-attunet-dice-seed1, fake-unet-dice-seed0." in text
    )
    assert not any("No finite" in line for line in notes(compare(collect([pair.root]), Convention(empty="one"))))


def test_counts_that_are_not_finite_cost_their_run(pair):
    path = pair.root / "carvana/architectures/fake-unet-dice-seed1/scores.parquet"
    frame = pd.read_parquet(path)
    rewrite(path, frame.astype({"tp": float}).assign(tp=math.nan))
    comparison, text = reported(pair)
    assert done(comparison) == [2, 1]
    assert "scores.parquet: counts must be whole numbers" in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_settings_and_costs_that_are_not_finite_do_not_differ_from_themselves(architectures, value):
    for model in ("attunet", "unet"):
        architectures(model, config={"optimizer.clip": value}, cost={"wall_seconds": value})
    comparison, _ = reported(architectures)
    assert done(comparison) == [1, 1]
    assert comparison.rows[0].costs["wall_seconds"].n == 0


def test_a_setting_that_is_not_finite_can_be_a_factor(architectures):
    architectures.comparison["factors"] = ["optimizer.clip"]
    for seed, value in enumerate((math.nan, 1.0, math.inf, math.nan)):
        architectures(seed=seed, config={"optimizer.clip": value})
    comparison, _ = reported(architectures)
    assert [row.values for row in comparison.rows] == [(1.0,), ("inf",), ("nan",)]
    assert done(comparison) == [1, 1, 2]


def test_one_seed_and_one_configuration_are_said(architectures):
    architectures("unet")
    _, text = reported(architectures)
    assert "One seed for each row" in text
    assert "One configuration: there is nothing to compare it with." in text


def test_failed_runs_are_listed(pair):
    pair("zoo", 0, state="failed", reason="loss is NaN at step 7")
    comparison, text = reported(pair)
    assert done(comparison) == [2, 2, 0]
    assert "- fake-zoo-dice-seed0: failed: loss is NaN at step 7" in text


def test_a_run_without_configuration_and_one_without_anything_are_listed(pair):
    parent = pair.root / "carvana/architectures"
    (parent / "fake-unet-dice-seed1/config.yaml").unlink()
    (parent / "nothing").mkdir()
    (parent / "begun/checkpoints").mkdir(parents=True)
    (parent / "notes").mkdir()
    (parent / "notes/text.md").touch()
    (parent / ".hidden").mkdir()
    comparison, text = reported(pair)
    assert done(comparison) == [2, 1]
    assert "- fake-unet-dice-seed1: unreadable: config.yaml is missing" in text
    for name in ("nothing", "begun"):
        assert f"- {name}: unreadable: run.json is missing" in text
    assert "notes" not in [run.name for run in collect([pair.root])]
    assert len(comparison.unfinished) == 3


@pytest.mark.usefixtures("no_figures")
def test_an_empty_directory_does_not_stop_the_others(pair, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert report.main([str(tmp_path / "empty"), str(pair.root / "carvana/architectures")]) == 2
    assert "empty: no runs here" in capsys.readouterr().err
    assert (pair.root / "carvana/architectures/table.md").exists()


@pytest.mark.slow
def test_all_of_it_at_once(pair):
    parent = pair.root / "carvana/architectures"
    (parent / "nothing").mkdir()
    shutil.copytree(parent / "fake-unet-dice-seed0", parent / "copy")
    pair("unet", 2, choices={"data": "other"}, config={"data.size": [9, 9]})
    pair("unet", 3, state="failed", reason="disk full")
    (pair("unet", 4) / "scores.parquet").write_bytes(b"no")
    comparison, _ = reported(pair)
    assert done(comparison) == [2, 2]
    assert [run.state for run, _ in comparison.unfinished] == [
        "excluded", "excluded", "failed", "unreadable", "unreadable",
    ]  # fmt: skip
