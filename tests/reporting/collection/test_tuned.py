import json

import pytest
import yaml
from trials import tune

from segbench.errors import ConfigError
from segbench.reporting.collection.runs import collect
from segbench.reporting.comparison.build import compare


def test_rows_may_differ_in_what_was_tuned_and_in_what_follows_from_it(architectures):
    tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    tune(architectures, "attunet", [0.3, 0.4], [1e-3, 4e-3])
    found = compare(collect([architectures.root]))
    assert [(row.values, len(row.done)) for row in found.rows] == [(("attunet",), 2), (("unet",), 2)]
    assert [row.tuning.chosen.settings["optimizer.lr"] for row in found.rows] == [1e-3, 4e-3]
    # Trials are no runs of the comparison, nor an experiment beside it.
    assert len(found.unfinished) == 0
    assert {run.directory.parent.name for run in collect([architectures.root])} == {"architectures"}


def test_without_a_comparison_what_was_tuned_makes_no_rows(make_run):
    tune(make_run, "unet", [0.3, 0.2], [1e-3, 4e-3], experiment="runs")
    tune(make_run, "attunet", [0.3, 0.4], [1e-3, 4e-3], experiment="runs")
    found = compare(collect([make_run.root]))
    assert [row.values for row in found.rows] == [("attunet",), ("unet",)]
    assert found.factors == ("model",)


def test_runs_of_one_row_must_have_equal_settings(architectures):
    tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    architectures("unet", 2, config={"optimizer.lr": 1e-2, "scheduler": {"first": 4e-3}})
    with pytest.raises(ConfigError, match=r"differ in optimizer\.lr \(0\.004: .* / 0\.01: fake-unet-dice-seed2\)"):
        compare(collect([architectures.root]))


def test_another_difference_between_tuned_rows_is_refused(architectures):
    tune(architectures, "unet", [0.3], [1e-3])
    folder = tune(architectures, "attunet", [0.3], [1e-3])
    for path in folder.parents[1].glob("fake-attunet-*/config.yaml"):
        config = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(config | {"trainer": config["trainer"] | {"max_epochs": 9}}))
    with pytest.raises(ConfigError, match=r"differ in trainer\.max_epochs"):
        compare(collect([architectures.root]))


def test_a_run_with_other_settings_than_the_best_trial_was_not_tuned(architectures):
    folder = tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    summary = folder / "fake-unet-dice-seed1000-0" / "summary.json"
    summary.write_text(json.dumps({"best": {"value": 0.1}}))
    (row,) = compare(collect([architectures.root])).rows
    assert row.tuning is None


def test_what_a_smaller_budget_chose_is_excluded_once_there_are_runs_of_the_larger_one(architectures):
    tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    folder = tune(architectures, "attunet", [0.3, 0.2], [1e-3, 4e-3])
    name = architectures("attunet", 0, config={"optimizer.lr": 9e-3, "scheduler": {"first": 9e-3}}, name="earlier").name
    record = json.loads((folder / "row.json").read_text())
    record["runs"][name] = ["model=attunet", "seed=0", "tuning.trials=1"]
    (folder / "row.json").write_text(json.dumps(record))
    found = compare(collect([architectures.root]))
    assert [len(row.done) for row in found.rows] == [2, 2]
    assert [(run.name, reason) for run, reason in found.unfinished] == [
        ("earlier", "its row has other trials now, which chose other settings")
    ]


def test_runs_tell_what_was_typed(architectures):
    tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    (row,) = compare(collect([architectures.root])).rows
    assert row.done[0].overrides == ("model=unet", "seed=0", "tuning.trials=2")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", '{"monitor": "val/loss"}', '{"trials": 3}', "limits", "names"])
def test_a_damaged_record_costs_only_what_it_says(architectures, text):
    folder = tune(architectures, "unet", [0.3, 0.2], [1e-3, 4e-3])
    record = json.loads((folder / "row.json").read_text())
    odd = {"limits": {"space": {"optimizer.lr": [1]}}, "names": {"trials": ["../x"], "runs": {"/etc": [1]}}}
    (folder / "row.json").write_text(json.dumps(record | odd[text]) if text in odd else text)
    (row,) = compare(collect([architectures.root])).rows
    assert (len(row.done), row.tuning) == (2, None)
