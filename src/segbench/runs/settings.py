"""The settings of a run as flat keys, so that runs can be compared key by key."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Iterable
from typing import Any

# The number of processes, which no configuration has: that of each machine times that of the machines.
PROCESSES, COUNTS = "trainer.processes", ("trainer.devices", "trainer.num_nodes")


def flatten(config: dict[Any, Any]) -> dict[str, Hashable]:
    """Return dotted keys to values; lists count as one value, written as JSON."""
    flat: dict[str, Hashable] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": item for inner, item in flatten(value).items()}
        else:
            flat[str(key)] = json.dumps(value) if isinstance(value, list) else _equal_to_itself(value)
    return flat


def with_processes(flat: dict[str, Hashable]) -> dict[str, Hashable]:
    """Return flat settings with the number of processes, where that changes a result: each normalised its own images.

    It is :data:`PROCESSES` then, and no key otherwise, as several processes compute what one does.
    """
    counts = [count for key in COUNTS if type(count := flat.get(key, 1)) is int]
    changes = flat.get("trainer.sync_batchnorm") is False and len(counts) == len(COUNTS)
    return flat | {PROCESSES: math.prod(counts)} if changes else flat


def is_under(key: str, names: Iterable[str]) -> bool:
    """Say whether a dotted key is one of these names or lies below one."""
    return any(f"{key}.".startswith(f"{name}.") for name in names)


def without_places(flat: dict[str, Hashable], config: dict[str, Any], seed: int | None) -> dict[str, Hashable]:
    """Return flat settings with the run's own places and seed taken out of their texts.

    ``init_from`` of a fine-tuned run, for example, names an earlier run below ``paths.outputs`` by its seed.
    """
    places = sorted((str(value) for value in (config.get("paths") or {}).values() if value), key=len, reverse=True)
    own_seed = re.compile(rf"seed{seed}(?!\d)")
    result = dict(flat)
    for key, value in flat.items():
        if isinstance(value, str):
            for place in places:
                value = f"<path>{value[len(place) :]}" if value.startswith(f"{place}/") else value
            result[key] = own_seed.sub("seed*", value)
    return result


def _equal_to_itself(value: Hashable) -> Hashable:
    """Return numbers that are not finite as words: NaN differs from itself, and neither has a place in an order."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
