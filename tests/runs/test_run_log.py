import logging
from contextlib import suppress
from pathlib import Path

import pytest

from segbench.runs.run_log import RunLog, VisibleLines


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


def test_what_names_hide_is_seen_in_one_line(repository):
    lines = VisibleLines("%(levelname)s %(message)s")
    record = logging.LogRecord("segbench", logging.INFO, "", 0, "skipped %s", ("a\x1b[2J\u202egnp\nerror: lost",), None)
    assert lines.format(record) == "INFO skipped a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gnp error: lost"
    for folder in ("job_logging", "hydra_logging"):
        text = (repository / "conf" / "hydra" / folder / "segbench.yaml").read_text()
        assert text.count("format: ") == text.count(f"class: {VisibleLines.__module__}.{VisibleLines.__qualname__}")
