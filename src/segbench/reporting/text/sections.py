"""Sections of a results page: what lies between a line that begins an experiment and the line that ends it.

A page may have been written by anybody, so it is read in one pass, whatever it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

_EDGE = re.compile(r"<!-- (begin|end) (.*) -->\n?\Z")


@dataclass(frozen=True)
class Part:
    """A section of a page: its title, the text between its edges, and where in the page it lies with them."""

    title: str
    body: str
    start: int
    end: int


def edges(title: str) -> tuple[str, str]:
    """Return the lines, without their ends, between which an experiment's section stands."""
    # A comment that ends early would make the rest of the title part of the page.
    inside = title.replace("--", "- -").replace(">", "&gt;")
    return f"<!-- begin {inside} -->", f"<!-- end {inside} -->"


def find_parts(text: str) -> list[Part]:
    """Return the sections of a page from top to bottom; one that does not end is none."""
    lines, offset = text.splitlines(keepends=True), 0
    begins: list[tuple[str, int, int]] = []
    ends: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in lines:
        after = offset + len(line)
        if found := _EDGE.match(line):
            if found[1] == "begin":
                begins.append((found[2], offset, after))
            else:
                ends[found[2]].append((offset, after))
        offset = after
    parts: list[Part] = []
    for title, start, inside in begins:
        if parts and start < parts[-1].end:
            continue
        index = bisect_left(ends[title], (inside, 0))
        if index < len(ends[title]):
            last, end = ends[title][index]
            parts.append(Part(title, text[inside:last], start, end))
    return parts
