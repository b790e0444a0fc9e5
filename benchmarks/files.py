"""Counts what runs leave on a file system and ask of it: ``python -m benchmarks.files`` (``--runs``, ``--epochs``).

It sweeps tiny networks below a folder of its own, under strace, and counts files and folders (inodes), bytes, and the
system calls that concern that folder. A sweep of one run and one of three, and one with more epochs, tell what the
experiment, each run and each epoch cost; the sums for ``--runs`` of ``--epochs`` follow from these. Bytes are those of
a network with hardly any weights: of 4 bytes each, a run has 7 copies (Adam's state in ``last`` and ``previous``).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

_TINY = (
    "data.subjects=8",
    "data.slices=2",
    "data.size=[32,32]",
    "model.width=2",
    "trainer.accelerator=cpu",
    "trainer.progress=lines",
)
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
# What a call is to a file server that keeps names and attributes. Reading and writing data is none of these.
_KINDS = {
    "open": ("open", "openat", "openat2", "creat"),
    "ask for attributes": (
        "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
    ),
    "change names": (
        "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat",
        "link", "linkat",
    ),
    "list a folder": ("getdents64",),
    "wait for the disk": ("fsync", "fdatasync"),
    "lock": ("flock",),
}  # fmt: skip
_KIND_OF = {call: kind for kind, calls in _KINDS.items() for call in calls}


def measure(runs: int, epochs: int) -> Counter[str]:
    """Return the counts of a sweep.

    Args:
        runs: Its number of runs.
        epochs: Of each.

    Raises:
        RuntimeError: If it fails.
    """
    with tempfile.TemporaryDirectory(prefix="segbench-files-") as place:
        outputs, trace = Path(place, "outputs"), Path(place, "trace")
        calls = ",".join(sorted(_KIND_OF))
        watched = [
            "strace",
            "-f",
            "-y",
            "-qq",
            "-e",
            f"trace=?{calls.replace(',', ',?')}",
            "-e",
            "signal=none",
            "-o",
            str(trace),
        ]
        script = Path(__file__).resolve().parents[1] / "src" / "run.py"
        seeds = ",".join(str(seed) for seed in range(runs))
        own = [f"paths.outputs={outputs}", f"trainer.max_epochs={epochs}", "-m", f"seed={seeds}"]
        command = [*watched, sys.executable, str(script), *_TINY, *own]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise RuntimeError(done.stderr)
        counts = Counter[str](kinds(trace, str(outputs)))
        for path in outputs.rglob("*"):
            counts["inodes"] += 1
            counts["bytes"] += path.stat().st_size if path.is_file() else 0
        return counts


def kinds(trace: Path, outputs: str) -> list[str]:
    """Return the kind of each call that concerns a folder.

    Args:
        trace: What strace wrote.
        outputs: The folder.
    """
    found = []
    with trace.open(errors="replace") as lines:
        for line in lines:
            call = _CALL.match(line)
            if call and outputs in line:
                found.append(_KIND_OF[call[1]])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    asked = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        sys.exit("error: no strace; on Debian: apt-get install strace")
    one, three, longer = measure(1, 2), measure(3, 2), measure(1, 6)
    print(f"{'':24}{'experiment':>12}{'run':>12}{'epoch':>12}{f'{asked.runs} runs':>16}")
    for name in ("inodes", "bytes", *_KINDS):
        epoch = (longer[name] - one[name]) / 4
        run = (three[name] - one[name]) / 2 - 2 * epoch
        fixed = one[name] - run - 2 * epoch
        total = fixed + asked.runs * (run + asked.epochs * epoch)
        print(f"{name:24}{fixed:12,.0f}{run:12,.0f}{epoch:12,.1f}{total:16,.0f}")


if __name__ == "__main__":
    main()
