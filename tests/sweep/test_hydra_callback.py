"""The hooks around a sweep."""

import pytest
from omegaconf import OmegaConf

from segbench.errors import ConfigError
from segbench.sweep.hydra_callback import RunnerCallback
from segbench.sweep.number import check_number

LAUNCHERS = {
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": False,
    "hydra_plugins.segbench_launcher.ProcessesLauncher": True,
}


@pytest.mark.parametrize("target", LAUNCHERS)
def test_a_launcher_that_writes_no_record_leaves_none_of_an_earlier_sweep(tmp_path, target):
    record = tmp_path / "sweep.json"
    record.write_text('{"jobs": [{"directory": "gone", "exit_code": 4}]}')
    hydra = {
        "launcher": {"_target_": target},
        "sweep": {"dir": str(tmp_path)},
        "overrides": {"task": []},
        "sweeper": {"_target_": "x.BasicSweeper"},
    }
    cfg = OmegaConf.create({"hydra": hydra, "tuning": {"trials": 0, "row": None}})
    RunnerCallback().on_multirun_start(cfg, config_name="config")
    assert record.exists() == LAUNCHERS[target]
    if not LAUNCHERS[target]:
        RunnerCallback().on_multirun_end(cfg, config_name="config")
        RunnerCallback().on_multirun_start(cfg, config_name="config")


def test_trials_are_refused_with_a_launcher_that_would_not_train_them(tmp_path):
    target, *_ = LAUNCHERS
    hydra = {
        "launcher": {"_target_": target},
        "sweep": {"dir": str(tmp_path)},
        "overrides": {"task": []},
        "sweeper": {"_target_": "x.BasicSweeper"},
    }
    cfg = OmegaConf.create({"hydra": hydra, "tuning": {"trials": 3, "row": None}})
    with pytest.raises(SystemExit) as refused:
        RunnerCallback().on_multirun_start(cfg, config_name="config")
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=range(0,5001)", "10,002 jobs, of which a sweep may have 10,000; seed has 5,001 values"),
        pytest.param("seed=range(0,1000000000000)", "20,000,000 jobs", marks=pytest.mark.slow),
    ],
)
def test_a_sweep_of_too_many_jobs_is_refused_before_any_is_composed(override, said):
    with pytest.raises(ConfigError, match=f"--multirun: {said}"):
        check_number(sweep(override))
    check_number(sweep("seed=range(0,5000)"))
    # It has a number of trials, not of values.
    optimising = sweep(override)
    optimising.hydra.sweeper._target_ = "x.OptunaSweeper"
    check_number(optimising)


def sweep(override):
    sweeper = {"_target_": "x.BasicSweeper", "params": {"model": "unet,attunet"}}
    return OmegaConf.create({"hydra": {"overrides": {"task": [override, "+x=1"]}, "sweeper": sweeper}})
