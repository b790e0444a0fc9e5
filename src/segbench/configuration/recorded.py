"""What is written of a configuration: everything but what must stay with its owner.

Files of runs, pages and loggers are passed on. So a value that comes from the environment is recorded by the name of
its variable, and one whose key says that it is a token or a password not at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers import oc

from segbench.runs.bounded import read_yaml
from segbench.runs.files import write_yaml

HIDDEN = "***"
# Variables that say where things are, which every run has; and what is surely no secret: a short number, a truth value.
_PLACES = ("SEGBENCH_",)
_PLAIN = re.compile(r"[-+]?[\d.]{1,9}(e[-+]?\d{1,2})?|true|false|null|none", re.IGNORECASE)
_KEY = r"(?:api_?key|access_?key|private_?key|secret|password|passwd|credentials?|auth_?token|access_?token|token)"
_SECRET_KEY = re.compile(rf"(?:.*[._-])?{_KEY}", re.IGNORECASE)
_VARIABLE = re.compile(r"<[A-Za-z_]\w*>")
# An interpolation that a sweep has put into a job's override.
_ESCAPED = re.compile(r"\$\\\{(.*?)\\\}")
_IN_URL = re.compile(rf"(?<=://)[^/\s@:]*:[^/\s@]+(?=@)|(?<=[?&])({_KEY}=)[^&\s#]+", re.IGNORECASE)


def recorded(cfg: DictConfig) -> dict[str, Any]:
    """Return a resolved configuration as plain types, as it may be written down, without Hydra's own node.

    In a sweep that node has values that only its jobs will have.
    """
    ours = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.register_new_resolver("oc.env", _named_variable, replace=True)
    try:
        plain: Any = OmegaConf.to_container(ours, resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
    return _without_secrets(plain)


def recorded_overrides(overrides: Sequence[str]) -> list[str]:
    """Return overrides of the command line, ``key=value``, as they may be written down."""
    return [_recorded_override(text) for text in overrides]


def _recorded_override(text: str) -> str:
    text = _ESCAPED.sub(lambda found: "${" + re.sub(r"\\(.)", r"\1", found[1]) + "}", text)
    key, equals, value = text.partition("=")
    secret = bool(equals and value) and _SECRET_KEY.fullmatch(key.lstrip("+~"))
    return f"{key}={HIDDEN}" if secret else _without_secrets(text)


def hide_in_sweep(path: Path) -> None:
    """Write a sweep's ``multirun.yaml``, in which Hydra keeps what was typed, whole and without secrets."""
    try:
        known = read_yaml(path)
    except (OSError, ValueError):
        return
    write_yaml(path, _without_secrets(known))


def _named_variable(key: str, *default: Any) -> Any:
    value = oc.env(key, *default)
    own = key not in os.environ or key.startswith(_PLACES) or _PLAIN.fullmatch(str(value))
    return value if own else f"<{key}>"


def is_name(value: Any) -> bool:
    """Say whether a recorded value holds the name of a variable in place of what came from the environment."""
    return isinstance(value, str) and _VARIABLE.search(value) is not None


def _without_secrets(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        # A list of overrides, perhaps.
        return [_recorded_override(item) if isinstance(item, str) else _without_secrets(item, key) for item in value]
    if not isinstance(value, str):
        return value
    if value and _SECRET_KEY.fullmatch(key):
        return HIDDEN
    return _IN_URL.sub(lambda found: f"{found[1] or ''}{HIDDEN}", value)
