"""What one job of a sweep gets of the machine: its threads and its device."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from segbench.errors import ConfigError

_DEVICES = "CUDA_VISIBLE_DEVICES"


def job_environment(environment: Mapping[str, str], jobs: int, slot: int, gpus: Sequence[int]) -> dict[str, str]:
    """Return the environment of one job.

    Args:
        environment: That of the sweep.
        jobs: How many jobs run at a time; each gets its share of the cores, and never more threads than the user
            allowed with ``OMP_NUM_THREADS`` or ``MKL_NUM_THREADS``.
        slot: The job's place among them.
        gpus: Devices that the jobs take in turn, counted among those of ``CUDA_VISIBLE_DEVICES`` where it is set.
    """
    result = dict(environment)
    if jobs > 1:
        share = max(1, len(os.sched_getaffinity(0)) // jobs)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            # MKL takes OpenMP's number where it has none of its own.
            allowed = _threads(environment.get(name)) or _threads(environment.get("OMP_NUM_THREADS")) or share
            result[name] = str(min(share, allowed))
    if gpus:
        result[_DEVICES] = _device(environment, gpus[slot % len(gpus)])
    return result


def check_gpus(environment: Mapping[str, str], gpus: Sequence[int]) -> None:
    """Refuse devices that the sweep itself cannot see.

    Raises:
        ConfigError: If a number is negative or beyond those of ``CUDA_VISIBLE_DEVICES``.
    """
    for number in gpus:
        _device(environment, number)


def _device(environment: Mapping[str, str], number: int) -> str:
    if number < 0:
        raise ConfigError(f"hydra.launcher.gpus={number}: must be 0 or more")
    if environment.get(_DEVICES) is None:
        return str(number)
    visible = []
    for name in environment[_DEVICES].split(","):
        if name.strip() in ("", "-1"):
            break  # CUDA reads no further
        visible.append(name.strip())
    if number >= len(visible):
        raise ConfigError(
            f"hydra.launcher.gpus={number}: {_DEVICES}={environment[_DEVICES]} leaves {len(visible)} devices, "
            "counted from 0; choose among them or unset it"
        )
    return visible[number]


def _threads(text: str | None) -> int | None:
    """Return the number of threads of the outermost level (OpenMP takes a list), or None if there is none."""
    first = (text or "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None
