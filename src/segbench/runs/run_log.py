"""The lines of a run on the terminal and in ``train.log``, of which the disk may be full."""

from __future__ import annotations

import logging
import sys

from segbench.words import visible


class VisibleLines(logging.Formatter):
    """Writes each message as one line in which nothing is hidden, whatever names of files and classes are in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name that logging calls
        """Return the line."""
        return visible(super().formatMessage(record))


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
