"""Text helpers for messages, pages, tables and pictures: lists, plurals, numbers, times, an error's first line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MOST_NAMED = 3
# What is between lines, and what is not to be seen: control characters, marks that turn the direction of writing,
# joints without width, halves of characters, tags.
_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
HIDDEN = "\N{REPLACEMENT CHARACTER}"
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\Z", re.ASCII)
# Where a formula would begin: at the start of a cell, or behind what parts cells in other countries' files. Some
# spreadsheets take the wide forms of these signs too.
_FORMULA = re.compile("(^|[;|])(\\s*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")


def visible(text: str, lines: bool = False) -> str:
    """Return a text in which nothing is hidden: a terminal, a page and an editor show what it says.

    Control characters, marks that turn the direction of writing and halves of characters become a replacement
    character.

    Args:
        text: Written by anybody.
        lines: Keep line feeds and tabs; otherwise every break between lines becomes a space.
    """
    return _HIDDEN.sub(HIDDEN, text if lines else _BREAKS.sub(" ", text))


def first_line(error: BaseException) -> str:
    """Return the first non-empty line of an exception's message, or else the exception's name."""
    lines = (visible(line).strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return ``A``, ``A and B``, ``A, B and C`` or, for more than ``most`` + 1 names, ``A, B, C and 4 others``."""
    shown = [*names[:most], f"{len(names) - most} others"] if len(names) > most + 1 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def plural(number: int, word: str) -> str:
    """Return ``1 image`` or ``3 images``."""
    return f"{number} {word}" + "s" * (number != 1)


def decimal(value: float | None, digits: int = 4) -> str:
    """Return ``0.1234``, or ``-`` where there is no finite value."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """Return seconds as ``4.2 s``, ``42 s``, ``4 min 12 s`` or ``3 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def csv_cell(text: str) -> str:
    """Return a text as the content of a cell that no spreadsheet takes for a formula.

    An apostrophe stands before what would begin one; a number, signed or not, is left as it is. Nothing is hidden, and
    line breaks and tabs become spaces.
    """
    shown = visible(text)
    return shown if _NUMBER.match(shown) else _FORMULA.sub(r"\1'\2", shown)
