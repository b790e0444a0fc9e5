"""Suggests the nearest choice for a misspelled name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice nearest to a word, or None if none is near."""
    close = difflib.get_close_matches(word, sorted(set(choices)), n=1, cutoff=0.6)
    return close[0] if close else None


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the choice nearest to ``word``, or else the list of choices.

    Args:
        word: What was typed.
        choices: The valid choices.
    """
    choices = sorted(set(choices))
    if close := closest(word, choices):
        return f"; did you mean {close}?"
    return f"; choose from {', '.join(choices)}" if choices else ""
