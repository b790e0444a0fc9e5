"""The commands, each a module with a ``command()`` that runs what was typed and returns the exit code.

``segbench <command>`` (:func:`main`) and the scripts in ``src/`` of a checkout are the same.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from segbench import __version__
from segbench.installation import PROGRAM
from segbench.suggest import nearest

# So that Hydra and Lightning leave exceptions to segbench.entry, which prints them in one line.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")
# Else torch advises, in every run of several processes, against what keeps their sums in one order.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# Spinning threads slow a step tenfold or more as soon as another process wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

COMMANDS = {
    "run": "train and test one configuration, or sweep many and compare them",
    "report": "tables and figures of finished runs",
    "predict": "masks, areas and overlays of images, by trained runs",
    "survey": "what to look at in a data set before training",
    "export": "a trained network for use elsewhere",
}


def main() -> int:
    """Run the command that the first argument names; return the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(f"usage: {PROGRAM} <command> ...\n")
        print("\n".join(f"  {command:<8} {purpose}" for command, purpose in COMMANDS.items()))
        print(f"\n{PROGRAM} <command> --help tells more; {PROGRAM} --version")
        return 0
    if name == "--version":
        print(f"{PROGRAM} {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"error: {name}: no such command{nearest(name, COMMANDS)}", file=sys.stderr)
        return 2
    # What reads the arguments finds those of a script of this name.
    del sys.argv[1]
    command: int = import_module(f"segbench.commands.{name}").command()
    return command


def program() -> NoReturn:
    """Be the program ``segbench``."""
    leave_after(main)


def leave_after(command: Callable[[], int]) -> NoReturn:
    """Run a command, and end this process at once: freeing what is loaded would take more than a second.

    Args:
        command: Returns the exit code.
    """
    try:
        code = command()
    except SystemExit as end:
        if end.code is not None and type(end.code) is not int:
            raise
        code = end.code or 0
    if sys.gettrace() or sys.getprofile() or sys.flags.interactive:
        sys.exit(code)
    # As the interpreter does: what threads have begun, what libraries have registered, what is still to be written.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # it says what it thinks of it
    os._exit(code)
