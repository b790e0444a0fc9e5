"""The console that tables are printed to, and texts on it as they stand, whatever signs they hold."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from segbench.words import visible

_FILE_WIDTH = 140


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
