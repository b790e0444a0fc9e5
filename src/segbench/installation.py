"""Where segbench lies, in a checkout or installed, and so what its configuration and its commands are called."""

from __future__ import annotations

import json
import shlex
import sys
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType

from segbench.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
# A wheel holds conf/ in the package; in a checkout it lies beside src/.
INSTALLED = (_PACKAGE / "conf").is_dir()
CONF = (_PACKAGE if INSTALLED else _PACKAGE.parents[1]) / "conf"
PROGRAM = "segbench"


def typed(name: str) -> str:
    """Return how a command is typed here: ``python src/run.py`` in a checkout, ``segbench run`` where installed.

    Also in a checkout it is the latter where that is how this process was started.

    Args:
        name: ``run``, ``report``, ``predict``, ``survey`` or ``export``.
    """
    return f"{PROGRAM} {name}" if INSTALLED or Path(sys.argv[0]).name == PROGRAM else f"python src/{name}.py"


def again(name: str) -> list[str]:
    """Return what starts a command in a process of its own: the interpreter, and the program that this one began with.

    Args:
        name: The command, as this process runs it.
    """
    program = sys.argv[0]
    return [sys.executable, program] if program.endswith(".py") else [sys.executable, program, name]


def requirement(extra: str) -> str:
    """Return what installs an optional extra: in a checkout with its constraints, else the packages that it names."""
    if not INSTALLED:
        return f"pip install -c constraints.txt '.[{extra}]'"
    lines = [line.partition(";") for line in metadata.requires(PROGRAM) or ()]
    packages = [package.strip() for package, _, marker in lines if f'extra == "{extra}"' in marker]
    return f"{shlex.join(['pip', 'install', *packages])} (segbench's extra {extra})"


def require(package: str, extra: str, key: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: Its import name.
        extra: The extra of ``pyproject.toml`` that installs it.
        key: What the user typed that needs it.

    Raises:
        ConfigError: If it cannot be imported; says how to install it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        reason = "is not installed" if absent else f"cannot be imported ({error})"
        raise ConfigError(f"{key}: {package} {reason}; {requirement(extra)}") from error


def installed_commit() -> str | None:
    """Return the commit that pip installed from a repository; None where it installed a file, or nothing."""
    try:
        origin = json.loads(metadata.distribution(PROGRAM).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return origin.get("vcs_info", {}).get("commit_id")
