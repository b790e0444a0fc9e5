"""Runs that were planned and are missing are counted and named."""

import json
import shutil

import pytest

from segbench.commands.report import main
from segbench.errors import SegbenchError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.text.tables import markdown_body
from segbench.runs import history


def planned(folder, *jobs, event=history.PLANNED):
    """Plan runs of an experiment: (network, seed) each."""
    entries = [
        {
            "directory": f"fake-{model}-dice-seed{seed}",
            "seed": seed,
            "choices": {"model": model, "variant": None},
            "overrides": [f"model={model}", f"seed={seed}"],
        }
        for model, seed in jobs
    ]
    history.plan(folder, entries, event)


@pytest.fixture
def swept(architectures):
    """Two networks with three seeds, all planned, started and finished."""
    jobs = [(model, seed) for model in ("unet", "attunet") for seed in (0, 1, 2)]
    for model, seed in jobs:
        folder = architectures(model, seed, 90 - seed).parent
    planned(folder, *jobs)
    planned(folder, *jobs, event=history.STARTED)
    return architectures, folder


@pytest.mark.slow
def test_a_deleted_folder_is_named_and_costs_the_exit_code(swept, no_figures, capsys):
    _, folder = swept
    assert main([str(folder)]) == 0
    shutil.rmtree(folder / "fake-unet-dice-seed2")
    assert main([str(folder)]) == SegbenchError.exit_code
    said = "5 of 6 runs; missing: unet seed=2 (folder deleted)"
    assert f"{folder}: {said}" in capsys.readouterr().err
    for page in ("table.md", "index.html"):
        assert said in (folder / page).read_text()
    assert "| unet | 2 of 3 |" in (folder / "table.md").read_text()


def test_a_seed_that_is_deleted_everywhere_is_missing_in_every_row(swept):
    _, folder = swept
    for model in ("unet", "attunet"):
        shutil.rmtree(folder / f"fake-{model}-dice-seed1")
    text = markdown_body(compare(collect([folder])))
    assert "4 of 6 runs; missing: attunet seed=1 (folder deleted) and unet seed=1 (folder deleted)." in text


def test_a_row_of_which_nothing_is_left_stays(swept):
    _, folder = swept
    for seed in range(3):
        shutil.rmtree(folder / f"fake-attunet-dice-seed{seed}")
    comparison = compare(collect([folder]))
    assert [(row.label, len(row.done), len(row.runs)) for row in comparison.rows] == [("attunet", 0, 3), ("unet", 3, 3)]


def test_a_run_that_was_never_started_is_told_from_one_that_is_gone(swept):
    _, folder = swept
    planned(folder, ("unet", 3))
    assert "unet seed=3 (never started, or folder deleted)" in markdown_body(compare(collect([folder])))


def test_one_that_was_made_again_with_other_settings_is_not_missing(swept):
    make, folder = swept
    shutil.rmtree(folder / "fake-unet-dice-seed2")
    make("unet", 2, name="again-unet-dice-seed2")
    assert not compare(collect([folder])).missing


@pytest.mark.slow
def test_what_waited_for_its_tuning_is_missing_until_what_that_chose_is_planned(swept):
    make, folder = swept
    untuned = {"directory": "x-unet-seed3-untuned", "seed": 3, "choices": {"model": "unet"}, "overrides": []}
    history.plan(folder, [untuned])
    assert "6 of 7 runs; missing: unet seed=3 (never" in markdown_body(compare(collect([folder])))
    planned(folder, ("unet", 3))
    assert "6 of 7 runs; missing: unet seed=3 (never" in markdown_body(compare(collect([folder])))
    make("unet", 3, 90)
    assert not compare(collect([folder])).missing


def test_a_lost_job_has_the_seed_of_the_plan(swept):
    _, folder = swept
    planned(folder, ("unet", 3))
    job = {"directory": "fake-unet-dice-seed3", "overrides": ["model=unet"], "exit_code": 3, "reason": "disk full"}
    (folder / "sweep.json").write_text(json.dumps({"jobs": [job]}))
    (lost,) = [run for run in collect([folder]) if run.state != "done"]
    assert (lost.state, lost.reason, lost.seed, lost.choices["model"]) == ("failed", "disk full", 3, "unet")


def test_what_is_asked_for_by_run_directories_misses_nothing(swept):
    _, folder = swept
    kept = [folder / f"fake-unet-dice-seed{seed}" for seed in (0, 1)]
    shutil.rmtree(folder / "fake-unet-dice-seed2")
    assert not compare(collect(kept)).missing
