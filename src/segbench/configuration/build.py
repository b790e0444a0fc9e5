"""Building what a section of the configuration names: whatever its class refuses is said in one line."""

from __future__ import annotations

import re
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from segbench.errors import ConfigError, SegbenchError
from segbench.targets import find_object, targets_in
from segbench.words import first_line


def build(section: str, cfg: DictConfig, **extra: Any) -> Any:
    """Instantiate a section of the configuration.

    Args:
        section: Its dotted key.
        cfg: The whole configuration.
        extra: Further arguments of the class.

    Raises:
        SegbenchError: What the class refused, in one line that names the section.
    """
    component = OmegaConf.select(cfg, section)
    for key, target in targets_in(OmegaConf.to_container(component, resolve=True), section):
        find_object(key, target)
    try:
        return instantiate(component, **extra)
    except InstantiationException as error:
        # Not above: it brings torch, which --help and the refusals of the command line do not need.
        from segbench.runs.failures import out_of_memory

        cause = _root(error)
        if out_of_memory(cause):
            raise cause from error
        raise explain_instantiation(error, section) from error


def explain_instantiation(error: InstantiationException, section: str | None = None) -> SegbenchError:
    """Return the refusal behind Hydra's exception, whose own first line names only a class.

    Args:
        error: What Hydra raised.
        section: Dotted key of the section, where it is known; else it is read from Hydra's message.
    """
    cause = _root(error)
    if isinstance(cause, SegbenchError):
        return cause
    if section is None:
        found = re.search(r"^full_key: (\S+)$", str(error), re.MULTILINE)
        section = found.group(1) if found else "configuration"
    line = first_line(cause)
    if isinstance(cause, ValueError | TypeError) and line.startswith(section):
        return ConfigError(line)
    # The words of these are written for people; of the others (KeyError: 'x') the kind is half of what they say.
    plain = isinstance(cause, ValueError | TypeError | OSError | InstantiationException)
    return ConfigError(f"{section}: {line}" if plain else f"{section}: {type(cause).__name__}: {line}")


def _root(error: InstantiationException) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause
