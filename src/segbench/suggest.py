"""Suggests the nearest choice for a misspelled name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` for the choice nearest to ``word``, or else the list of choices.

    Args:
        word: What was typed.
        choices: The valid choices.
    """
    choices = sorted(set(choices))
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; choose from {', '.join(choices)}" if choices else ""
