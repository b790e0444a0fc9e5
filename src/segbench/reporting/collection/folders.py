"""Where runs lie: the folders at or below what was given, none of them read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from segbench.errors import ConfigError
from segbench.runs.tuning import ROW

# What a run makes before it says who it is, or what is left of one that was half deleted.
_MARKS = frozenset((".lock", "config.yaml", "checkpoints", "scores.parquet", "summary.json"))
_SELF = frozenset(("run.json", "status.json"))
# Folders below the one that is given.
DEEPEST = 32
MOST_FOLDERS = 100_000


def place(folder: Path) -> Path:
    """Return where a directory stands by name: links to another experiment's run are places of their own."""
    return Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow the link


def run_directories(root: Path) -> Iterator[Path]:
    """Yield run directories, also those beside them that were made but never got so far as to say who they are."""
    beside: list[tuple[Path, set[str]]] = []
    parents: set[Path] = set()
    for folder, names in walk(root):
        if _SELF & names:
            parents.add(folder.parent)
            yield folder
        else:
            beside.append((folder, names))
    for folder, names in beside:
        # Something was begun here: not a folder of other folders, nor one of hidden files.
        if folder.parent in parents and (_MARKS & names or not names) and not folder.name.startswith("."):
            yield folder


def walk(root: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield folders at or below ``root`` with the names in them, in their order; nothing below a run is visited.

    A link is followed to a run and nowhere else: others lead out of what was given, or in circles. Trials of a row are
    found where their folder is what was given.
    """
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        seen += 1
        if seen > MOST_FOLDERS:
            raise ConfigError(f"{root}: more than {MOST_FOLDERS:,} folders; give an experiment's directory")
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        except OSError:
            continue
        names = {entry.name for entry in entries}
        linked = depth > 0 and folder.is_symlink()
        if (linked and not _SELF & names) or (depth > 0 and ROW in names):
            continue
        yield folder, names
        if not _SELF & names and depth < DEEPEST:
            waiting += [(folder / entry.name, depth + 1) for entry in entries if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
