"""What the presets of launchers ask Slurm for, and what becomes of jobs that it loses."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from submitit import SlurmExecutor

from segbench import installation
from segbench.errors import ConfigError
from segbench.sweep import batches, submitted
from segbench.sweep.job import Command, Ended


@pytest.fixture
def launcher(monkeypatch, tmp_path):
    """A launcher of conf/ with settings, as if Slurm were here; nothing is submitted."""
    monkeypatch.setattr(SlurmExecutor, "affinity", classmethod(lambda _: 2))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "sbatch" else which(name))
    folder = Path(__file__).parents[2] / "conf" / "hydra" / "launcher"

    def made(choice, **settings):
        own = OmegaConf.load(folder / f"{choice}.yaml")
        base = OmegaConf.load(folder / f"{own.pop('defaults')[0]}.yaml") if "defaults" in own else {}
        return instantiate(OmegaConf.merge(base, own, {"submitit_folder": str(tmp_path / "%j"), **settings}))

    return made


def test_slurm_is_asked_for_what_the_presets_say(launcher):
    gpu = launcher("slurm_gpu", partition="gpu", setup=["module load cuda"])
    gpu.check()
    text = gpu._executor()._executor._make_submission_file_text("command", "0")
    for line in (
        "gpus-per-node=1",
        "partition=gpu",
        "time=240",
        "mem=32GB",
        "cpus-per-task=8",
        "requeue",
        "signal=USR2@120",
    ):
        assert f"#SBATCH --{line}\n" in text
    assert "module load cuda" in text
    assert gpu.cores == 8


@pytest.mark.parametrize(
    ("choice", "settings", "said"),
    [
        ("submitit_slurm", {"partitoin": "gpu"}, "partitoin"),
        ("submitit_slurm", {"busy": "fail"}, "hydra.launcher.busy=fail: must be wait or leave"),
        ("submitit_slurm", {"tasks_per_node": 2}, "hydra.launcher.tasks_per_node=2: a job is one task"),
        ("submitit_local", {"jobs": 0}, "hydra.launcher.jobs=0: must be a positive integer"),
    ],
)
def test_what_it_cannot_be_asked_for_is_refused_in_one_line(launcher, choice, settings, said):
    with pytest.raises(Exception, match=said) as refused:
        launcher(choice, **settings).check()
    assert "\n" not in str(refused.value.__cause__ or refused.value)


def test_without_slurm_or_a_library_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigError, match="no sbatch here"):
        submitted.SlurmLauncher(submitit_folder="x").check()
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(installation, "requirement", lambda extra: f"install {extra}")
    with pytest.raises(ConfigError, match="^hydra/launcher=ray: ray is not installed; install ray$"):
        batches.RayLauncher({}).check()


def test_what_slurm_refuses_is_one_line(launcher, tmp_path, monkeypatch):
    (sbatch := tmp_path / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = Command(("x",), tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=r"^hydra\.launcher: sbatch: error: invalid partition$"):
        list(launcher("submitit_slurm").run([None], [command]))


class Lost:
    """A job of submitit's that Slurm ended without a result."""

    job_id = "7_0"
    watcher = SimpleNamespace(get_state=lambda job, mode: "PREEMPTED")

    def __init__(self, folder, state):
        self.state, self.paths = state, SimpleNamespace(folder=folder, result_pickle=folder / "result")

    def done(self):
        return self.state != "PREEMPTED"


@pytest.mark.parametrize("queued", ["7_0", ""])
def test_a_preempted_job_is_over_unless_slurm_has_queued_it_again(launcher, tmp_path, monkeypatch, queued):
    slurm, job = launcher("submitit_slurm"), Lost(tmp_path, "PREEMPTED")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=queued.encode()))
    assert slurm.is_over(job) == (not queued)
    assert slurm._ended(job) == Ended(None, 0.0, f"job 7_0: PREEMPTED; see {tmp_path}")


@pytest.mark.slow
def test_a_job_that_is_stopped_ends_without_a_result_and_its_run_with_the_same_signal(tmp_path):
    """As for submitit, whose handlers of signals may let the process go on."""
    script = tmp_path / "job.py"
    script.write_text(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from segbench.sweep.job import Command\n"
        "signal.signal(signal.SIGUSR2, lambda *_: print('submitit', flush=True))\n"
        "code = 'import os, signal, time\\nsignal.signal(signal.SIGUSR2, lambda *_: exit(7))\\n'\n"
        "code += f'os.kill({os.getpid()}, signal.SIGUSR2)\\ntime.sleep(60)'\n"
        "print(Command((sys.executable, '-c', code), Path.cwd(), Path('run'))())\n"
    )
    ended = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (128 + 12, "submitit\n"), ended.stderr
    assert Command(("x",), tmp_path, tmp_path).checkpoint().function.arguments == ("x",)
