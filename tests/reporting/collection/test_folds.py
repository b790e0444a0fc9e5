"""The folds of a cross-validation become one run; what lacks a fold, or does not belong together, counts nowhere."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from labelled import digits
from scipy import stats
from scored import rewrite

from segbench.commands import report
from segbench.reporting.collection.folds import join_folds, overlap_of, units_of
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.figures.frequencies import merged, training_sets
from segbench.reporting.html import html_page
from segbench.reporting.html.runs import run_views
from segbench.runs.split_scores import derive

pytestmark = pytest.mark.usefixtures("no_power")
FOLDS = 3


def fold_run(make, model, seed, fold, tp=80, folds=FOLDS, **more):
    """Write the run of one fold: four images of two groups that no other fold tests."""
    config = {"data.folds": folds, "data.fold": fold} | more.pop("config", {})
    overrides = [f"model={model}", f"data.fold={fold}", f"seed={seed}"]
    name = f"fake-{model}-seed{seed}-fold{fold}"
    folder = make(model, seed, tp, name=name, config=config, overrides=overrides, **more)
    if (path := folder / "scores.parquet").exists():
        table = pd.read_parquet(path)
        table["id"] = [
            f"{name}-{fold}" if split == "test" else name
            for split, name in zip(table["split"], table["id"], strict=True)
        ]
        table["group"] = [f"{group}-{fold}" for group in table["group"]]
        rewrite(path, table)
    return folder


def cross_validated(make, models=("unet", "attunet"), seeds=2, better=4):
    for place, model in enumerate(models):
        for seed in range(seeds):
            for fold in range(FOLDS):
                fold_run(make, model, seed, fold, tp=70 + 5 * fold + seed * (fold == 1) + better * place)


@pytest.fixture
def folded(architectures):
    cross_validated(architectures)
    return architectures


def experiment(make):
    return make.root / "carvana/architectures"


@pytest.mark.slow
def test_the_folds_of_a_seed_are_one_run_that_tested_each_image_once(folded):
    found = compare(collect([folded.root]))
    assert [row.label for row in found.rows] == ["attunet", "unet"]
    assert [len(row.done) for row in found.rows] == [2, 2]
    assert (found.folds, found.unit, found.grouping) == (3, "folds", "groups of images")
    for run in found.done:
        assert len(run.counts["test"].ids) == len(set(run.counts["test"].ids)) == 4 * FOLDS
        assert run.counts["test"].ids == tuple(sorted(run.counts["test"].ids))
        whole = np.mean([derive(fold.counts["test"], "dice", found.convention) for fold in run.folds])
        assert derive(run.counts["test"], "dice", found.convention) == pytest.approx(whole)
        assert list(run.counts) == ["test"]
        assert len(run.curves) == 5
    assert not found.unfinished


def test_the_difference_has_the_interval_of_nadeau_and_bengio(architectures):
    # Seeds that do not differ leave the folds alone.
    gains = {0: 1, 1: 5, 2: 9}
    for place, model in enumerate(("unet", "attunet")):
        for seed in range(2):
            for fold, gain in gains.items():
                fold_run(architectures, model, seed, fold, tp=70 + place * gain)
    found = compare(collect([architectures.root]))
    first, second = (row.done[0] for row in found.rows)
    score = [[derive(fold.counts["test"], "dice", found.convention) for fold in run.folds] for run in (first, second)]
    folds = np.subtract(*score)
    (pair,) = evidence(found).pairs
    error = np.sqrt((1 / 3 + 1 / 2) * folds.var(ddof=1))
    assert pair.difference.mean == pytest.approx(folds.mean())
    assert pair.difference.high - pair.difference.mean == pytest.approx(stats.t.ppf(0.975, 2) * error)
    assert pair.p == pytest.approx(2 * stats.t.sf(folds.mean() / error, 2), rel=1e-6)
    assert pair.difference.groups == 3
    said = " ".join(notes(found))
    assert "taken for (1/3 + 1/2) S² instead of S²/3" in said
    assert "allow for that only roughly (Nadeau and Bengio 2003; Bengio and Grandvalet 2004)" in said
    assert "6 groups of images, fewer than 50" in said


@pytest.mark.slow
def test_each_fold_is_a_training_set_of_the_figure_of_frequencies(architectures):
    shares = (0.010, 0.011, 0.012)
    for fold, rare in enumerate(shares):
        fold_run(architectures, "unet", 0, fold, frequencies=(0.8, 0.2 - rare, rare))
    (found,) = merged(training_sets(compare(collect([architectures.root]))))
    assert [part.frequencies["ring"] for part in found.alike] == [*shares]
    assert {*found.users} == {("unet", 0)}


def test_folds_of_other_seeds_of_the_split_are_other_folds(architectures):
    for model in ("unet", "attunet"):
        for seed in range(2):
            for fold in range(FOLDS):
                config = {"data.split_seed": seed}
                fold_run(architectures, model, seed, fold, tp=70 + fold + seed, config=config)
    runs = [run for run in compare_all(architectures) if run.folds]
    assert {name for run in runs for name in units_of(run, "test")} == {
        f"{seed}/{fold}" for seed in (0, 1) for fold in range(3)
    }
    assert {overlap_of(run) for run in runs} == {0.5}
    found = compare(collect([architectures.root]), mix=True)
    assert "split_seed" not in found.factors
    assert any("Each seed has its own folds" in text for text in evidence(found).caveats)


def compare_all(make):
    return join_folds(collect([make.root]), ["model"])


@pytest.mark.slow
def test_a_seed_that_lacks_a_fold_counts_nowhere_and_says_so(folded):
    shutil.rmtree(experiment(folded) / "fake-unet-seed1-fold2")
    shutil.rmtree(experiment(folded) / "fake-attunet-seed0-fold1")
    fold_run(folded, "attunet", 0, 1, state="failed", reason="out of memory")
    found = compare(collect([folded.root]))
    assert [[run.seed for run in row.done] for row in found.rows] == [[1], [0]]
    reasons = {run.seed: reason for run, reason in found.unfinished}
    assert reasons == {
        1: "fold 2 of 3 missing (never trained), so this seed counts nowhere",
        0: "fold 1 of 3 missing (failed: out of memory), so this seed counts nowhere",
    }
    views = {view.name: view for view in run_views(found)}
    assert len(views) == 11
    assert views["fake-unet-seed1-fold0"].reason == reasons[1]
    assert views["fake-attunet-seed0-fold1"].reason == "out of memory"


@pytest.mark.slow
def test_a_group_in_two_folds_is_refused(folded):
    path = experiment(folded) / "fake-unet-seed1-fold2" / "scores.parquet"
    table = pd.read_parquet(path)
    rewrite(path, table.assign(group=table["group"].str.replace("-2", "-1")))
    found = compare(collect([folded.root]))
    assert [len(row.done) for row in found.rows] == [2, 1]
    assert len(found.unfinished) == 3
    assert all("g0-1 is tested in fold 1 and fold 2" in reason or "g1-1 is" in reason for _, reason in found.unfinished)


@pytest.mark.slow
def test_other_files_by_equal_settings_are_refused(folded):
    path = experiment(folded) / "fake-unet-seed1-fold2" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data": {"fingerprint": "other"}}))
    found = compare(collect([folded.root]))
    assert {reason for _, reason in found.unfinished} == {
        "cannot be joined with the other folds of its seed: they read different files by equal settings"
    }


@pytest.mark.slow
def test_folds_of_the_same_content_are_joined_wherever_their_files_lay(folded):
    for number, path in enumerate(sorted(experiment(folded).glob("*/summary.json"))):
        told = {"fingerprint": str(number), "content": "same"}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": told}))
    assert not compare(collect([folded.root])).unfinished


def test_one_fold_alone_is_a_split_like_any_other(architectures):
    for model in ("unet", "attunet"):
        for seed in range(2):
            fold_run(architectures, model, seed, 1)
    found = compare(collect([architectures.root]))
    assert (found.folds, [len(row.done) for row in found.rows]) == (0, [2, 2])


@pytest.mark.slow
def test_some_of_the_folds_say_that_they_are_not_all(architectures):
    for model in ("unet", "attunet"):
        for seed in range(2):
            for fold in range(2):
                fold_run(architectures, model, seed, fold, tp=80 + fold)
    found = compare(collect([architectures.root]))
    assert "Only 2 of 3 folds were trained: images of the others are tested by none." in evidence(found).caveats


@pytest.mark.slow
def test_the_fold_is_a_factor_only_if_it_is_declared(folded):
    for run in collect([folded.root]):
        path = run.directory / "config.yaml"
        path.write_text(path.read_text().replace("- model\n", "- model\n  - data.fold\n"))
    found = compare(collect([folded.root]))
    assert (found.folds, len(found.rows)) == (0, 6)


def test_costs_are_those_of_one_training(architectures):
    for fold in range(FOLDS):
        fold_run(architectures, "unet", 0, fold, cost={"wall_seconds": 100.0 * (fold + 1), "threads": 1})
    (row,) = compare(collect([architectures.root])).rows
    assert row.costs["wall_seconds"].mean == 200
    assert row.costs["parameters"].mean == 34527041
    assert row.devices == ["Fake CPU, 32-true"]


@pytest.mark.slow
def test_classifications_are_joined_alike(architectures):
    architectures.comparison |= {"metric": "accuracy", "published": []}
    for model, wrong in (("unet", 0.2), ("attunet", 0.4)):
        for seed in range(2):
            for fold in range(FOLDS):
                folder = fold_run(architectures, model, seed, fold)
                label_scores(folder, fold, digits(20, wrong, seed + fold))
    found = compare(collect([architectures.root]))
    for run in found.done:
        assert len(run.counts["test"].ids) == 60
        right = np.concatenate([fold.counts["test"].right for fold in run.folds])
        assert derive(run.counts["test"], "accuracy", found.convention) == pytest.approx(right.mean())


def label_scores(folder, fold, drawn):
    from labelled import labels_table
    from scored import store

    from segbench.runs.split_scores import About

    table = labels_table(*drawn)
    names = [f"{name}-{fold}" for name in table["id"]]
    store(folder / "scores.parquet", table.assign(id=names, group=names), About("classification", background=False))


@pytest.mark.slow
def test_the_page_shows_the_runs_of_every_fold_and_the_command_of_the_sweep(folded):
    found = compare(collect([folded.root]))
    text = html_page(found, [], evidence(found))
    assert text.count("fake-unet-seed0-fold") >= 3
    assert "data.fold=0,1,2" in text
    assert "12 runs" in text


@pytest.mark.slow
def test_nothing_is_planned_by_folds(folded, capsys):
    assert report.main(["--plan", str(experiment(folded))]) != 0
    assert "cross-validated, so its differences vary by fold, not by image" in capsys.readouterr().err
