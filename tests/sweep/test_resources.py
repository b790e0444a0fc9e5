"""What a job of a sweep gets: never more than the user left it."""

import os

import pytest

from segbench.errors import ConfigError
from segbench.sweep.resources import check_gpus, check_processes, job_environment


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("4", "4")),
        ({"OMP_NUM_THREADS": "1"}, ("1", "1")),
        ({"OMP_NUM_THREADS": "6"}, ("4", "4")),
        ({"OMP_NUM_THREADS": "2,1"}, ("2", "2")),
        ({"MKL_NUM_THREADS": "3"}, ("4", "3")),
        ({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "2"}, ("1", "2")),
        ({"OMP_NUM_THREADS": "many"}, ("4", "4")),
    ],
)
def test_threads_are_a_share_of_the_cores_and_never_raised(given, expected):
    result = job_environment(given, jobs=2, slot=0, gpus=[])
    assert (result["OMP_NUM_THREADS"], result["MKL_NUM_THREADS"]) == expected
    assert job_environment(given, jobs=1, slot=0, gpus=[]) == given


def test_devices_are_counted_among_the_visible_ones():
    assert [job_environment({}, 2, slot, [0, 1])["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["0", "1", "0"]
    visible = {"CUDA_VISIBLE_DEVICES": "4,GPU-7a"}
    assert [job_environment(visible, 2, slot, [0, 1])["CUDA_VISIBLE_DEVICES"] for slot in range(2)] == ["4", "GPU-7a"]
    assert job_environment(visible, 2, 0, [])["CUDA_VISIBLE_DEVICES"] == "4,GPU-7a"


@pytest.mark.parametrize(("visible", "number"), [("4,5", 2), ("", 0), ("-1", 0), ("3,-1,4", 1), (None, -1)])
def test_a_device_that_the_sweep_cannot_see_is_refused(visible, number):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    with pytest.raises(ConfigError, match=rf"hydra.launcher.gpus={number}: "):
        check_gpus(environment, [number])


def test_jobs_of_several_processes_are_started_by_one_sweep():
    check_processes({"SLURM_STEP_NUM_TASKS": "2"}, 1, 1)
    check_processes({}, 2, 1)
    for name in ("SLURM_STEP_NUM_TASKS", "LOCAL_WORLD_SIZE"):
        with pytest.raises(ConfigError, match=r"^trainer.devices=2: each job of a sweep starts its own processes"):
            check_processes({name: "2"}, 2, 1)
