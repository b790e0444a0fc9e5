"""The hooks around a sweep."""

import pytest
from omegaconf import OmegaConf

from segbench.sweep.hydra_callback import RunnerCallback

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
    hydra = {"launcher": {"_target_": target}, "sweep": {"dir": str(tmp_path)}, "sweeper": {"_target_": "x.BasicSweeper"}}
    cfg = OmegaConf.create({"hydra": hydra, "tuning": {"trials": 3, "row": None}})
    with pytest.raises(SystemExit) as refused:
        RunnerCallback().on_multirun_start(cfg, config_name="config")
    assert refused.value.code == 2
