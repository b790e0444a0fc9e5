"""The process of a job: what a fork shares with the sweep, and what it does not."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from omegaconf import OmegaConf

from segbench.sweep import forks
from segbench.sweep.job import begin_fresh

NOTHING = OmegaConf.create({})


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Let a text be the program of which jobs are started."""

    def written(text):
        (tmp_path / "program.py").write_text("import os, signal, sys, threading, time\n" + text)
        monkeypatch.setattr(sys, "argv", [str(tmp_path / "program.py"), "sweep=here"])

    return written


def begun(*arguments, begin=forks.begin, console=None):
    assert forks.can_begin(NOTHING)
    return begin([sys.executable, sys.argv[0], *arguments], os.environ, Path.cwd(), console)


@pytest.mark.slow
@pytest.mark.parametrize("begin", [forks.begin, begin_fresh])
def test_it_has_its_own_arguments_environment_output_and_exit_code(script, tmp_path, begin):
    script(
        "print(sys.argv[1:], os.getcwd(), os.environ['ONLY_HERE'], 'SWEPT' in os.environ)\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.pthread_sigmask(signal.SIG_BLOCK, []), threading.active_count())\n"
        "print('a fault', file=sys.stderr); sys.exit(7)"
    )
    os.environ["SWEPT"] = "1"
    environment = {name: value for name, value in os.environ.items() if name != "SWEPT"} | {"ONLY_HERE": "so"}
    former = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("the job has the sweep's handler"))
    try:
        with (tmp_path / "console.log").open("ab") as console:
            job = begin([sys.executable, sys.argv[0], "seed=1"], environment, tmp_path, console)
            assert job.wait() == 7
    finally:
        signal.signal(signal.SIGTERM, former)
        del os.environ["SWEPT"]
    told = (tmp_path / "console.log").read_text()
    assert f"['seed=1'] {tmp_path} so False" in told
    assert "True set() 1" in told
    assert "a fault" in told
    assert job.poll() == 7


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("raise ValueError('a bug')", 1),
        ("", 0),
    ],
)
def test_however_it_ends_the_sweep_goes_on(script, text, code):
    script(text)
    assert begun().wait() == code


def test_it_is_stopped_by_sigterm(script, tmp_path):
    script(f"open({str(tmp_path / 'began')!r}, 'w').close(); time.sleep(60)")
    job = begun()
    while not (tmp_path / "began").exists():
        time.sleep(0.01)
    assert job.poll() is None
    job.terminate()
    assert job.wait() == -signal.SIGTERM


def test_a_fork_that_would_differ_from_a_fresh_interpreter_is_not_made(tmp_path, monkeypatch):
    assert forks.can_begin(NOTHING)
    device = tmp_path / "nvidia0"
    with monkeypatch.context() as patch:
        patch.setattr(forks, "_DEVICES", (str(device),))
        assert forks.can_begin(NOTHING)
        with device.open("w"):
            assert not forks.can_begin(NOTHING)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert not forks.can_begin(NOTHING)
    over.set()
    thread.join()
    own = tmp_path / "own.py"
    own.write_text("")
    monkeypatch.setitem(sys.modules, "own", ModuleType("own"))
    sys.modules["own"].__file__ = str(own)
    assert forks.can_begin(NOTHING)
    own.write_text("changed = True")
    assert not forks.can_begin(NOTHING)
