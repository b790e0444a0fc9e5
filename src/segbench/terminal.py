"""The console that tables are printed to, and texts on it as they stand, whatever signs they hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.text import Text

from segbench.words import duration, listed, visible

log = logging.getLogger("segbench")
T = TypeVar("T")
_FILE_WIDTH = 140
# When the log first says how far something is, and how long after that at most it does again.
_FIRST_SECONDS, _MOST_SECONDS = 3.0, 60.0


def terminal() -> Console:
    """Return a console on stdout, as wide as the terminal, or 140 columns for a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def shown(text: str, style: str = "") -> Text:
    """Return a text as the terminal shows it: no markup is taken for one, and nothing in it moves the cursor."""
    return Text(visible(text, lines=True), style)


def say(console: Console, text: str, style: str = "", **options: Any) -> None:
    """Print a text as it stands.

    Args:
        console: Where to.
        text: May be anybody's.
        style: Rich's, ``bold`` say.
        options: Of :meth:`rich.console.Console.print`.
    """
    console.print(shown(text, style), **options)


def prose(console: Console, text: str) -> None:
    """Print a sentence: on a terminal broken between words, elsewhere as one line."""
    say(console, text, soft_wrap=not console.is_terminal)


def tracked(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield items with a bar on a terminal; elsewhere the log has a line now and then, once it takes a while.

    Args:
        items: What is gone through.
        what: What is done with them, ``checking and caching``.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, what, console=console, transient=True)
        return
    begun, due = time.monotonic(), _FIRST_SECONDS
    for number, item in enumerate(items):
        seconds = time.monotonic() - begun
        if seconds > due:
            log.info("%s: %s of %s after %s", what, f"{number:,}", f"{len(items):,}", duration(seconds))
            due = seconds + min(seconds, _MOST_SECONDS)
        yield item


def say_written(console: Console, paths: Sequence[Path]) -> None:
    """Say which files were written: the first, and the names of some of those beside it."""
    beside = f", beside it {listed([path.name for path in paths[1:]])}" if len(paths) > 1 else ""
    prose(console, f"Written: {paths[0]}{beside}")


def from_here(path: Path) -> Path:
    """Return a path as it is reached from the working directory, where it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path
