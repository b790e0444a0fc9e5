"""What a search by Optuna is asked for: overrides whose values are open, those that are fixed, and the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from segbench.errors import ConfigError
from segbench.runs.tuning import are_choices
from segbench.sweep.space import Range

# A range of positive values that spans so much is searched by its logarithm.
_WIDE = 100
_TAGS = frozenset(("log", "linear"))


@dataclass(frozen=True)
class Searched:
    """What a search is asked for.

    Attributes:
        space: The open keys, each with its range or its choices as they are recorded.
        typed: The same keys as they stand in an override (``+model.width``).
        fixed: The other overrides.
        seeds: Overrides of the seeds that are trained with what is found; empty for the configured one.
    """

    space: dict[str, list[Any]]
    typed: dict[str, str]
    fixed: list[str]
    seeds: list[str]

    def fitted(self, configured: Mapping[str, Any]) -> Searched:
        """Return the same with ranges of whole numbers where the configured value is one and both ends are.

        Args:
            configured: Keys to their values.
        """
        whole = {
            key: [int(limits[0]), int(limits[1]), *limits[2:], "int"]
            for key, limits in self.space.items()
            if type(configured.get(key)) is int and "int" not in limits and _whole(limits)
        }
        return replace(self, space=self.space | whole)

    @property
    def first(self) -> list[str]:
        """Overrides that give each open group its first choice, so that the keys below it are there."""
        return [f"{self.typed[key]}={limits[0]}" for key, limits in self.space.items() if "." not in key]


def read_searched(texts: Iterable[str]) -> Searched:
    """Return what overrides ask for; of those of one key the last counts.

    Raises:
        ConfigError: If a range is none, or nothing is open.
    """
    overrides = {override.key_or_group: override for override in OverridesParser.create().parse_overrides(list(texts))}
    found = Searched({}, {}, [], [])
    for key, override in overrides.items():
        values = _choices(override)
        if key == "seed":
            if not values:
                raise ConfigError(f"{override.input_line}: seeds are not searched; list those that are to be trained")
            found.seeds.extend(f"seed={value}" for value in values)
        elif values is not None and len(values) < 2:
            equals = f"={values[0]}" if values else ""
            found.fixed.append(f"{override.get_key_element()}{equals}")
        else:
            found.space[key] = values or _range(override).described()
            found.typed[key] = override.get_key_element()
    if not found.space:
        raise ConfigError(
            "hydra/sweeper=optuna: nothing is open; give a key a range or choices, for example"
            " optimizer.lr='interval(1e-4,1e-1)' or loss=dice,ce_dice"
        )
    return found


def _whole(limits: list[Any]) -> bool:
    return not are_choices(limits) and all(end == int(end) for end in limits[:2])


def _choices(override: Override) -> list[str] | None:
    """Return the values of an override as texts, one of a fixed one, none of one that deletes; None for a range."""
    if override.is_interval_sweep():
        return None
    if override.is_sweep_override():
        return list(dict.fromkeys(override.sweep_string_iterator()))
    if override.is_delete() and override.value() is None:
        return []
    return [override.get_value_element_as_str()]


def _range(override: Override) -> Range:
    """Return the range of ``interval(low,high)``, of whole numbers in ``int(interval(low,high))``."""
    value: Any = override.value()
    assert isinstance(value, IntervalSweep)
    assert value.start is not None
    assert value.end is not None
    if unknown := sorted(value.tags - _TAGS):
        raise ConfigError(f"{override.input_line}: no such tag {', '.join(unknown)}; there are log and linear")
    if not value.start < value.end:
        raise ConfigError(f"{override.input_line}: the first number should be less than the second")
    if "log" in value.tags and value.start <= 0:
        raise ConfigError(f"{override.input_line}: a range by log should begin above 0")
    wide = value.start > 0 and value.end >= _WIDE * value.start
    log = "log" in value.tags or (wide and "linear" not in value.tags)
    return Range(value.start, value.end, log, type(value.start) is int and type(value.end) is int)
