"""The lines of a run on the terminal and in ``train.log``, of which the disk may be full."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
from typing import TextIO

from segbench.words import visible

_WIDTH = 80


class VisibleLines(logging.Formatter):
    """Writes each message as one line in which nothing is hidden, whatever names of files and classes are in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Return the line."""
        return visible(super().formatMessage(record))


class Terminal(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the moment, so that a bar or a table on it stays below the lines.

    On a terminal a line is broken between words, and only there: names of files stay whole.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # the stream is found anew for each line

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # as logging's own handler of last resort has it
        """Standard error."""
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or several where the terminal is narrower than it."""
        text = super().format(record)
        if not sys.stderr.isatty():
            return text
        # A terminal that does not know its width says 0.
        width = os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
        lines = textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
        return text if record.exc_info or not lines else "\n".join(lines)


class RunLog(logging.FileHandler):
    """Writes to the log file; what the disk has no room for is lost, and that is said once, in a line.

    Python's own handler prints a traceback for each line instead, and its error hides the reason why the run stops.
    """

    _lacks_lines = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Say once that the log lacks lines, if it was the disk; a bug of ours keeps its traceback."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._lacks_lines:
            self._lacks_lines = True
            print(f"{self.baseFilename}: lacks lines from here on ({error.strerror or error})", file=sys.stderr)
