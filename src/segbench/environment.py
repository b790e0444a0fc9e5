"""What a result depends on besides the configuration: package versions, the commit, the machine."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from segbench import __version__
from segbench.installation import INSTALLED, installed_commit

_PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "albumentations", "numpy")
_CPUINFO = Path("/proc/cpuinfo")
# What processors call it that compute in bfloat16: x86's two extensions, ARM's one.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
# The variable in which a sweep tells a job of its share of the cores.
CORES = "SEGBENCH_CORES"
# More than these seldom load faster, and each takes memory.
_MOST_LOADERS = 8
_CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")
_STATUS = Path("/proc/self/status")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    known = {"python": platform.python_version(), "segbench": __version__}
    return known | {name: metadata.version(name) for name in _PACKAGES}


def processor_name() -> str:
    """Return the model name of the CPU, or else the machine's architecture."""
    try:
        lines = _CPUINFO.read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def processors() -> int:
    """Return the number of the machine's logical processors."""
    return os.cpu_count() or 1


def usable_cores() -> int:
    """Return how many cores this process may use: its share of them, where it has been given one."""
    share = os.environ.get(CORES, "")
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else processors()
    return int(share) if share.isdecimal() else mine


def loader_processes() -> int:
    """Return how many processes load images for a GPU: the cores that this job may use but one, 8 at most."""
    return min(max(usable_cores() - 1, 1), _MOST_LOADERS)


def memory_bytes() -> int:
    """Return the memory that this process may use: the least of the machine's, the container's and the shell's."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    with suppress(OSError, ValueError):  # no container, or "max"
        limits.append(int(_CONTAINER_MEMORY.read_text()))
    return min(limits)


def peak_memory_bytes() -> int:
    """Return the most memory that this process has had."""
    # On Linux getrusage would count what the parent had when it started this process.
    with suppress(OSError):
        if found := re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process take only so many bytes beside what it has, where the system can say so (Linux).

    What a file says of its size may be a lie; then the allocation fails, a ``MemoryError``.
    """
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (OSError, ValueError, LookupError, AttributeError):
        yield
        return
    limit = taken + more if before[0] == resource.RLIM_INFINITY else min(taken + more, before[0])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


class Precision(NamedTuple):
    """A precision to compute in, and why.

    Attributes:
        value: As ``trainer.precision`` has it.
        reason: The device, and whether it has bfloat16.
    """

    value: int | str
    reason: str


class Card(NamedTuple):
    """A CUDA device.

    Attributes:
        name: Its model name.
        capability: Its compute capability, major and minor.
    """

    name: str
    capability: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name}, compute capability {self.capability[0]}.{self.capability[1]}"


def graphics_card(accelerator: str) -> Card | None:
    """Return the CUDA device that a run is on; None for other devices.

    Args:
        accelerator: ``trainer.accelerator``; of a machine with several graphics cards the first is asked.
    """
    import torch  # not above, as in native_precision

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return None
    return Card(torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0))


def native_precision(accelerator: str) -> Precision:
    """Return bfloat16 if the device computes in it, else float32: a device that only imitates it is many times slower.

    Args:
        accelerator: ``trainer.accelerator``; of a machine with several graphics cards the first is asked.
    """
    # Not above: it takes seconds, and only a precision that is to be found needs it.
    import torch

    if accelerator != "cpu" and torch.cuda.is_available():
        name, has = torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        name, has = "Apple's graphics processor", False
    else:
        name, has = processor_name(), processor_has_bfloat16()
    return Precision("bf16-mixed" if has else 32, f"{name} {'has' if has else 'lacks'} bfloat16")


def processor_has_bfloat16() -> bool:
    """Say whether the processor states that it computes in bfloat16; one that states nothing (macOS) does not."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Return the checkout's ``commit`` (None outside a checkout) and whether it is ``dirty``.

    Where segbench is installed, the commit is that which pip was told, if any: the packages may lie in a checkout of
    something else.

    Untracked files below ``src`` or ``conf`` that git does not ignore count as changes, as they can affect results.
    Other untracked files, such as notes and outputs, do not.

    Args:
        folder: A folder of the checkout; None for this package's.
    """
    if folder is None and INSTALLED:
        return {"commit": installed_commit(), "dirty": False}
    folder = folder or Path(__file__).resolve().parent
    # Without locks: what only asks writes nothing, not even git's own notes, which a full disk would cut.
    begin = ["git", "--no-optional-locks", "-C", str(folder)]

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run([*begin, *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return result.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": False}
    changes = git("status", "--porcelain", "--untracked-files=no")
    untracked = git("ls-files", "--others", "--exclude-standard", ":/src", ":/conf")
    return {"commit": commit, "dirty": bool(changes or untracked)}
