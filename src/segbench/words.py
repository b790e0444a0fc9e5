"""Text helpers for messages, pages and pictures: lists, plurals, numbers, times, the first line of an error."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_NAMED = 3


def first_line(error: BaseException) -> str:
    """Return the first non-empty line of an exception's message, or else the exception's name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


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
