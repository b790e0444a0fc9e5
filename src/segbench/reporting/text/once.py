"""What the sections of a results page say in the same words, once at its end.

Each section names by digests what is meant of it, so that a section can be made again without the others: what none
names any more goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from segbench.reporting.text.markdown import markdown_text
from segbench.reporting.text.sections import find_parts

_BEGIN, _END = "<!-- reading -->\n", "<!-- reading ends -->\n"
_TITLE = "## How to read the tables\n\n"
_NAMED = re.compile(r"^<!-- read by ([0-9a-f ]*) -->$", re.MULTILINE)
_LINE = re.compile(r"^- (.+)$", re.MULTILINE)


def naming(notes: Sequence[str]) -> str:
    """Return the line by which a section names its general notes; empty without any."""
    return f"<!-- read by {' '.join(map(_digest, map(markdown_text, notes)))} -->\n" if notes else ""


def with_notes(page: str, notes: Sequence[str]) -> str:
    """Return a page with the notes that its sections name, each once, at its end.

    Args:
        page: The page, with the notes that it had.
        notes: Those of a section that was just written.
    """
    begin = page.find(_BEGIN)
    end = page.find(_END, begin)
    known, after = [], ""
    if -1 < begin < end:
        known = _LINE.findall(page[begin:end])
        page, after = page[:begin], page[end + len(_END) :]
        if find_parts(after):
            # A section that was added behind them.
            page, after = f"{page.rstrip()}\n\n{after.lstrip()}", ""
    named = {digest for line in _NAMED.findall(page + after) for digest in line.split()}
    kept = [note for note in dict.fromkeys([*known, *map(markdown_text, notes)]) if _digest(note) in named]
    if not kept:
        return f"{page.rstrip()}\n{after}"
    lines = "\n".join(f"- {note}" for note in kept)
    return f"{page.rstrip()}\n\n{_BEGIN}{_TITLE}{lines}\n{_END}{after}"


def _digest(note: str) -> str:
    return hashlib.sha256(note.encode()).hexdigest()[:8]
