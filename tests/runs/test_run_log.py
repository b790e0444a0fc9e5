import logging
from contextlib import suppress
from pathlib import Path

import pytest

from segbench.runs.run_log import RunLog


@pytest.fixture
def log():
    """A log on a disk without room: a device that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full disk")
    handler = RunLog("/dev/full")
    logger = logging.Logger("run")
    logger.addHandler(handler)
    yield logger
    with suppress(OSError):
        handler.close()


def test_a_full_disk_is_said_once_in_one_line(log, capsys):
    log.warning("first")
    log.warning("second")
    assert capsys.readouterr().err == "/dev/full: lacks lines from here on (No space left on device)\n"


def test_a_bug_of_ours_keeps_its_traceback(log, capsys):
    log.warning("%d", "no number")
    assert "TypeError" in capsys.readouterr().err


def test_the_command_line_writes_its_log_by_it(repository):
    text = (repository / "conf" / "hydra" / "job_logging" / "segbench.yaml").read_text()
    assert f"class: {RunLog.__module__}.{RunLog.__qualname__}" in text
