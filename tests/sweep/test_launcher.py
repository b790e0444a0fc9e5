"""Sweeps: one process a job, failures listed, finished jobs not repeated."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from omegaconf import OmegaConf

from segbench.runs.files import write_yaml
from segbench.runs.readers import planned_runs
from segbench.sweep import batches, finished, job, outcome, processes, tuning
from segbench.sweep.difference import on_same_data

TINY = [
    "data.subjects=8",
    "data.slices=2",
    "data.size=[32,32]",
    "model.width=2",
    "trainer.max_epochs=2",
    "trainer.progress=lines",
    # Pictures take longer than the training.
    "~callbacks.panels",
]


def arguments_of(folder, *arguments):
    return [f"paths.outputs={folder}", *TINY, "-m", "hydra.launcher.jobs=2", *arguments]


@pytest.fixture(scope="module")
def forked_sweep(program):
    """Sweep into a folder; its jobs are forks. The comparison is drawn without figures."""

    def swept(folder, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])
            return program("run.py", *arguments_of(folder, *arguments))

    return swept


@pytest.fixture(scope="module")
def fresh_sweep(forked_sweep):
    """Sweep with jobs that begin from nothing."""
    return lambda folder, *arguments: forked_sweep(folder, *arguments, "hydra.launcher.fork=false")


@pytest.fixture(scope="module", params=["forked_sweep", pytest.param("fresh_sweep", marks=pytest.mark.slow)])
def sweep(request):
    """Sweep in one of the two ways: with forks every day, in CI with fresh processes too."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def begun(repository, tmp_path):
    """Begin a sweep that can be stopped."""

    def begin(*arguments):
        command = [sys.executable, str(repository / "src" / "run.py"), *arguments_of(tmp_path, *arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    return begin


@pytest.fixture(scope="module")
def swept(sweep, tmp_path_factory):
    """A sweep of one run, typed twice: its folder and how it ended."""
    folder = tmp_path_factory.mktemp("swept")
    return folder, sweep(folder, "optimizer.lr=0.001,1e-3")


@pytest.fixture
def copied(swept, tmp_path):
    """The sweep's folder in another place, to go on in, and the name of the run that is done there."""
    folder = shutil.copytree(swept[0], tmp_path / "copied")
    return folder, jobs_of(folder)[0]["directory"]


def jobs_of(folder):
    return json.loads((folder / "runs" / "sweep.json").read_text())["jobs"]


def statuses(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in (folder / "runs").glob("*/status.json")}


def test_its_jobs_are_trained_and_compared(swept):
    folder, result = swept
    assert result.returncode == 0, result.stderr
    (job,) = jobs_of(folder)
    assert (job["exit_code"], job["skipped"]) == (0, False)
    assert "#1 is the same run as #0" in result.stderr
    assert "sweep: 1 done (0 skipped), 0 failed" in result.stderr
    assert "1 of 1" in result.stdout
    assert (folder / "runs" / job["directory"] / "console.log").exists()
    assert {name: (run.seed, run.started) for name, run in planned_runs(folder / "runs").items()} == {
        job["directory"]: (0, True)
    }


@pytest.mark.slow
def test_forks_train_to_the_bits_of_fresh_processes(forked_sweep, fresh_sweep, tmp_path):
    weights = []
    for sweep in (forked_sweep, fresh_sweep):
        folder = tmp_path / sweep.__qualname__
        assert sweep(folder, "seed=0").returncode == 0
        (checkpoint,) = (folder / "runs").glob("*/checkpoints/last.ckpt")
        weights.append(torch.load(checkpoint)["state_dict"])
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_a_failed_job_leaves_the_others_running_and_is_listed_with_its_reason(forked_sweep, tmp_path):
    result = forked_sweep(tmp_path, "optimizer.lr=1e-3,1e30")
    assert result.returncode == 1, result.stderr
    jobs = jobs_of(tmp_path)
    assert [job["exit_code"] for job in jobs].count(0) == 1
    failed = [job for job in jobs if job["exit_code"]]
    assert {job["exit_code"] for job in failed} == {4}
    assert all("optimizer.lr" in job["reason"] for job in failed)
    assert "sweep: 1 done (0 skipped), 1 failed" in result.stderr
    assert result.stderr.count("failed: #") == 1
    # The comparison is printed all the same, and says what is missing.
    assert "1 of 2" in result.stdout or "failed" in result.stdout
    environments = {(tmp_path / "runs" / job["directory"] / "console.log").exists() for job in jobs}
    assert environments == {True}

    # Started again: what is done is skipped, what failed is tried again.
    again = forked_sweep(tmp_path, "optimizer.lr=1e-3,1e30")
    assert again.returncode == 1
    assert [job["skipped"] for job in jobs_of(tmp_path)].count(True) == 1
    attempts = sorted(status["attempts"] for status in statuses(tmp_path).values())
    assert attempts == [1, 2]


def test_what_was_trained_on_other_files_than_are_there_now_does_not_count_as_done(sweep, copied):
    folder, done = copied
    record = folder / "runs" / done / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"data_content": "of other files"}))
    changed = sweep(folder, "seed=0")
    assert changed.returncode == 1
    assert [job["exit_code"] for job in jobs_of(folder)].count(3) == 1
    assert "the data files or their reading changed since this run began; start again with rerun=true" in changed.stderr
    assert statuses(folder)[done]["state"] == "done"


@pytest.mark.slow
def test_a_killed_job_is_named_and_a_restart_does_only_what_is_missing(fresh_sweep, begun, tmp_path):
    arguments = ["seed=0,1", "trainer.max_epochs=30", "hydra.launcher.jobs=1"]
    process = begun(*arguments)
    deadline = time.monotonic() + 240
    victim = None
    while victim is None and time.monotonic() < deadline:
        time.sleep(0.05)
        for name, status in statuses(tmp_path).items():
            if status["state"] == "running" and (tmp_path / "runs" / name / "checkpoints" / "last.ckpt").exists():
                victim = name
                os.kill(status["pid"], signal.SIGKILL)
                break
    _, log = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "killed by SIGKILL" in log
    assert sorted(job["exit_code"] for job in jobs_of(tmp_path)) == [0, 137]
    assert statuses(tmp_path)[victim]["state"] == "failed"

    again = fresh_sweep(tmp_path, *arguments)
    assert again.returncode == 0, again.stderr
    assert [job["skipped"] for job in jobs_of(tmp_path)].count(True) == 1
    log = (tmp_path / "runs" / victim / "train.log").read_text()
    assert "going on from" in log


@pytest.mark.slow
def test_a_sweep_with_one_bad_value_starts_nothing(forked_sweep, tmp_path):
    result = forked_sweep(tmp_path, "optimizer.lr=1e-3,-1")
    assert result.returncode == 2
    assert "optimizer.lr=-1" in result.stderr
    assert not list((tmp_path / "runs").glob("*/status.json"))


@pytest.mark.slow
def test_a_sweep_by_a_score_that_there_is_not_starts_nothing(sweep, tmp_path):
    settings = "{question: Which?, factors: [seed], metric: dcie, split: test}"
    result = sweep(tmp_path, "seed=0,1", f"comparison={settings}")
    assert result.returncode == 2
    assert result.stderr.count("comparison.metric=dcie: no such score of phantom; did you mean dice?") == 1
    assert not list((tmp_path / "runs").glob("*/status.json"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGUSR1, False), (signal.SIGHUP, True)],
    ids=["USR1", "HUP to all"],
)
def test_a_stopped_sweep_stops_its_jobs(begun, tmp_path, number, group):
    process = begun("seed=0,1", "trainer.max_epochs=500")
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and len(list((tmp_path / "runs").glob("*/checkpoints/last.ckpt"))) < 2:
        time.sleep(0.1)
    (os.killpg if group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert said.splitlines()[-1] == "stopped: 0 of 2 done; the same command goes on"
    # The sweep tells its jobs by SIGTERM; with a terminal or a scheduler that tells them too, the first word counts.
    codes = {128 + number, 143} if group else {143}
    for name, status in statuses(tmp_path).items():
        assert status["state"] == "failed"
        assert status["exit_code"] in codes
        with pytest.raises(ProcessLookupError):
            os.kill(status["pid"], 0)
        # What was done since the last epoch is saved too.
        assert "stopped by" in (tmp_path / "runs" / name / "train.log").read_text()


@pytest.mark.slow
def test_jobs_of_a_killed_sweep_save_and_end_by_themselves(begun, tmp_path):
    process = begun("seed=0,1", "trainer.max_epochs=500")
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and len(list((tmp_path / "runs").glob("*/checkpoints/last.ckpt"))) < 2:
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=300)
    while time.monotonic() < deadline and {status["state"] for status in statuses(tmp_path).values()} != {"failed"}:
        time.sleep(0.1)
    assert [status["exit_code"] for status in statuses(tmp_path).values()] == [143, 143]


def test_a_configuration_that_another_experiment_has_trained_is_linked_and_not_trained_again(sweep, copied):
    folder, name = copied
    (folder / "runs").rename(folder / "earlier")
    result = sweep(folder, "seed=0")
    assert result.returncode == 0, result.stderr
    assert (folder / "runs" / name).is_symlink()
    assert [job["skipped"] for job in jobs_of(folder)] == [True]
    assert list((folder / "runs" / "comparison" / "tensorboard").glob("events.*"))
    assert statuses(folder)[name]["attempts"] == 1
    assert name in result.stdout or "1 of 1" in result.stdout


def job_in(folder, number, sweeper="hydra._internal.core_plugins.basic_sweeper.BasicSweeper", row=None):
    own = {"tuning": {"row": row, "seed": 1}, "hydra": {"sweeper": {"_target_": sweeper}}}
    config = OmegaConf.create({"rerun": False, "paths": {"outputs": str(folder)}, "seed": 1, **own})
    return job.Job(number, [], config, folder / "runs" / f"job{number}")


@pytest.fixture
def busy(tmp_path):
    """The directory of a job whose run another process has, and the job's command, which says so."""
    (directory := job_in(tmp_path, 0).directory).mkdir(parents=True)
    (directory / "status.json").write_text('{"state": "running", "pid": 1}')
    return directory, job.Command((sys.executable, "-c", "raise SystemExit(75)"), tmp_path, directory)


@pytest.mark.parametrize("launcher", [processes.ProcessesLauncher, batches.JoblibLauncher])
@pytest.mark.parametrize("choice", ["wait", "leave"])
def test_a_run_that_another_sweep_trains_is_waited_for_or_left_and_never_failed(
    tmp_path, monkeypatch, busy, launcher, choice, caplog
):
    directory, command = busy
    monkeypatch.setattr(job, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(processes.forks, "can_begin", lambda _: False)
    monkeypatch.setattr(job.Job, "command", lambda *_, **__: command)
    looked = []

    def is_done(place, config):
        looked.append(place)
        if len(looked) == 2:
            # The other one is through with it.
            assert json.loads((directory / "status.json").read_text())["state"] == "done"
            return True
        threading.Timer(0.5, (directory / "status.json").write_text, ['{"state": "done"}']).start()
        return False

    with caplog.at_level("INFO", logger="segbench"):
        launcher(busy=choice).run_all(asked := [job_in(tmp_path, 0)], is_done)
        outcome.log_outcomes(asked)
    ended = asked[0].outcome
    assert (ended["exit_code"], ended["skipped"], len(looked)) == ((0, True, 2) if choice == "wait" else (75, False, 1))
    assert not outcome.failed(ended)
    done, left = (
        ("1 done (1 skipped)", "") if choice == "wait" else ("0 done (0 skipped)", ", 1 left to who trains them")
    )
    assert f"sweep: {done}, 0 failed{left}" in caplog.text


@pytest.mark.parametrize(
    ("sweeper", "row", "left"),
    [
        ("hydra_plugins.segbench_sweeper.OptunaSweeper", None, True),
        ("hydra_plugins.segbench_sweeper.OptunaSweeper", "a search", False),
        ("hydra._internal.core_plugins.basic_sweeper.BasicSweeper", "a row", False),
        ("hydra_plugins.segbench_sweeper.LooksSweeper", None, False),
        ("hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper", None, False),
    ],
)
def test_what_a_sweep_goes_on_by_is_left_to_nobody(tmp_path, sweeper, row, left):
    launcher = batches.JoblibLauncher(busy="leave")
    asked = job_in(tmp_path, 0, sweeper, row)
    assert launcher.settled(asked, job.Ended(75, 0.0)) == ([] if left else [asked])


@pytest.mark.parametrize(("row", "over"), [("a search", True), (None, False)])
def test_a_trial_that_another_process_has_pruned_is_over(tmp_path, row, over):
    trial = job_in(tmp_path, 0, row=row)
    trial.directory.mkdir(parents=True)
    (trial.directory / "status.json").write_text('{"state": "pruned", "reason": "others were better"}')
    write_yaml(trial.directory / "config.yaml", {"seed": 1, "comparison": None})
    assert tuning.Tuned().done_before(trial.directory, trial.config) == over


def _go_on(stopped, runs):
    """Let a stopped process go on once a job of a sweep has begun in its run directory, and has had time to wait."""
    for _ in range(1200):
        if list(runs.glob("*/console.log")):
            break
        time.sleep(0.1)
    time.sleep(3)
    stopped.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_sweep_waits_for_a_run_that_was_started_elsewhere(forked_sweep, repository, tmp_path):
    own = ("trainer.max_epochs=20", "seed=0")
    command = [sys.executable, str(repository / "src" / "run.py"), f"paths.outputs={tmp_path}", *TINY, *own]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as elsewhere:
        while not list((tmp_path / "runs").glob("*/checkpoints/last.ckpt")):
            assert elsewhere.poll() is None
            time.sleep(0.05)
        # However fast it is, it does not end before the sweep has come to its run.
        elsewhere.send_signal(signal.SIGSTOP)
        goes_on = threading.Thread(target=_go_on, args=(elsewhere, tmp_path / "runs"))
        goes_on.start()
        result = forked_sweep(tmp_path, "trainer.max_epochs=20", "seed=0,1", "hydra.launcher.jobs=1")
        goes_on.join()
        elsewhere.communicate()
    assert (result.returncode, elsewhere.returncode) == (0, 0), result.stderr
    assert "in progress elsewhere, waited for" in result.stderr
    assert "sweep: 2 done (1 skipped), 0 failed" in result.stderr
    assert [status["attempts"] for status in statuses(tmp_path).values()] == [1, 1]


@pytest.mark.parametrize(
    "launcher",
    [
        processes.ProcessesLauncher(1, fork=False),
        processes.ProcessesLauncher(2, fork=False),
        pytest.param(batches.JoblibLauncher(2), marks=pytest.mark.slow),
    ],
)
def test_a_job_that_cannot_be_started_fails_alone(tmp_path, monkeypatch, launcher):
    started = job.subprocess.Popen

    def popen(command, **options):
        if "job0" in command[-1]:
            raise OSError(11, "Resource temporarily unavailable")
        return started([sys.executable, "-c", ""], **options)

    done_before = finished.done_before

    def full(directory, config):
        if directory.name == "job1":
            raise OSError(28, "No space left on device", str(directory))
        return done_before(directory, config)

    monkeypatch.setattr(job.subprocess, "Popen", popen)
    sweep = [job_in(tmp_path, number) for number in range(4)]
    launcher.run_all(sweep, full)
    assert [job.outcome["exit_code"] for job in sweep] == [74, 74, 0, 0]
    assert "Resource temporarily unavailable" in sweep[0].outcome["reason"]
    assert "No space left on device" in sweep[1].outcome["reason"]


@pytest.mark.parametrize("earlier", [{"state": "done"}, {"state": "failed", "reason": "old", "of_data": True}])
def test_a_job_that_is_lost_before_it_begins_has_not_the_end_of_an_earlier_attempt(tmp_path, earlier):
    (lost := job_in(tmp_path, 0)).directory.mkdir(parents=True)
    (lost.directory / "status.json").write_text(json.dumps(earlier))
    lost.begin()
    outcome.settle(lost, job.Ended(None, 0.0, "job 7: NODE_FAIL"), logging.log)
    assert (lost.outcome["exit_code"], lost.outcome["of_data"]) == (1, False)
    assert lost.outcome["reason"].startswith("ended without a word (job 7: NODE_FAIL)")


@pytest.mark.slow
def test_data_that_is_refused_is_said_once_and_nothing_else_is_started_on_it(program, tmp_path):
    result = program(
        "run.py", "-m", "data=carvana", "seed=0,1,2,3,4", "model.width=2", "hydra.launcher.jobs=2",
        f"paths.outputs={tmp_path}", f"paths.data={tmp_path / 'nowhere'}",
    )  # fmt: skip
    assert result.returncode == 3, result.stderr
    (reason,) = {job["reason"] for job in jobs_of(tmp_path)}
    # What each job says itself lies in its console.log.
    assert sum(reason in line for line in result.stderr.splitlines() if line.startswith("#")) == 1
    assert "not started, as their data was refused for another: 3 jobs" in result.stderr
    assert "sweep: 0 done (0 skipped), 2 failed, 3 not started" in result.stderr
    assert [(job["exit_code"], job["of_data"]) for job in jobs_of(tmp_path)] == [(3, True)] * 5
    assert len(statuses(tmp_path)) == 2
    # There is nothing to compare.
    assert not result.stdout


def test_jobs_on_other_data_go_on(tmp_path):
    sweep = [job_in(tmp_path, number) for number in range(3)]
    for one, fold in zip(sweep, (0, 0, 1), strict=True):
        one.config.data = {"root": "images", "fold": fold}
    assert [on_same_data(sweep[0], other) for other in sweep[1:]] == [True, False]
