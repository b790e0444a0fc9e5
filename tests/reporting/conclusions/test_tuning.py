import json
import shutil
from dataclasses import replace

import pytest
from trials import tune

from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare
from segbench.reporting.conclusions.evidence import evidence
from segbench.reporting.conclusions.notes import notes
from segbench.reporting.conclusions.tuning import tuning_cells, tuning_fact, tuning_lines
from segbench.reporting.html import html_page
from segbench.reporting.text.latex import latex_table
from segbench.reporting.text.spreadsheet import csv_text
from segbench.reporting.text.tables import markdown_body
from segbench.runs.study import Proposal, Study
from segbench.runs.tuning import read_row, write_row


def found(maker):
    return compare(collect([maker.root]))


def test_that_nothing_was_tuned_is_said_with_the_settings(architectures):
    architectures("unet")
    architectures("attunet")
    said = "Nothing was tuned: all rows use the settings of carvana/architectures (optimizer.lr 0.001)."
    comparison = found(architectures)
    assert tuning_lines(comparison) == [said]
    assert said in notes(comparison)
    assert said in markdown_body(comparison)
    assert tuning_cells(comparison)[1] == []
    assert tuning_fact(comparison) == "none"
    assert csv_text(comparison).splitlines()[1].endswith(",0,")


@pytest.fixture
def tuned(architectures):
    tune(architectures, "unet", [0.3, 0.2, None], [1e-3, 4e-3, 9e-3])
    tune(architectures, "attunet", [0.25, 0.4, 0.5], [1e-3, 4e-3, 9e-3])
    return architectures


@pytest.mark.slow
def test_budget_ranges_and_failures_are_said(tuned):
    said, failed = tuning_lines(found(tuned))
    assert said == (
        "Tuned before the seeds were trained: 3 trials of 3 epochs for each row, with a seed of their own. The best by"
        " val/loss was taken; test images had no part in it. The first trial has the settings as they were, the others"
        " are from optimizer.lr 0.0001 to 0.01 (log)."
    )
    assert failed == "Failed, and counted in the budget: unet: fake-unet-dice-seed1000-2 (diverged)."
    assert tuning_fact(found(tuned)) == "3"


def test_every_table_has_budget_and_chosen_values(tuned):
    comparison = found(tuned)
    assert tuning_cells(comparison) == (
        ["model", "trials", "failed", "best val/loss", "optimizer.lr"],
        [["attunet", "3", "0", "0.2500", "0.001"], ["unet", "3", "1", "0.2000", "0.004"]],
    )
    assert "| unet | 3 | 1 | 0.2000 | 0.004 |" in markdown_body(comparison)
    assert csv_text(comparison).splitlines()[2].endswith(",3,optimizer.lr=0.004")
    assert "3 trials of 3 epochs for each row" in latex_table(comparison, evidence(comparison))
    page = html_page(comparison, [], evidence(comparison))
    assert 'id="tuning-table"' in page
    assert "optimizer.lr" in page


def test_equal_tuning_leaves_nothing_to_warn_of(tuned):
    assert not [line for line in evidence(found(tuned)).caveats if "tuning" in line or "trial" in line]


@pytest.mark.slow
@pytest.mark.parametrize("other", ["fewer", "none", "deleted"])
def test_unequal_budgets_are_a_caveat(architectures, other):
    folder = tune(architectures, "unet", [0.3, 0.2, 0.4], [1e-3, 4e-3, 9e-3])
    if other == "fewer":
        tune(architectures, "attunet", [0.3], [1e-3])
    else:
        architectures("attunet", config={"scheduler": {"first": 1e-3}})
    if other == "deleted":
        # Of the trials one, which was not the best: it was to be, and is named.
        shutil.rmtree(folder / "fake-unet-dice-seed1000-0")
        assert "fake-unet-dice-seed1000-0 (missing)" in tuning_lines(found(architectures))[1]
    share = "1 trial" if other == "fewer" else "none"
    said = (
        f"Unequal tuning: attunet had {share} and unet had 3 trials. What was tried more often may be better for that"
    )
    assert any(line.startswith(said) for line in evidence(found(architectures)).caveats)


def test_scores_of_the_images_that_chose_are_too_good(tuned):
    tuned.comparison["split"] = "val"
    for path in tuned.root.rglob("fake-*/config.yaml"):
        path.write_text(path.read_text().replace("split: test", "split: val"))
    assert any("Settings were chosen by trials on the val images" in line for line in evidence(found(tuned)).caveats)


def test_a_search_says_among_how_many_trials_it_chose_and_how_many_were_pruned(architectures):
    folder = tune(architectures, "unet", [0.3, 0.2, None], [1e-3, 4e-3, 9e-3])
    status = {"state": "pruned", "exit_code": 0, "reason": "pruned after epoch 1 of 3"}
    (folder / "fake-unet-dice-seed1000-0" / "status.json").write_text(json.dumps(status))
    sampler, pruner = ({"_target_": f"optuna.{name}"} for name in ("samplers.TPESampler", "pruners.MedianPruner"))
    proposals = tuple(Proposal({"optimizer.lr": rate, "loss": "dice"}, 0) for rate in (1e-3, 4e-3, 9e-3))
    row = read_row(folder)
    space = {**row.space, "loss": ("dice", "ce")}
    write_row(folder, replace(row, space=space, study=Study(0, sampler, pruner, proposals)))
    comparison = found(architectures)
    said, failed = tuning_lines(comparison)
    assert said == (
        "Tuned before the seeds were trained: 3 trials of 3 epochs for each tuned row, with a seed of their own. The best"
        " by val/loss was taken; test images had no part in it. The trials are those of a search by TPESampler"
        " and MedianPruner: optimizer.lr 0.0001 to 0.01 (log), loss dice or ce; 1 of 3 was trained to the end."
    )
    assert failed == "Failed, and counted in the budget: unet: fake-unet-dice-seed1000-2 (diverged)."
    assert tuning_cells(comparison) == (
        ["model", "trials", "failed", "pruned", "best val/loss", "optimizer.lr", "loss"],
        [["unet", "3", "1", "1", "0.2000", "0.004", "dice"]],
    )
    assert csv_text(comparison).splitlines()[1].endswith(",3,optimizer.lr=0.004 loss=dice")
    assert tuning_fact(comparison) == "3"
