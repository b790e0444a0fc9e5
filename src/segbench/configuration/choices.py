"""Where the choices of each group lie: in the project's ``conf/``, and in the folder that ``--config-dir`` adds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segbench.installation import CONF

_OWN_FOLDER = ("--config-dir", "-cd")
_FLAGS = ("--config-path", "-cp", "--config-name", "-cn", *_OWN_FOLDER)


def config_flags(arguments: Sequence[str], names: Sequence[str] = _FLAGS) -> list[str]:
    """Return the ``--config-*`` options among the arguments of a command, with their values.

    Args:
        arguments: Of the command line.
        names: Which options.
    """
    flags: list[str] = []
    for i, argument in enumerate(arguments):
        if argument.partition("=")[0] in names:
            flags.append(argument)
            if "=" not in argument and i + 1 < len(arguments):
                flags.append(arguments[i + 1])
    return flags


def own_folder(arguments: Sequence[str]) -> str | None:
    """Return what ``--config-dir`` says, as it was typed; None where it is not given."""
    flags = config_flags(arguments, _OWN_FOLDER)
    return flags[-1].partition("=")[2] or flags[-1] if flags else None


def choices(group: str) -> list[str]:
    """Return the names of a group's choices, of the project and of this command's own folder."""
    own = own_folder(sys.argv[1:])
    folders = [CONF / group, *([Path(own, group)] if own else [])]
    files = [path.relative_to(folder) for folder in folders for path in folder.rglob("*.yaml")]
    return [path.with_suffix("").as_posix() for path in files]


def chosen(runtime: Mapping[Any, Any]) -> dict[str, Any]:
    """Return group to choice of one configuration, without Hydra's own groups.

    Args:
        runtime: ``hydra.runtime.choices``.
    """
    return {str(key): value for key, value in runtime.items() if not str(key).startswith("hydra/")}


def where_else(group: str, name: str) -> str:
    """Return the end of a message about a missing choice, if a folder right here has its file; else nothing."""
    found = [path for path in sorted(Path().glob("*/")) if (path / group / f"{name}.yaml").is_file()]
    return f"; for {found[0] / group / name}.yaml add --config-dir {found[0]}" if found else ""
