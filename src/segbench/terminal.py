"""Where tables are printed."""

from __future__ import annotations

from rich.console import Console

_WIDTH_OF_A_FILE = 140


def terminal() -> Console:
    """Return a console on stdout: as wide as the terminal, or wide enough for the tables in a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)
