"""What is printed, on a terminal and elsewhere."""

import io
import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from segbench import terminal
from segbench.runs.run_log import Terminal, VisibleLines


def printed(what, width=80, is_terminal=True):
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    what(console)
    return console.file.getvalue().splitlines()


def test_files_are_named_by_the_first_and_a_few():
    paths = [Path("outputs/runs", name) for name in ("index.html", "table.md", "table.csv", "table.tex")]
    said = "Written: outputs/runs/index.html, beside it table.md, table.csv and table.tex"
    assert printed(lambda console: terminal.say_written(console, paths)) == [said]
    more = [*paths, *(Path("outputs/runs", f"{n}.png") for n in range(8))]
    assert printed(lambda console: terminal.say_written(console, more), 140) == [
        "Written: outputs/runs/index.html, beside it table.md, table.csv, table.tex and 8 others"
    ]
    assert printed(lambda console: terminal.say_written(console, paths[:1])) == ["Written: outputs/runs/index.html"]


def test_a_sentence_is_broken_between_words_on_a_terminal_alone():
    text = " ".join(["word"] * 30)
    lines = printed(lambda console: terminal.prose(console, text))
    assert [set(line.split()) for line in lines] == [{"word"}, {"word"}]
    assert printed(lambda console: terminal.prose(console, text), is_terminal=False) == [text]


def test_a_path_is_that_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert terminal.from_here(tmp_path / "outputs") == Path("outputs")
    assert terminal.from_here(tmp_path.parent) == tmp_path.parent
    assert terminal.from_here(Path("outputs")) == Path("outputs")


def test_without_a_terminal_the_log_says_how_far_it_is_once_that_takes_a_while(monkeypatch, caplog):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now.seconds)
    items = []
    with caplog.at_level(logging.INFO, "segbench"):
        for item in terminal.tracked(range(2000), "checking and caching"):
            items.append(item)
            now.seconds += 0.125
    assert items == list(range(2000))
    # After 3 s, after as long again, and so on, at last every minute.
    expected = {25: "3.1 s", 51: "6.4 s", 103: "13 s", 207: "26 s", 415: "52 s", 831: "1 min 44 s", 1312: "2 min 44 s"}
    said = [f"checking and caching: {number:,} of 2,000 after {words}" for number, words in expected.items()]
    assert caplog.messages[:7] == said
    assert len(caplog.messages) == 8


def test_a_line_of_the_log_goes_to_what_is_standard_error_now_and_keeps_paths_whole(monkeypatch):
    handler = Terminal()
    handler.setFormatter(VisibleLines("%(message)s"))
    path = "/" + "x" * 90
    record = logging.LogRecord(
        "segbench", logging.INFO, "", 0, "going on behind what is left of %s as it was", (path,), None
    )
    for is_terminal, columns, expected in (
        (False, 80, [f"going on behind what is left of {path} as it was"]),
        (True, 80, ["going on behind what is left of", path, "as it was"]),
        (True, 0, ["going on behind what is left of", path, "as it was"]),
        (True, 140, [f"going on behind what is left of {path} as it was"]),
    ):
        stream = io.StringIO()
        stream.isatty = lambda is_terminal=is_terminal: is_terminal
        stream.fileno = lambda: 2
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(os, "get_terminal_size", lambda _, columns=columns: os.terminal_size((columns, 24)))
        handler.emit(record)
        assert stream.getvalue().splitlines() == expected
