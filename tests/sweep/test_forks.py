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

from segbench.sweep import forks, job
from segbench.sweep.job import Command, begin_fresh, stop

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
            process = begin([sys.executable, sys.argv[0], "seed=1"], environment, tmp_path, console)
            assert process.wait() == 7
    finally:
        signal.signal(signal.SIGTERM, former)
        del os.environ["SWEPT"]
    told = (tmp_path / "console.log").read_text()
    assert f"['seed=1'] {tmp_path} so False" in told
    assert "True set() 1" in told
    assert "a fault" in told
    assert process.poll() == 7


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
    process = begun()
    while not (tmp_path / "began").exists():
        time.sleep(0.01)
    assert process.poll() is None
    process.terminate()
    assert process.wait() == -signal.SIGTERM


@pytest.fixture
def impatient(monkeypatch):
    """Take a job that does not end within a moment for one that hangs."""
    monkeypatch.setattr(job, "POLL_SECONDS", 0.02)
    # The other job saves within this, on a busy machine too.
    monkeypatch.setattr(job, "HURRIED_SECONDS", 0.5)

    def after(seconds):
        monkeypatch.setattr(job, "STOP_SECONDS", seconds)

    return after


SAID = "told to stop, it did not end in time, and was killed; the same command goes on with it"


@pytest.mark.parametrize(("seconds", "hurried"), [(0.2, False), (60, True)])
def test_one_that_hangs_is_killed_and_named_and_the_others_save(script, impatient, tmp_path, caplog, seconds, hurried):
    """As well where Ctrl-C is pressed a second time, before the time is over."""
    began = f"open({str(tmp_path)!r} + '/began' + sys.argv[1], 'w').close(); time.sleep(60)"
    script(
        "def save(*_): open('saved', 'w').close(); os._exit(7)\n"
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1] == '0' else save)\nos.chdir({str(tmp_path)!r})\n{began}"
    )
    impatient(seconds)
    jobs = {f"#{number}": begun(str(number)) for number in range(2)}
    while len(list(tmp_path.glob("began?"))) < 2:
        time.sleep(0.01)
    former = signal.signal(signal.SIGINT, lambda *_: pytest.fail("what stops the sweep has come through"))
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT if hurried else signal.SIGUSR1])
    usual = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        timer.start()
        before = time.monotonic()
        stop(jobs)
        assert time.monotonic() - before < 30
    finally:
        timer.join()
        signal.signal(signal.SIGINT, former)
        signal.signal(signal.SIGUSR1, usual)
    assert [process.poll() for process in jobs.values()] == [-signal.SIGKILL, 7]
    assert (tmp_path / "saved").exists()
    assert [record.message for record in caplog.records] == [f"#0: {SAID}"]


def test_a_library_that_stops_a_job_waits_no_longer_for_it(impatient, tmp_path, caplog):
    hanging = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('began', 'w'); time.sleep(60)"
    signals = list[int]()
    impatient(0.2)

    def tell():
        while not (tmp_path / "began").exists():
            time.sleep(0.01)
        signals.append(signal.SIGINT)

    threading.Thread(target=tell).start()
    ended = Command((sys.executable, "-c", hanging), tmp_path, Path("run")).run(signals)
    assert ended.code == -signal.SIGKILL
    assert [record.message for record in caplog.records] == [f"run: {SAID}"]


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
