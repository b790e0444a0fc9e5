"""One run by two processes that Slurm has started."""

import subprocess
import sys

import pandas as pd
import pytest
import torch
from tests.test_processes import SETTINGS, state

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]


def test_two_tasks_of_a_step_train_what_one_process_does(slurm, program, repository, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    step = ["srun", "--input=none", "--ntasks-per-node=2", sys.executable, str(repository / "src" / "run.py")]
    asked = ["trainer.devices=2", "trainer.strategy=ddp"]
    two = subprocess.run([*step, *SETTINGS, *asked], cwd=tmp_path / "two", capture_output=True, text=True, timeout=1800)
    assert two.returncode == 0, two.stderr
    # One of both speaks.
    assert two.stderr.count("trained 7 epochs") == 1
    one = program("run.py", *SETTINGS, folder=tmp_path / "one", seconds=1800)
    assert one.returncode == 0, one.stderr
    runs = [next(tmp_path.glob(f"{name}/outputs/runs/*/")) for name in ("one", "two")]
    (expected, *_), (found, *_) = map(state, runs)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(*(pd.read_parquet(run / "scores.parquet") for run in runs))
