"""Letters for what cannot be told apart: the compact letter display, by insertion and absorption.

H.-P. Piepho, An algorithm for a letter-based representation of all-pairwise comparisons, J. Comput. Graph. Stat. 13
(2004) 456-466. A letter stands for a set of rows of which no two are told apart, and every such set that cannot be
made larger has one; so two rows share a letter if and only if they are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_letters


def compact_letter_display(order: Sequence[int], apart: Iterable[tuple[int, int]]) -> dict[int, str]:
    """Return the letters of each row.

    Args:
        order: The rows, the best one first; its letters come first in the alphabet.
        apart: Pairs of rows that are told apart.

    Returns:
        Row to its letters, in alphabetical order, one or more.
    """
    groups = [frozenset(order)]
    for first, second in apart:
        split = [group for group in groups if first in group and second in group]
        inserted = [group - {row} for group in split for row in (first, second)]
        kept = [group for group in groups if group not in split]
        # Absorption: a set inside another says nothing that the larger one does not say.
        groups = kept + [
            group
            for index, group in enumerate(inserted)
            if not any(group <= other for other in kept)
            and not any(group < other or (group == other and index > place) for place, other in enumerate(inserted))
        ]
    position = {row: place for place, row in enumerate(order)}
    groups.sort(key=lambda group: sorted(position[row] for row in group))
    return {row: "".join(_letter(index) for index, group in enumerate(groups) if row in group) for row in order}


def _letter(index: int) -> str:
    """Return a to z, A to Z, then Latin letters with marks."""
    return ascii_letters[index] if index < len(ascii_letters) else chr(0x100 + index - len(ascii_letters))
