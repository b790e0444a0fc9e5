"""The console that tables are printed to."""

from __future__ import annotations

from rich.console import Console

_FILE_WIDTH = 140


def terminal() -> Console:
    """Return a console on stdout, as wide as the terminal, or 140 columns for a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)
