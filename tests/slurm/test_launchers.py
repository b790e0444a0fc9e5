"""The same sweep by every launcher, on a real Slurm too: equal runs, failures, exit codes and records.

One of its jobs diverges. Another is taken off its node twice: first it is requeued, as when it is pre-empted, and then it
gets what Slurm sends before a time limit.
"""

import concurrent.futures
import csv
import importlib.util
import json
import re
import subprocess
import threading
import time

import pandas as pd
import pytest
import torch

# Long enough for a machine that has much else to do.
pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]
LONGEST = 1800

# The first is long enough to be taken off its node twice.
JOBS = {
    "long": {"trainer": {"max_epochs": 80}},
    "short": {"trainer": {"max_epochs": 2}},
    "faster": {"trainer": {"max_epochs": 2}, "optimizer": {"lr": 2e-3}},
    "diverging": {"trainer": {"max_epochs": 2}, "optimizer": {"lr": 1e30}},
}
SWEEP = (
    "data.subjects=8",
    "data.slices=2",
    "data.size=[32,32]",
    "model.width=2",
    "trainer.progress=lines",
    "trainer.accelerator=cpu",
    "~callbacks.panels",
    f"variant={','.join(JOBS)}",
)
LAUNCHERS = {
    "processes": "hydra.launcher.jobs=2",
    "joblib": "hydra.launcher.n_jobs=2",
    "submitit_local": "hydra.launcher.jobs=2",
    "submitit_slurm": "hydra.launcher.cpus_per_task=1",
    "ray": "+hydra.launcher.ray.init.num_cpus=2",
}
# What is of the time, the place and the process.
PASSING = {
    "time",
    "started",
    "finished",
    "seconds",
    "pid",
    "host",
    "attempts",
    "wandb_id",
    "cost",
    "git",
    "hydra/launcher",
}
EVENTS = re.compile(r"events\.out\.tfevents\..*")


@pytest.fixture(scope="module")
def sweep(program, tmp_path_factory):
    """Sweep by a launcher, its folder the working directory; figures are left out."""

    def swept(launcher, folder=None):
        folder = folder or tmp_path_factory.mktemp(launcher)
        (folder / "own" / "variant").mkdir(parents=True)
        for name, settings in JOBS.items():
            (folder / "own" / "variant" / f"{name}.yaml").write_text(f"# @package _global_\n{json.dumps(settings)}")
        # Of another run, as Lightning leaves it and takes it up.
        (folder / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("segbench.reporting.page.draw_all", lambda *_, **__: [])
            arguments = (
                *SWEEP,
                "--config-dir",
                "own",
                "paths.outputs=out",
                "-m",
                f"hydra/launcher={launcher}",
                LAUNCHERS[launcher],
            )
            return folder, program("run.py", *arguments, folder=folder, seconds=LONGEST)

    return swept


@pytest.fixture(scope="module")
def reference(sweep):
    """The sweep by processes."""
    return sweep("processes")


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_the_same_files_but_for_times(sweep, reference, launcher):
    if importlib.util.find_spec(launcher.partition("_")[0]) is None:
        pytest.skip(f"pip install -c constraints.txt '.[{'ray' if launcher == 'ray' else 'cluster'}]'")
    same(sweep(launcher), reference)


def test_a_sweep_by_slurm_goes_on_with_what_is_taken_off_its_node(slurm, sweep, reference, tmp_path):
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        taken = pool.submit(take_off, tmp_path / "out" / "runs", over)
        try:
            ended = sweep("submitit_slurm", tmp_path)
        finally:
            over.set()
    assert ended[1].returncode == 1, ended[1].stderr
    run = taken.result()
    same(ended, reference)
    assert {path.name for path in tmp_path.iterdir()} == {"hpc_ckpt_1.ckpt", "out", "own"}
    log = (run / "train.log").read_text()
    assert re.findall("stopped by (SIG[A-Z0-9]+)", log) == ["SIGTERM", "SIGUSR2"]
    assert log.count("going on from") == 2
    assert json.loads((run / "status.json").read_text())["attempts"] == 3
    accounted = subprocess.run(
        ["sacct", "--noheader", "--allocations", "--format=State"], capture_output=True, text=True, check=True
    )
    assert accounted.stdout.split().count("COMPLETED") >= 4


def take_off(runs, over):
    """Take the first job off its node twice, each time after an epoch, unless the sweep is over; return its run."""
    seen = 0
    for attempt, command in enumerate((["scontrol", "requeue"], ["scancel", "--signal=USR2"])):
        while not (run := long_run(runs)) or epochs_of(run, attempt) <= seen:
            assert not over.wait(0.05), "the sweep has ended before its first job could be taken off its node"
        (number,) = {line.partition("_")[0] for line in queue()}
        seen = epochs_of(run, attempt)
        subprocess.run([*command, f"{number}_0"], check=True)
        while f"{number}_0" not in queue("--states=PENDING"):
            assert not over.wait(0.05), "what was taken off its node was not queued again"
        # It would begin after two minutes. The node takes no job of the second in which the same one was ended.
        time.sleep(2)
        subprocess.run(["scontrol", "update", f"JobId={number}_0", "StartTime=now"], check=True)
    return run


def long_run(runs):
    """Return the run of the first job once it has begun."""
    found = [path.parent for path in runs.glob("*/config.yaml") if "max_epochs: 80" in path.read_text()]
    return found[0] if found else None


def epochs_of(run, attempt):
    """Return how many epochs a run has trained, once it was begun for a further time; else 0."""
    log = (run / "train.log").read_text()
    return log.count(" INFO epoch ") if log.count("going on from") == attempt else 0


def queue(*options):
    command = ["squeue", "--noheader", "--format=%i", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def same(one, other):
    """Compare two sweeps: their folders and what they said."""
    (folder, said), (other_folder, other_said) = one, other
    assert said.returncode == other_said.returncode == 1, said.stderr
    assert "sweep: 3 done (0 skipped), 1 failed" in said.stderr
    assert re.findall(r"^failed: .*", said.stderr, re.M) == re.findall(r"^failed: .*", other_said.stderr, re.M)
    assert said.stdout.count("\n") == other_said.stdout.count("\n")
    files, others = files_of(folder / "out"), files_of(other_folder / "out")
    assert set(files) == set(others)
    assert sum(name.endswith("last.ckpt") for name in files) == 3
    for name in files:
        # Compared beforehand: pytest would look for hours for where two lists of weights differ.
        equal = content(files[name], folder) == content(others[name], other_folder)
        assert equal, name


def files_of(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts]
    # A run that was begun twice has a file of events for each time.
    return {EVENTS.sub("events", str(path.relative_to(folder))): path for path in files}


def content(path, folder):
    """Return what has to be equal of a file, comparable by ==."""
    if path.suffix == ".json" and path.name not in ("manifest.json", "mirror.json"):
        return lasting(json.loads(path.read_text()), folder)
    if path.name == "plan.jsonl":
        return [lasting(json.loads(line), folder) for line in path.read_text().splitlines() if "planned" in line]
    if path.name == "metrics.csv":
        return [
            {key: value for key, value in row.items() if "second" not in key} for row in csv.DictReader(path.open())
        ]
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("list").__repr__()
    if path.name == "previous.ckpt":
        # Of which epoch it is hangs on how long saving takes.
        return None
    if path.suffix == ".ckpt":
        stored = torch.load(path, weights_only=False)
        return {name: value.tolist() for name, value in stored["state_dict"].items()}
    if path.name == "config.yaml":
        return path.read_text()
    return None


def lasting(value, folder):
    if isinstance(value, dict):
        return {key: lasting(item, folder) for key, item in value.items() if key not in PASSING}
    if isinstance(value, list):
        return [lasting(item, folder) for item in value]
    return value.replace(str(folder), "") if isinstance(value, str) else value
