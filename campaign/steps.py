"""What a case does to its files before its command runs: each step is a function that the catalogue names."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

# A step may return what further ``$name`` mean.
Step = Callable[..., Mapping[str, str] | None]
STEPS: dict[str, Step] = {}


def step(function: Step) -> Step:
    """Let the catalogue name a function; its first argument is the case's folder."""
    STEPS[function.__name__] = function
    return function


def _found(here: Path, pattern: str) -> list[Path]:
    """Return the paths that a name or pattern means, at least one; absolute ones are in the case's folder too."""
    inside = os.path.relpath(pattern, here) if pattern.startswith("/") else pattern
    # A name may hold characters that mean something in a pattern.
    exact = here / inside
    found = [exact] if exact.exists() or exact.is_symlink() else sorted(here.glob(inside))
    if not found:
        raise FileNotFoundError(f"{pattern}: the case has no such file")
    return found


def found_one(here: Path, pattern: str) -> Path:
    """Return the only path that a name or pattern means."""
    (path,) = _found(here, pattern)
    return path


def _paths(here: Path, pattern: str) -> Iterator[Path]:
    yield from _found(here, pattern)


@step
def remove(here: Path, pattern: str) -> None:
    """Remove files or folders."""
    for path in _paths(here, pattern):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@step
def cut(here: Path, pattern: str, share: float = 0.6) -> None:
    """Keep the first part of files."""
    for path in _paths(here, pattern):
        os.truncate(path, int(path.stat().st_size * share))


@step
def empty(here: Path, pattern: str) -> None:
    """Leave nothing in files."""
    for path in _paths(here, pattern):
        path.write_bytes(b"")


@step
def text(here: Path, name: str, content: str) -> None:
    """Write a text file, over what is there."""
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(content, encoding="utf-8")


@step
def repeat(here: Path, name: str, content: str, times: int, before: str = "", after: str = "") -> None:
    """Write a text file that repeats something."""
    text(here, name, before + content * times + after)


@step
def octets(here: Path, name: str, content: str) -> None:
    """Write a file of bytes, given in hexadecimal."""
    (here / name).write_bytes(bytes.fromhex(content))


@step
def flip(here: Path, pattern: str, share: float = 0.5, mask: int = 4) -> None:
    """Flip a bit of files."""
    for path in _paths(here, pattern):
        content = bytearray(path.read_bytes())
        content[int(len(content) * share)] ^= mask
        path.write_bytes(content)


@step
def overwrite(here: Path, pattern: str, content: str, at: int = 0) -> None:
    """Write bytes, given in hexadecimal, into files."""
    for path in _paths(here, pattern):
        with path.open("r+b") as stream:
            stream.seek(at)
            stream.write(bytes.fromhex(content))


@step
def append(here: Path, pattern: str, content: str) -> None:
    """Add text to files."""
    for path in _paths(here, pattern):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(content)


@step
def copy(here: Path, source: str, target: str) -> None:
    """Copy a file or folder, over what is there."""
    path = found_one(here, source)
    if path.is_dir():
        shutil.copytree(path, here / target, dirs_exist_ok=True)
    else:
        (here / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, here / target)


@step
def move(here: Path, source: str, target: str) -> None:
    """Rename a file or folder."""
    path = found_one(here, source)
    (here / target).parent.mkdir(parents=True, exist_ok=True)
    path.rename(here / target)


@step
def swap(here: Path, first: str, second: str) -> None:
    """Exchange the contents of two files."""
    one, other = (here / name for name in (first, second))
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])


@step
def normalise(here: Path, name: str, form: Literal["NFC", "NFD"], new: str) -> None:
    """Rename a file to a name in one of Unicode's normal forms."""
    move(here, name, unicodedata.normalize(form, new))


@step
def rename_bytes(here: Path, name: str, new: str) -> None:
    """Rename a file to bytes, given in hexadecimal, that may be no text."""
    path = found_one(here, name)
    os.rename(os.fsencode(path), os.fsencode(path.parent) + b"/" + bytes.fromhex(new))  # noqa: PTH104 - bytes


@step
def folder(here: Path, name: str) -> None:
    """Put a folder where something was."""
    path = here / name
    if path.exists() or path.is_symlink():
        remove(here, name)
    path.mkdir(parents=True)


@step
def link(here: Path, name: str, target: str) -> None:
    """Put a symbolic link where something was."""
    path = here / name
    if path.exists() or path.is_symlink():
        remove(here, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@step
def fifo(here: Path, name: str) -> None:
    """Put a FIFO, which nobody writes to, where something was."""
    path = here / name
    if path.exists():
        remove(here, name)
    os.mkfifo(path)
