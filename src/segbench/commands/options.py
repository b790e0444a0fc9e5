"""Options that are typed as ``key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.errors import ConfigError
from segbench.suggest import nearest


def key_values(arguments: Sequence[str], options: type, example: str) -> dict[str, str]:
    """Return the values of ``key=value`` arguments as typed.

    Args:
        arguments: What was typed.
        options: The dataclass whose fields are the keys.
        example: What to write for a path that was typed without its key.

    Raises:
        ConfigError: If a key is unknown, given twice or missing.
    """
    known = list(options.__dataclass_fields__)  # type: ignore[attr-defined]  # a dataclass has them
    given = dict[str, str]()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key in given:
            raise ConfigError(f"{argument}: {key}={given[key]} is given too; give one {key} a command")
        if not equals and Path(argument).exists():
            raise ConfigError(f"{argument}: write {example}, one of each a command")
        given[key] = value
        if not equals or key not in known:
            raise ConfigError(f"{argument}: no such option{nearest(key, known)}; --help lists them")
    return given
