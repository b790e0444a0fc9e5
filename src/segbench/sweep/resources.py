"""Each job's share of the machine in a sweep: threads and device."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from segbench.environment import CORES
from segbench.errors import ConfigError
from segbench.words import plural

_DEVICES = "CUDA_VISIBLE_DEVICES"


def job_environment(environment: Mapping[str, str], jobs: int, slot: int, gpus: Sequence[int]) -> dict[str, str]:
    """Return the environment variables of one job.

    Args:
        environment: The sweep's environment variables.
        jobs: Number of jobs that run at a time; each gets its share of the cores, but never more threads than the user
            allowed with ``OMP_NUM_THREADS`` or ``MKL_NUM_THREADS``.
        slot: The job's slot among them, from 0.
        gpus: Devices assigned to the jobs in turn, as indices into ``CUDA_VISIBLE_DEVICES`` if it is set.

    Raises:
        ConfigError: If a device does not exist.
    """
    result = with_threads(environment, max(1, len(os.sched_getaffinity(0)) // jobs) if jobs > 1 else None)
    if gpus:
        result[_DEVICES] = _device(environment, gpus[slot % len(gpus)])
    return result


def with_threads(environment: Mapping[str, str], cores: int | None) -> dict[str, str]:
    """Return environment variables with a job's cores and as many threads, or fewer where the user allowed fewer.

    Args:
        environment: The environment variables.
        cores: The job's cores; None changes nothing.
    """
    result = dict(environment)
    if cores is None:
        return result
    result[CORES] = str(cores)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        # Without a number of its own, MKL uses OpenMP's.
        allowed = _threads(environment.get(name)) or _threads(environment.get("OMP_NUM_THREADS")) or cores
        result[name] = str(min(cores, allowed))
    return result


def check_processes(environment: Mapping[str, str], devices: int, nodes: int) -> None:
    """Refuse a sweep of jobs of several processes where a launcher has started several: each would be a sweep.

    Args:
        environment: The sweep's environment variables.
        devices: Processes that a job has on each machine.
        nodes: Machines of a job.

    Raises:
        ConfigError: If torchrun or srun has started the sweep in several processes.
    """
    started = max(int(environment.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"))
    if devices * nodes > 1 and started > 1:
        raise ConfigError(
            f"trainer.devices={devices}: each job of a sweep starts its own processes; start the sweep in one process, "
            "without torchrun, with srun --ntasks=1"
        )


def check_gpus(environment: Mapping[str, str], gpus: Sequence[int]) -> None:
    """Check that the sweep's devices are visible.

    Raises:
        ConfigError: If an index is negative or beyond the devices of ``CUDA_VISIBLE_DEVICES``.
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
            break  # CUDA ignores the rest
        visible.append(name.strip())
    if number >= len(visible):
        raise ConfigError(
            f"hydra.launcher.gpus={number}: {_DEVICES}={environment[_DEVICES]} has {plural(len(visible), 'device')}, "
            "counted from 0; choose among them or unset it"
        )
    return visible[number]


def _threads(text: str | None) -> int | None:
    """Return the number of threads of the outermost level (OpenMP accepts a list), or None if there is none."""
    first = (text or "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None
