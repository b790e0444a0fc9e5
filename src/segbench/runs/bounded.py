"""Reading a folder that anybody may have written: the one way in which files of runs and of pages are opened.

A file is read only if it is a regular file that lies where it seems to (no link leads out of the folder, no pipe or
device is waited for), up to a size, and what it unfolds to is bounded too: the depth of JSON and YAML, YAML's aliases
and tags; cells of tables, members of archives and pixels of pictures in :mod:`segbench.runs.unfolding`. Whatever is
wrong is an ``OSError`` or a ``ValueError`` whose first line is the reason; it names no path, which
:func:`segbench.runs.readers.named` adds.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

import yaml

KILO, MEGA = 2**10, 2**20
# Bytes; far more than any file of its kind takes.
TEXT, LISTS, PICTURE, TABLE = MEGA, 16 * MEGA, 64 * MEGA, 256 * MEGA
DEPTH = 64
LONGEST_WORD, LONGEST_NUMBER = 64 * KILO, 64
# What reading one file may take beside what the process has.
MEMORY = 1536 * MEGA

# Between these stands what is written as YAML: unlike JSON, most beginnings of a YAML text are YAML too.
YAML_START, YAML_END = "---\n", "...\n"
# YAML 1.1 takes 1e-3 for a word; OmegaConf, which writes the files, takes it for a number.
_FLOAT = re.compile(r"^[-+]?\d[\d_]*(?:\.[\d_]*)?[eE][-+]?\d+$")


@contextmanager
def open_file(path: Path, root: Path | None = None, largest: int = TEXT) -> Iterator[IO[bytes]]:
    """Open a regular file for reading.

    Args:
        path: The file.
        root: The folder that it belongs to; by default the one that it lies in. No part of the path below is a link.
        largest: Most bytes.

    Raises:
        FileNotFoundError: If there is none.
        OSError: If it cannot be opened.
        ValueError: If it is no regular file, a link leads to it, or it is larger.
    """
    folder = path.parent
    while root is not None and folder != root:
        if folder == folder.parent:
            raise ValueError("it does not lie in its run")
        if folder.is_symlink():
            raise ValueError(f"{folder.name} is a link, and links are not followed out of a run")
        folder = folder.parent
    if path.is_symlink():
        raise ValueError("it is a link, and links are not followed out of a run")
    # Without O_NONBLOCK the opening of a pipe waits for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"it is {'a folder' if stat.S_ISDIR(found.st_mode) else 'a pipe or a device'}, not a file")
        if found.st_size > largest:
            raise ValueError(f"it has {found.st_size:,} bytes, more than {largest:,}")
        stream = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with stream:
        yield stream


def read_bytes(path: Path, root: Path | None = None, largest: int = PICTURE) -> bytes:
    """Return a file's content; arguments and exceptions are those of :func:`open_file`."""
    with open_file(path, root, largest) as stream:
        # Not of a file that grows meanwhile.
        return stream.read(os.fstat(stream.fileno()).st_size)


def read_text(path: Path, root: Path | None = None, largest: int = TEXT) -> str:
    """Return a text file's content, UTF-8; arguments and exceptions are those of :func:`open_file`."""
    return read_bytes(path, root, largest).decode("utf-8")


def read_json(path: Path, largest: int = TEXT) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it cannot be, is no JSON, or is nested too deep.
    """
    return parse_json(read_text(path, largest=largest))


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Raises:
        ValueError: If it is no JSON, has a number that is too long, or is nested deeper than :data:`DEPTH`.
    """
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError:
        value = None
        deep = True
    else:
        deep = _is_deep(value)
    if deep:
        raise ValueError(f"nested deeper than {DEPTH} levels")
    return value


def _whole(digits: str) -> int:
    _check_number(digits)
    return int(digits)


def _check_number(text: str) -> None:
    # One of more digits lies beyond all floats, or cannot be written again.
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"it has a number of {len(text):,} letters")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH):
        inner = [part for part in level if isinstance(part, dict | list)]
        level = [item for part in inner for item in (part.values() if isinstance(part, dict) else part)]
        if not level:
            return False
    return True


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the fast one where it is built
    """Reads what OmegaConf writes: its numbers, and dates as the words they are."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))


def _number(loader: Any, node: Any) -> Any:
    _check_number(node.value)
    whole = node.tag.endswith(":int")
    return loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number)


def read_yaml(path: Path, largest: int = TEXT) -> Any:
    """Return what a YAML file holds, as OmegaConf would without resolving it, ten times as fast.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it cannot be, or for what :func:`parse_yaml` refuses.
    """
    return parse_yaml(read_text(path, largest=largest))


def parse_yaml(text: str) -> Any:
    """Return what a YAML text holds: mappings, lists, words and numbers.

    Raises:
        ValueError: If it is no YAML, begins as a document that it does not end, has aliases or tags, which the program
            never writes, words or numbers that are too long, or is nested deeper than :data:`DEPTH`.
    """
    if text.startswith(YAML_START) and not text.endswith(f"\n{YAML_END}"):
        raise ValueError("it is cut short or was changed, as it does not end with a line of ...")
    try:
        _check_yaml(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_yaml(text: str) -> None:
    depth = 0
    # Event by event, as what is built of them may be far larger than the file, or too deep for the stack.
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("it has an alias (*), which the files of runs do not have")
        if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent) and event.tag not in (None, "!"):
            raise ValueError(f"it has a tag ({event.tag[:80]}), which the files of runs do not have")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_WORD:
            raise ValueError(f"it has a word of {len(event.value):,} letters")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH} levels")
