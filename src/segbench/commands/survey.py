"""What to look at before training: ``segbench survey``, ``python src/survey.py``."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from segbench.configuration.arguments import arranged
from segbench.configuration.choices import config_flags, own_folder
from segbench.configuration.composition import compose, without_hydra
from segbench.configuration.schema import validate
from segbench.entry import run_entry_point
from segbench.errors import ConfigError
from segbench.installation import typed
from segbench.words import visible

HELP = """
  out=<folder>       where index.html goes; default <paths.outputs>/surveys/<name of the data>
  steps=3            training steps of the configured network to measure; 0 for none
  debug=true         show tracebacks

Looks at every image and mask and writes one self-contained page: what is suspect, class frequencies, intensities, what
the augmentation makes of images, the first batch, what a run will take on this machine, and settings to paste. With
model=, loss=, augmentation= and the like, the run that it measures and proposes changes to is that one."""


def main(arguments: Sequence[str]) -> None:
    """Survey what the command line says, print a short table, and write the page.

    Raises:
        SegbenchError: If the configuration is invalid, the data unusable, or the page cannot be written.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        print(f"usage: {typed('survey')} data=<data set> [overrides as for {typed('run')}]\n{HELP}")
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    own, overrides = _own_keys(_overrides(arranged(arguments)))
    whole = compose(overrides, own_folder(arguments))
    choices = {key: value for key, value in whole.hydra.runtime.choices.items() if not key.startswith("hydra/")}
    from segbench.fastest import settle

    validate(without_hydra(whole))
    settle(whole)
    cfg = without_hydra(whole)
    from segbench.survey.look import survey
    from segbench.survey.page import write_page
    from segbench.survey.text import print_survey
    from segbench.terminal import terminal

    found = survey(cfg, choices, int(own["steps"]))
    name = cfg.data.get("name") or choices["data"]
    out = Path(own["out"]) if own["out"] else Path(cfg.paths.outputs) / "surveys" / str(name).replace("/", "_")
    proposed = [part for item in found.proposals for part in item.override.split()]
    command = f"{typed('run')} {shlex.join([*overrides, *proposed])}"
    print_survey(found, terminal())
    print(visible(str(write_page(found, out, str(name), command))))


def _overrides(arguments: Sequence[str]) -> list[str]:
    """Return the overrides among arranged arguments, whose options stand first."""
    flags = config_flags(arguments, ("--config-dir",))
    options = [argument for argument in arguments if argument.startswith("-") and argument not in flags]
    if options:
        raise ConfigError(f"{options[0]}: survey takes no such option; --help lists what it takes")
    return [argument for argument in arguments if argument not in flags]


def _own_keys(overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the command's own keys, and the overrides of the configuration."""
    own, rest = {"out": "", "steps": "3"}, list[str]()
    for override in overrides:
        key, _, value = override.partition("=")
        if key in own:
            own[key] = value.strip("'\"")
        else:
            rest.append(override)
    if not own["steps"].isdecimal():
        raise ConfigError(f"steps={own['steps']}: should be a number of training steps, 0 for none")
    return own, rest


def command() -> int:
    """Survey what was typed; return the exit code."""
    return run_entry_point(lambda: main(sys.argv[1:]), outputs="out")
