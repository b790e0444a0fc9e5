"""What a case can ask for after its command: each check is a function that the catalogue names.

A check returns what is wrong, or nothing. Wrong values after an exit code of 0 are the worst that can happen: silence.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from campaign import program
from campaign.program import Done


@dataclass(frozen=True)
class After:
    """What checks look at.

    Attributes:
        here: The case's folder.
        done: What its last command left.
        variables: What ``$name`` means.
    """

    here: Path
    done: Done
    variables: dict[str, str]


Check = Callable[..., str]
CHECKS: dict[str, Check] = {}
_FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.]+(e[+-]?[0-9]+)?$)")


def check(function: Check) -> Check:
    """Let the catalogue name a function; its first argument is an :class:`After`."""
    CHECKS[function.__name__] = function
    return function


@check
def no_formulas(after: After, pattern: str) -> str:
    """No cell of such files, as a CSV reader sees it, is a formula to a spreadsheet; a signed number is none."""
    for path in sorted(after.here.glob(pattern)):
        with path.open(newline="", encoding="utf-8") as stream:
            cells = [cell for row in csv.reader(stream) for cell in row]
        if found := [cell for cell in cells if _FORMULA.match(cell)]:
            return f"{path.name} has the formula {found[0][:60]!r}"
    return ""


@check
def absent(after: After, pattern: str) -> str:
    """No such file."""
    found = sorted(after.here.glob(pattern))
    return f"{found[0].relative_to(after.here)} was written" if found else ""


@check
def exists(after: After, pattern: str, number: int | None = None) -> str:
    """There are such files, that many if a number is given."""
    found = len(list(after.here.glob(pattern)))
    return "" if found and number in (None, found) else f"{found} files {pattern}"


@check
def lines(after: After, number: int) -> str:
    """The error has so many lines."""
    found = len(after.done.err.strip().splitlines())
    return "" if found == number else f"{found} lines on standard error"


@check
def says_not(after: After, words: str) -> str:
    """Neither output has these words."""
    return f"{words!r} was printed" if words in after.done.err + after.done.out else ""


@check
def holds(after: After, pattern: str, words: str) -> str:
    """Files of this name have these words."""
    found = [path.read_text(encoding="utf-8", errors="replace") for path in after.here.glob(pattern)]
    return "" if found and all(words in content for content in found) else f"no {words!r} in {pattern}"


@check
def holds_not(after: After, pattern: str, expression: str) -> str:
    """No file of this name has a match of an expression."""
    for path in after.here.glob(pattern):
        if path.is_file() and (found := re.search(expression, path.read_text(encoding="utf-8", errors="replace"))):
            return f"{path.name} has {found.group()!r}"
    return ""


@check
def plain_markdown(after: After, pattern: str, heading: str) -> str:
    """A page, as CommonMark reads it, has no HTML, no link that runs something, and no heading of this text."""
    parser = MarkdownIt("commonmark").enable("table")
    for path in after.here.glob(pattern):
        tokens = parser.parse(path.read_text(encoding="utf-8"))
        every = [inner for token in tokens for inner in (token, *(token.children or ()))]
        for number, token in enumerate(every):
            address = str(token.attrGet("href") or token.attrGet("src") or "")
            if token.type in ("html_block", "html_inline"):
                return f"{path.name} has {token.content[:60]!r}"
            if ":" in address and not address.startswith(("http:", "https:")):
                return f"{path.name} has a link to {address[:60]!r}"
            if token.type == "heading_open" and every[number + 1].content.strip() == heading:
                return f"{path.name} has the heading {heading!r}"
    return ""


@check
def equal(after: After, one: str = "outputs", other: str = "whole") -> str:
    """Two finished runs hold the same bits: weights, optimiser, schedule, curves, scores and predictions."""
    runs = [sorted(after.here.glob(f"{name}/runs/*/checkpoints")) for name in (one, other)]
    if [len(found) for found in runs] != [1, 1]:
        return f"{len(runs[0])} runs in {one}, {len(runs[1])} in {other}"
    return difference(*(found[0].parent for found in runs))


@check
def mended(after: After, line: str, one: str = "outputs", other: str = "whole") -> str:
    """The run has the bits of another, or, if it was refused, has them after the command with ``rerun=true``."""
    if after.done.code:
        from campaign import given

        command = ["run.py", f"paths.outputs={after.here}/outputs", *shlex.split(line), "rerun=true"]
        done = program.run(command, given.place(after.here, seconds=120))
        if done.code:
            return f"with rerun=true it ends with {done.code}: {done.err.strip().splitlines()[-1][:200]}"
    return equal(after, one, other)


def difference(first: Path, second: Path) -> str:
    """Return what differs between two finished runs."""
    import torch

    for name in ("last.ckpt", "best.ckpt"):
        paths = [run / "checkpoints" / name for run in (first, second)]
        if not all(path.is_file() for path in paths):
            return f"{name} is missing"
        states = [torch.load(path, weights_only=True) for path in paths]
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "epoch", "global_step"):
            if not same(*(_untimed(state.get(key)) for state in states)):
                return f"{key} of {name} differs"
    for name in ("scores.parquet", "predictions.zip"):
        contents = [(run / name).read_bytes() if (run / name).is_file() else b"" for run in (first, second)]
        if contents[0] != contents[1]:
            return f"{name} differs"
    paths = [run / "summary.json" for run in (first, second)]
    if not same(*(_untimed(json.loads(path.read_text())) if path.is_file() else {} for path in paths)):
        return "summary.json differs"
    return "" if _curves(first) == _curves(second) else "metrics.csv differs"


def _curves(run: Path) -> list[list[str]]:
    """Return the rows of a run's curves without the times."""
    path = run / "metrics.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()] if path.is_file() else []
    timed = {index for index, title in enumerate(rows[0]) if "second" in title} if rows else set()
    return [[cell for index, cell in enumerate(row) if index not in timed] for row in rows]


def _untimed(value: Any) -> Any:
    """Return a value without what depends on the clock, on how often the run was started, or on the files' format."""
    if isinstance(value, dict):
        skipped = ("seconds", "cost", "CostMeter", "git", "fingerprint")
        return {key: _untimed(item) for key, item in value.items() if key not in skipped}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def same(first: Any, second: Any) -> bool:
    """Return whether two values of a checkpoint are equal to the bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(*pair) for pair in zip(first, second, strict=True))
    if hasattr(first, "numpy"):
        return first.dtype == second.dtype and first.numpy().tobytes() == second.numpy().tobytes()
    return bool(first == second)
