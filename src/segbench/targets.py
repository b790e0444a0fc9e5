"""Imports what a ``_target_`` names, or says in one line why it cannot and what to do.

Hydra does this too, but reports failures on several lines and in a log of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from segbench.errors import ConfigError
from segbench.suggest import nearest
from segbench.words import first_line

_PYTHON = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
_NOT_OWN = [folder.resolve() for folder in (*_PYTHON, Path(__file__).parent)]
# Of this environment, of the system that it stands on, and of its user.
_INSTALLED = {"site-packages", "dist-packages"}
_DIGITS = 12


def find_class(key: str, target: str) -> type[Any]:
    """Return the class named by a section of the configuration.

    Args:
        key: Dotted key of the section, for the message.
        target: Its ``_target_``, ``<module>.<class>``.

    Raises:
        ConfigError: As :func:`find_object`, or if it is not a class.
    """
    found = find_object(key, target)
    if not isinstance(found, type):
        raise ConfigError(f"{key}._target_={target}: is a {type(found).__name__}; name a class, <module>.<class>")
    return found


def find_object(key: str, target: str) -> Any:
    """Return the class or function that a ``_target_`` names.

    Args:
        key: Dotted key of the section, for the message.
        target: Its ``_target_``, ``<module>.<name>``.

    Raises:
        ConfigError: If there is no such module, it has nothing of that name, or it cannot be imported.
    """
    place = f"{key}._target_={target}"
    first, *names = str(target).split(".")
    if not first or not names or not all(names):
        raise ConfigError(f"{place}: write <module>.<class>")
    found: Any = find_module(place, first)
    for name in names:
        if not hasattr(found, name) and hasattr(found, "__path__") and find_spec(f"{found.__name__}.{name}"):
            find_module(place, f"{found.__name__}.{name}")
        if not hasattr(found, name):
            raise ConfigError(f"{place}: {_described(found)} has no {name}{nearest(name, _classes(found))}")
        found = getattr(found, name)
    return found


def own_class(package: str, target: str, base: type) -> type[Any] | None:
    """Return a class that a package's modules define themselves, without importing anything outside the package.

    Args:
        package: A package of ours.
        target: ``<package>.<class>`` or ``<package>.<module>.<class>``, of any depth, by anyone.
        base: What it must derive from.

    Returns:
        The class, or None if the target is anything else.
    """
    if not re.fullmatch(rf"{re.escape(package)}(\.[a-z]\w*)*\.[A-Za-z]\w*", target, re.ASCII):
        return None
    module, _, name = target.rpartition(".")
    try:
        found = vars(import_module(module)).get(name)
    except ImportError:
        return None
    ours = isinstance(found, type) and issubclass(found, base) and f"{found.__module__}.".startswith(f"{package}.")
    return found if ours else None


def targets_in(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield every ``_target_`` at or below a node of the configuration, with its dotted key.

    Args:
        node: Plain values.
        key: Dotted key of the node; empty for the root.
    """
    if isinstance(node, dict) and isinstance(node.get("_target_"), str):
        yield key, node["_target_"]
    if isinstance(node, dict | list):
        for name, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from targets_in(inner, f"{key}.{name}".removeprefix("."))


def own_modules(objects: Iterable[Any]) -> dict[str, str]:
    """Return the modules of the user's own among those of classes and functions.

    That is neither segbench's nor an installed package's. Files that a module imports are left out.

    Args:
        objects: The classes and functions.

    Returns:
        Module name to the first digits of its file's SHA-256.
    """
    modules = {getattr(found, "__module__", "") for found in objects}
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in sorted(modules)}
    return {
        name: hashlib.sha256(Path(file).read_bytes()).hexdigest()[:_DIGITS]
        for name, file in files.items()
        if file and _is_own(Path(file).resolve())
    }


def _is_own(file: Path) -> bool:
    return _INSTALLED.isdisjoint(file.parts) and not any(file.is_relative_to(folder) for folder in _NOT_OWN)


def find_module(place: str, name: str) -> ModuleType:
    """Import a module named by the user.

    Args:
        place: Where it is named, for error messages.
        name: Its dotted name.

    Raises:
        ConfigError: If there is none, or it cannot be imported.
    """
    try:
        return import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            fault = f"{type(error).__name__}: {first_line(error)}"
            raise ConfigError(f"{place}: {name} cannot be imported: {fault}") from error
        top, dot, _ = name.partition(".")
        paths = os.environ.get("PYTHONPATH")
        now = f"it is {paths}" if paths else "it is not set"
        what = f"no module {missing}; PYTHONPATH must hold the folder of {top}{'' if dot else '.py'} ({now})"
        raise ConfigError(f"{place}: {what}") from error


def _described(found: Any) -> str:
    # With its file: another module of the same name (one of Python's own, say) may have been imported instead.
    where = f" ({found.__file__})" if getattr(found, "__file__", None) else ""
    return f"{getattr(found, '__name__', found)}{where}"


def _classes(module: Any) -> list[str]:
    """Return the names of the classes defined in a module or below it, without imported ones."""
    own = getattr(module, "__name__", "")
    types = {name: value.__module__ for name, value in vars(module).items() if isinstance(value, type)}
    return [name for name, home in types.items() if f"{home}.".startswith(f"{own}.")]
