"""Libraries that tests hold ours against, imported when something of them is first asked for."""

from importlib import import_module
from types import ModuleType


class Library:
    """A package that takes seconds to import; its attributes are its modules.

    Tests of modules that have one as a global run first, and so in one process (``conftest.py``).
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, part: str) -> ModuleType:
        if part.startswith("_"):
            raise AttributeError(part)
        return import_module(f"{self._name}.{part}")


monai = Library("monai")
