"""What a result depends on besides the configuration: package versions and the commit."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("segbench", "torch", "pytorch-lightning", "hydra-core", "albumentations", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Return the checkout's ``commit`` (None outside a checkout) and whether it is ``dirty``.

    Untracked files below ``src`` or ``conf`` that git does not ignore count as changes, as they can affect results.
    Other untracked files, such as notes and outputs, do not.

    Args:
        folder: A folder of the checkout; None for this package's.
    """
    folder = folder or Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return result.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": False}
    changes = git("status", "--porcelain", "--untracked-files=no")
    untracked = git("ls-files", "--others", "--exclude-standard", ":/src", ":/conf")
    return {"commit": commit, "dirty": bool(changes or untracked)}
