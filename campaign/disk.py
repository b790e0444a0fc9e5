"""Disks that are full, read-only or slow to give: a small file system of the case's own, or limits of the process.

``values`` of a case: ``at``, the folder that lies on a file system of its own; ``size`` in bytes, ``inodes`` or
``read_only`` of that; ``limits``, by the names in :mod:`resource`: ``FSIZE`` is the largest file in bytes, ``NOFILE``
the number of open files; ``again``, whether the same command with room must then end well, with the bits of ``whole``.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaign import given, program
from campaign.catalogue import Case
from campaign.checks import CHECKS, After
from campaign.trial import Outcome, Unable, begin, changed, command, contents, judged

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _RECURSIVE, _PRIVATE = 1, 32, 0x4000, 0x40000
_LIBC = ctypes.CDLL(None, use_errno=True)
_ROOM = 1 << 30


def tried(case: Case, prepared: Path, here: Path) -> Outcome:
    """Run a case's command without room, judge its end, and run it once more with room."""
    words = begin(case, prepared, here)
    before = contents(here)
    given.place(here)
    _shrink(here, case.values)
    place = given.place(here, seconds=case.seconds, limits=case.values.get("limits"))
    line = command(case.run[-1], words)
    found = judged(case, After(here, program.run(line, place), words), changed(before, contents(here)))
    if found.verdict != "promised" or not case.values.get("again"):
        return found
    if "at" in case.values:
        # A number of inodes that was not limited cannot be limited afterwards.
        inodes = {"nr_inodes": 100_000} if "inodes" in case.values else {}
        mount(here / case.values["at"], _REMOUNT, size=_ROOM, **inodes)
    done = program.run(line, given.place(here, seconds=case.seconds))
    if done.code != 0:
        return Outcome(case.id, "otherwise", f"with room again it ends with {done.code}", said=done.err[-1500:])
    differs = CHECKS["equal"](After(here, done, words)) if "whole" in case.given else ""
    return Outcome(case.id, "silent" if differs else "promised", differs, said=found.said)


def _shrink(here: Path, values: Mapping[str, Any]) -> None:
    """Give a folder, with what is in it, a file system of its own."""
    if "at" not in values:
        return
    own_mounts()
    place = here / values["at"]
    place.mkdir(parents=True, exist_ok=True)
    if values.get("read_only"):
        mount(place, 0)
        mount(place, _REMOUNT | _READ_ONLY)
    else:
        inodes = {"nr_inodes": values["inodes"]} if "inodes" in values else {}
        mount(place, 0, size=values.get("size", _ROOM), **inodes)


def own_mounts() -> None:
    """Give this process mounts of its own, that nobody else sees and that end with it.

    Raises:
        Unable: If the kernel does not let us.
    """
    user, group = os.getuid(), os.getgid()
    if _LIBC.unshare(_NEW_MOUNTS) != 0:
        if _LIBC.unshare(_NEW_MOUNTS | _NEW_USERS) != 0:
            raise Unable(f"no mounts of its own ({os.strerror(ctypes.get_errno())})")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if _LIBC.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None) != 0:
        raise Unable(f"mounts are shared ({os.strerror(ctypes.get_errno())})")


def mount(place: Path, flags: int, **options: int) -> None:
    """Mount a file system in memory, or mount it again with other options.

    Raises:
        Unable: If the kernel does not let us.
    """
    told = ",".join(f"{name}={value}" for name, value in options.items()).encode()
    if _LIBC.mount(b"tmpfs", os.fsencode(place), b"tmpfs", flags, told) != 0:
        number = ctypes.get_errno()
        raise Unable(f"no file system of its own ({errno.errorcode.get(number)}: {os.strerror(number)})")
