"""``decide=true`` on the command line: what is refused, and an experiment that is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from segbench.errors import ConfigError
from segbench.runs.planned_looks import FILE, read_plan
from segbench.sweep.looks import LooksSweeper

TINY = ["data.subjects=24", "data.slices=2", "data.size=[32,32]", "model.width=4", "trainer.max_epochs=6"]


@pytest.mark.parametrize("looks", ["3", [], [1, 2], [3, 3], [5, 3], [2.5], [True, 3]])
def test_looks_are_ascending_numbers_of_seeds(looks):
    with pytest.raises(ConfigError, match=r"^decide.looks=.*ascending from 2 or more, for example \[3,5,10\]"):
        LooksSweeper(OmegaConf.create({"looks": looks}).looks)


@pytest.mark.parametrize("hours", [0, -1, "2", True, float("inf"), float("nan")])
def test_a_budget_is_a_number_of_hours(hours):
    with pytest.raises(ConfigError, match="^decide.hours=.*: must be a number of hours above 0"):
        LooksSweeper(OmegaConf.create([3]), hours)


def test_an_experiments_seeds_are_those_of_the_looks():
    assert LooksSweeper(OmegaConf.create([3]), None, {"model": "unet,attunet", "seed": "0,1"}).params == {
        "model": "unet,attunet"
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model=unet,attunet", "seed=0,1"], "seed=0,1: decide=true trains the seeds 0 to 9 as it needs them; leave"),
        (["model=unet"], "decide=true: one row, and nothing to compare it with"),
        (["model=unet,attunet", "hydra/launcher=basic"], "decide=true needs a launcher of segbench"),
        (["model=unet,attunett"], "attunett"),
    ],
)
def test_what_cannot_be_decided_is_one_line_and_leaves_nothing(program, tmp_path, arguments, said):
    done = program("run.py", f"paths.outputs={tmp_path / 'outputs'}", "decide=true", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.slow
def test_an_experiment_that_is_killed_goes_on_and_says_at_which_look_it_is(repository, tmp_path):
    """The sweep, and later one of its jobs, are killed in the middle; the third time nothing is trained."""
    rates, looks = "optimizer.lr=0.01,0.005", "decide.looks=[2,3]"
    command = [sys.executable, str(repository / "src" / "run.py"), f"paths.outputs={tmp_path}", *TINY, rates]

    def begin():
        return subprocess.Popen(
            [*command, "decide=true", looks, "hydra.verbose=segbench"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def job_of(process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text().split():
            time.sleep(0.1)
        return int(children.read_text().split()[-1])

    def wait_for_job(process, number):
        for line in process.stderr:
            if line.startswith(f"#{number} ") and "started" in line:
                return
        raise AssertionError("it ended")

    first = begin()
    wait_for_job(first, 1)
    first.kill()
    first.wait()
    (path,) = tmp_path.rglob(FILE)
    assert (read_plan(path).taken, len(read_plan(path).rows)) == ((), 2)
    second = begin()
    wait_for_job(second, 1)
    os.kill(job_of(second), signal.SIGKILL)
    _, said = second.communicate()
    assert "decide: look 1 of 2 (2 seeds)" in said
    plan = read_plan(path)
    assert plan.end in ("decided", "looks", "untested")
    assert [run.failed for run in plan.runs if run.failed] == ["killed by SIGKILL"]
    assert second.returncode == 1
    page = (path.parent / "index.html").read_text()
    assert f"Look {len(plan.taken)} of 2 planned looks" in page
    third = begin()
    _, said = third.communicate()
    assert third.returncode == 0
    assert not [run.failed for run in read_plan(path).runs if run.failed]
    assert said.count("started") <= 1 + 2 * (len(read_plan(path).taken) - len(plan.taken) + 1)
    record = json.loads((path.parent / "sweep.json").read_text())["jobs"]
    assert {job["directory"] for job in record} == {run.directory for run in read_plan(path).runs}
