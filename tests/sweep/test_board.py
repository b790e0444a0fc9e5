"""What a sweep shows of its jobs while they run."""

import errno
import io
import logging
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from segbench.sweep import board
from segbench.sweep.board import Board

NAME = "phantom-unet-dice-seed{}-0123456789"


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(board.time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture
def jobs(tmp_path):
    return [
        SimpleNamespace(number=number, directory=tmp_path / NAME.format(number), outcome={}) for number in range(150)
    ]


def end(shown, job, code=0):
    job.outcome = {"exit_code": code}
    shown.stopped(job)


def screen(shown, height=24):
    console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, color_system=None)
    shown._console = console
    console.print(shown.table())
    return console.file.getvalue().splitlines()


def test_a_sweep_of_150_jobs_fits_a_terminal(jobs, clock):
    shown = Board(jobs)
    for job in jobs[:40]:
        job.directory.mkdir()
        (job.directory / "console.log").write_text("epoch 20/20 of an earlier attempt\n")
        shown.started(job)
    for job in jobs[:10]:
        clock.seconds += 30
        end(shown, job, 4 if job.number == 3 else 0)
    log = jobs[10].directory / "console.log"
    log.write_text(
        log.read_text() + "training on 30 images\nepoch 3/20  loss 0.8845, val 0.8790, dice 0.0181  1.2 s\n\n"
    )
    lines = screen(shown)
    # 300 s for 10 and 30 halves, so 12 s each for 140 less 15.
    assert lines[0].rstrip() == "9 of 150 jobs done, 30 running, 1 failed, about 25 min 00 s left"
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("#10 phantom-unet-dice-seed10-")
    assert "epoch 3/20  loss" in lines[2]
    # What an earlier attempt has said is no news.
    assert lines[3].startswith("#11 ")
    assert "epoch" not in lines[3]
    assert lines[-1].rstrip() == "and 11 more"
    clock.seconds += 60
    assert shown.summary().endswith("about 24 min 00 s left")


def test_what_was_done_before_says_nothing_of_the_time(jobs, clock):
    shown = Board(jobs)
    for job in jobs[:50]:
        job.outcome = {"exit_code": 0}
        shown.stopped(job)
    assert shown.summary() == "50 of 150 jobs done"


def test_a_job_that_waits_for_another_process_runs_no_more(jobs, clock):
    shown = Board(jobs[:2])
    for job in jobs[:2]:
        shown.started(job)
    shown.stopped(jobs[0])
    assert shown.summary() == "0 of 2 jobs done, 1 running"
    end(shown, jobs[0], 75)
    assert "1 left to others" in shown.summary()


def test_without_a_terminal_each_job_has_its_line_and_nothing_is_drawn(jobs, caplog, capfd):
    with caplog.at_level(logging.INFO, "segbench"), Board(jobs) as shown:
        shown.say(logging.INFO, "#0 done")
        shown.refresh()
    assert caplog.messages == ["#0 done"]
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_only_what_went_wrong_has_a_line(jobs, caplog, monkeypatch):
    file = io.StringIO()
    made = Console(file=file, width=80, height=24, force_terminal=True)
    monkeypatch.setattr(board, "Console", lambda **_: made)
    with caplog.at_level(logging.INFO, "segbench"), Board(jobs) as shown:
        shown.say(logging.INFO, "#0 done")
        shown.say(logging.ERROR, "#1 failed")
        shown.refresh()
    assert caplog.messages == ["#1 failed"]
    assert "0 of 150 jobs done" in file.getvalue()


def test_a_sweep_outlives_its_terminal(jobs, caplog, monkeypatch, clock):
    class Terminal(io.StringIO):
        gone = False

        def write(self, text):
            if self.gone:
                raise OSError(errno.EIO, "Input/output error")
            return super().write(text)

    file = Terminal()
    monkeypatch.setattr(board, "Console", lambda **_: Console(file=file, width=80, height=24, force_terminal=True))
    before = sys.stdout, sys.stderr
    with caplog.at_level(logging.INFO, "segbench"), Board(jobs) as shown:
        file.gone = True
        for _ in range(2):
            clock.seconds += 2
            shown.refresh()
        shown.say(logging.INFO, "#0 done")
    assert caplog.messages == ["#0 done"]
    assert (sys.stdout, sys.stderr) == before
    # And where it goes between two looks at the jobs.
    file.gone = False
    with Board(jobs):
        file.gone = True
