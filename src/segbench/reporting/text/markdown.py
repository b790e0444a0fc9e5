"""Text to Markdown (GitHub's): names, questions and reasons are shown as they stand, whatever signs they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from segbench.words import visible

# Signs that would begin or end something there. An interval's brackets, a < before a number and an underscore inside a
# word are text as they stand, and stay readable in the source.
_ACTIVE = re.compile(
    r"""\\(?=[!-/:-@\[-`{-~]|$)   # an escape
    | [`*~$|]
    | (?<![^\W_])_ | _(?![^\W_])  # emphasis by underscores: not inside a word
    | \](?=[(\[:])                # a link or what it refers to
    | <(?=[A-Za-z/!?])            # HTML
    | &(?=\#?\w+;)                # a character by its name
    | ^(?:[>=] | \#(?=\#*(?:\s|$)) | [-+](?=[\s-]|$))   # a quotation, a heading, a list, a rule
    """,
    re.VERBOSE,
)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_FENCE = re.compile(r"`+")
# A path has no brackets of its own, which quote() writes as %28 and %29: a line is searched in one pass.
_PICTURE = re.compile(r"^!\[[^\n]*\]\(([^\s()]+)\)$", re.MULTILINE)


def markdown_line(text: str) -> str:
    """Return a text on one line, not yet Markdown: line breaks become spaces, and nothing is hidden."""
    return " ".join(visible(text).split())


def markdown_text(text: str) -> str:
    """Return Markdown that shows a text as it stands, on one line: line breaks become spaces.

    It fits everywhere: into a paragraph, a list, a heading, a table's cell and the words of a link.
    """
    escaped = _ACTIVE.sub(lambda found: f"\\{found[0]}", markdown_line(text))
    return _NUMBERED.sub(r"\1\\\2", escaped)


def shown_text(source: str) -> str:
    """Return the text that :func:`markdown_text` was given; of Markdown written by hand, without its escapes."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", source)


def markdown_code(text: str) -> str:
    """Return a text as code, between more backticks than it holds in a row."""
    text = visible(text)
    fence = "`" * (max(map(len, _FENCE.findall(text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def markdown_link(text: str, path: str, anchor: str = "") -> str:
    """Return a link to a file, whose path may hold spaces and brackets, or to a heading of it."""
    return f"[{markdown_text(text)}]({quote(path, errors='replace')}{'#' * bool(anchor)}{anchor})"


def pictures_in(text: str) -> list[str]:
    """Return the paths of the pictures that a Markdown text shows, each on a line of its own."""
    return [unquote(path) for path in _PICTURE.findall(text)]


def markdown_list(lines: Sequence[str]) -> str:
    """Return texts as a list, one bullet each."""
    return "\n".join(f"- {markdown_text(line)}" for line in lines)


def markdown_table(cells: tuple[list[str], list[list[str]]], words: int = 1) -> str:
    """Return header and rows of texts as a table; ``words`` columns hold words, the others are set flush right."""
    header, rows = cells
    rule = ["---" if index < words else "---:" for index in range(len(header))]
    lines = [[markdown_text(cell) for cell in line] for line in (header, *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))


def inside_cell(source: str) -> str:
    """Return Markdown that was written elsewhere as the content of a table's cell: upright strokes divide no cells."""
    return re.sub(r"\\.|\|", lambda found: found[0] if len(found[0]) > 1 else r"\|", source)
