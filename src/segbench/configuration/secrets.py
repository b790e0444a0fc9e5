"""Secrets of the environment stay out of configurations, which are stored with every run and printed by reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from segbench.errors import ConfigError

_READS = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}\s]+)")
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


def refuse_secrets(unresolved: Any) -> None:
    """Check that no value reads a variable of the environment that looks like a secret.

    Args:
        unresolved: The configuration as plain values, before its interpolations are resolved.

    Raises:
        ConfigError: If one does; names the key and the variable, never its value.
    """
    for key, text in _texts(unresolved):
        if secret := next((name for name in _READS.findall(text) if _SECRET.search(name)), None):
            raise ConfigError(
                f"{key}: reads {secret} from the environment, and config.yaml would hold it; leave it out, as libraries"
                " read such variables themselves"
            )


def _texts(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text at or below a node, keys of mappings too, with its dotted key."""
    if isinstance(node, dict):
        for name, inner in node.items():
            place = f"{key}.{name}".removeprefix(".")
            yield place, str(name)
            yield from _texts(inner, place)
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _texts(inner, f"{key}.{index}")
    elif isinstance(node, str):
        yield key, node
