"""Paths in what people publish: relative to where the program was started, or to a home that has no name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Where somebody's files lie, in commands that others read.
HIDDEN = "<folder>"
# Homes of anybody, also of who made the runs on another machine.
_HOME = re.compile(r"(?<![\w.~-])(?:/home/[^/\s'\":;,]+|/Users/[^/\s'\":;,]+|/root)(?=[/\s'\":;,)]|$)")


def places_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the folders that a run's configuration names: its ``paths`` and ``data.root``, by name."""
    found: dict[str, Any] = {}
    for section, names in (("paths", None), ("data", ("root",))):
        entries = config.get(section)
        if isinstance(entries, Mapping):
            found |= {str(key): entries[key] for key in names or entries if entries.get(key)}
    return found


def public_assignment(key: str, value: str) -> str:
    """Return what an override sets, without the place of the data: :data:`HIDDEN` for that."""
    return HIDDEN if key == "data.root" or (key.startswith("data.") and value.startswith(("/", "~"))) else value


def public(text: str, paths: Any = None) -> str:
    """Return a text without the absolute paths that tell who ran it where.

    The folder that the program was started in is left out, a home is ``~``, and the configured folders of a run are
    called by their names: ``<outputs>``.

    Args:
        text: A command, a reason, the line of a log.
        paths: Folders by name (:func:`places_of`).
    """
    known = paths.items() if isinstance(paths, Mapping) else ()
    absolute = {str(path).rstrip("/"): f"<{name}>" for name, path in known if str(path).startswith("/")}
    # Without the root, which every path begins with.
    places = {place: shown for place, shown in absolute.items() if place}
    for place in sorted(places, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.~-]){re.escape(place)}(?![\w.-])", places[place], text)
    here, home = (str(folder) for folder in (Path.cwd(), Path.home()))
    if here != "/":
        text = re.sub(rf"(?<![\w.~/-]){re.escape(here)}/", "", text)
        text = re.sub(rf"(?<![\w.~/-]){re.escape(here)}(?![\w.-])", ".", text)
    if home != "/":
        text = re.sub(rf"(?<![\w.~/-]){re.escape(home)}(?![\w.-])", "~", text)
    return _HOME.sub("~", text)
