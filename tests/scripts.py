"""Scripts of the repository that are in no package."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def load_script(path):
    """Import a script by its path in the repository, without its being run as a program."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
