"""Which values are tuned, in which ranges, and the candidates that are tried."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segbench.configuration.monitor import VALIDATION_LOSS
from segbench.errors import ConfigError
from segbench.rng import generator
from segbench.runs.settings import flatten, is_under
from segbench.suggest import nearest

Value = float | int
# What may be tuned: how a network is built and trained, not what it is scored on.
_SECTIONS = ("augmentation", "data.batch_size", "loss", "model", "optimizer", "scheduler", "trainer")
_WORDS = ("log", "int")
_DIGITS = 3
# Weight decay around a default of none.
_SMALL = (1e-6, 1e-3)


@dataclass(frozen=True)
class Range:
    """A range of values, both ends included.

    Attributes:
        low: The least.
        high: The greatest.
        log: Whether every power of ten is as likely as any other, instead of every value.
        whole: Whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> Value:
        """Return the value at a share of the range, 0 to 1, rounded to a whole number or to three digits."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        if self.whole:
            return int(min(max(round(value), self.low), self.high))
        return float(f"{value:.{_DIGITS}g}")

    def described(self) -> list[Any]:
        """Return the range as it stands in ``tuning.space``."""
        words = [word for word, there in zip(_WORDS, (self.log, self.whole), strict=True) if there]
        return [self.low, self.high, *words]


def read_space(cfg: DictConfig) -> dict[str, Range]:
    """Return the keys to tune with their ranges.

    Without ``tuning.space``: the learning rate from a tenth to ten times the configured one, and the weight decay
    likewise, or from 1e-6 to 1e-3 where it is 0; both log-uniform.

    Args:
        cfg: The configuration of a job.

    Raises:
        ConfigError: If a key does not exist or must not be tuned, or its range is none; names the key.
    """
    if not cfg.tuning.space:
        return _around(cfg)
    asked = {str(key): limits for key, limits in cfg.tuning.space.items()}
    check_keys(asked, cfg, "tuning.space.")
    return {key: _read_range(key, list(limits)) for key, limits in asked.items()}


def check_keys(keys: Iterable[str], cfg: DictConfig, within: str = "") -> None:
    """Refuse keys that do not exist or must not be tuned. A group stands for all below it.

    Args:
        keys: Dotted keys, or groups.
        cfg: The configuration of a job.
        within: What stands before the key where it was typed.

    Raises:
        ConfigError: Names the key.
    """
    known = settings(cfg)
    for key in keys:
        _check_key(key, cfg, known, f"{within}{key}")


def candidates(space: Mapping[str, Range], count: int, seed: int) -> list[dict[str, Value]]:
    """Return points of a space: a scrambled Halton sequence (Owen 2017), which fills it more evenly than chance does.

    More candidates begin with the fewer ones. Equal points, which there are among whole numbers, count once.

    Args:
        space: The keys with their ranges.
        count: How many; fewer come from a space that has no more.
        seed: Of the scrambling.
    """
    # Imported here: it takes a second, which a sweep without tuning need not wait.
    from scipy.stats import qmc

    found: dict[tuple[Value, ...], None] = {}
    sequence = qmc.Halton(len(space), scramble=True, rng=generator(seed, "tuning"))
    for point in sequence.random(50 * count + 50):
        if len(found) == count:
            break
        found[tuple(limits.at(share) for limits, share in zip(space.values(), point.tolist(), strict=True))] = None
    return [dict(zip(space, values, strict=True)) for values in found]


def _around(cfg: DictConfig) -> dict[str, Range]:
    rate = float(cfg.optimizer.lr)
    found = {"optimizer.lr": _tenfold(rate)}
    if (decay := OmegaConf.select(cfg, "optimizer.weight_decay")) is not None:
        found["optimizer.weight_decay"] = _tenfold(float(decay)) if decay else Range(*_SMALL, log=True)
    return found


def _tenfold(value: float) -> Range:
    low, high = (float(f"{value * factor:.{_DIGITS}g}") for factor in (0.1, 10))
    return Range(low, high, log=True)


def _check_key(key: str, cfg: DictConfig, known: Mapping[str, Any], name: str) -> None:
    if key not in known and key not in _SECTIONS:
        raise ConfigError(f"{name}: no such key{nearest(key, [each for each in known if is_under(each, _SECTIONS)])}")
    if not is_under(key, _SECTIONS):
        raise ConfigError(f"{name}: cannot be tuned, only what is below {', '.join(_SECTIONS)}")
    if key == "trainer.max_epochs":
        raise ConfigError(f"{name}: is part of the budget; leave it out, or cut trials short by tuning.epochs")
    if is_under(key, ("loss",)) and cfg.trainer.monitor == VALIDATION_LOSS:
        raise ConfigError(f"{name}: changes {VALIDATION_LOSS}, which chooses; set trainer.monitor to a score")


def _read_range(key: str, limits: Any) -> Range:
    name = f"tuning.space.{key}={limits}"
    ends, words = limits[:2], limits[2:]
    if len(ends) < 2 or any(type(end) not in (int, float) or not math.isfinite(end) for end in ends):
        raise ConfigError(f"{name}: should be two numbers, then perhaps log, for example [1e-4,1e-2,log]")
    if len(set(words)) < len(words) or not set(words) <= set(_WORDS):
        raise ConfigError(f"{name}: after the two numbers there may be log and int, nothing else")
    if ends[0] >= ends[1]:
        raise ConfigError(f"{name}: the first number should be less than the second")
    if "log" in words and ends[0] <= 0:
        raise ConfigError(f"{name}: a range by log should begin above 0")
    if "int" in words and any(end != int(end) for end in ends):
        raise ConfigError(f"{name}: a range of whole numbers should end at whole numbers")
    return Range(ends[0], ends[1], "log" in words, "int" in words)


def settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as dotted keys to values, without ``tuning`` and Hydra's node."""
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    plain = OmegaConf.to_container(own, resolve=True)
    assert isinstance(plain, dict)
    return flatten({key: value for key, value in plain.items() if key != "tuning"})
