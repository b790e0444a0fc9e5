import numpy as np
import pytest
from simulated import networks

from segbench.reporting.conclusions.evidence import difference_variances, evidence
from segbench.reporting.plan import plan
from segbench.reporting.statistics.power import detectable
from segbench.reporting.statistics.variance_components import Components

SD = "seed=0.005,image=0.03,rest=0.04"


@pytest.mark.slow
def test_the_table_holds_the_detectable_differences():
    variances = Components(0.005**2, 0.03**2, 0.04**2)
    lines = "\n".join(plan(variances, "by hand", (1, 3), (20, 50))).splitlines()
    assert "| seeds \\ images | 20 | 50 |" in lines
    assert "| 1 | – | – |" in lines
    assert f"| 3 | {detectable(variances, 3, 20):.4f} | {detectable(variances, 3, 50):.4f} |" in lines
    assert any("seed 0.0050, image 0.0300, rest 0.0400 (by hand)" in line for line in lines)
    assert lines[-1] == "One seed tells nothing from chance."
    unseen = "\n".join(plan(Components(0, 0.03**2, 0.04**2), "by hand", (3,), (20,)))
    assert "does not show beside the rest" in unseen
    assert "does not show" not in "\n".join(lines)


def test_a_plan_by_a_pilot_agrees_with_its_report():
    pilot = networks(np.random.default_rng(0), [0.6, 0.7, 0.65], shape=(3, 30))
    variances, pairs = difference_variances(pilot)
    assert pairs == 3
    assert vars(evidence(pilot).outlook.variances) == pytest.approx(vars(variances))
    assert difference_variances(networks(np.random.default_rng(0), [0.6])) == (None, 0)
    assert difference_variances(networks(np.random.default_rng(0), [0.6, 0.7], shape=(1, 30))) == (None, 0)


def test_of_many_rows_a_plan_goes_by_the_highest_as_the_report_does(monkeypatch):
    monkeypatch.setattr("segbench.reporting.conclusions.evidence.MOST_ROWS", 2)
    # By name the first two are others, and all three pairs vary differently.
    pilot = networks(np.random.default_rng(0), [0.5, 0.7, 0.65], shape=(3, 30))
    variances, pairs = difference_variances(pilot)
    assert pairs == 1
    assert vars(evidence(pilot).outlook.variances) == pytest.approx(vars(variances))


@pytest.mark.slow
def test_standard_deviations_on_the_command_line(report):
    code, out, err = report("--plan", "--sd", SD, "--seeds", "3,10", "--images", "50")
    assert (code, err) == (0, "")
    smallest = detectable(Components(0.005**2, 0.03**2, 0.04**2), 10, 50)
    assert f"| 10 | {smallest:.4f} |" in out


def test_a_finished_experiment_is_the_pilot_and_stays_as_it_is(report, architectures):
    for model, tps in (("unet", (80, 83)), ("attunet", (90, 91))):
        for seed, tp in enumerate(tps):
            architectures(model, seed, tp)
    folder = architectures.root / "carvana/architectures"
    code, out, err = report("--plan", folder, "--images", "4", "--seeds", "2")
    assert (code, err) == (0, "")
    assert "carvana/architectures, dice on test: 1 pair of configurations, 2 seeds; itself uncertain" in out
    assert not (folder / "table.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan"], "--plan: give one finished experiment's directory, or --sd"),
        (["--plan", "--sd", "seed=1"], "--sd seed=1: write seed=0.005,image=0.03,rest=0.04"),
        (["--plan", "--sd", "seed=-1,image=1,rest=1"], "each 0 or more"),
        (["--plan", "--sd", "seed=a,image=1,rest=1"], "each 0 or more"),
        (["--plan", "--sd", SD, "--seeds", "3,x"], "'3,x' is no list of whole numbers"),
        ([], "give an experiment's directory"),
    ],
)
def test_what_cannot_be_planned_is_one_line_and_exit_2(report, arguments, said):
    code, out, err = report(*arguments)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[-1]


def test_a_pilot_that_shows_no_variance_is_refused(report, architectures):
    architectures("unet")
    code, out, err = report("--plan", architectures.root / "carvana/architectures")
    assert code == 2
    assert "it takes two configurations with two shared seeds" in err
    architectures("fcn", state="failed", reason="disk full", experiment="carvana/other")
    code, out, err = report("--plan", architectures.root / "carvana/other")
    assert "no finished runs here to plan by" in err
