"""The arguments of a command, put into the form that Hydra reads: options first, values as its grammar has them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence

# Of a private module, as Hydra has no public list of its options; its version is pinned.
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from segbench.errors import ConfigError
from segbench.installation import CONF
from segbench.suggest import nearest

_EXCLUSIVE = ("--run", "--multirun", "--cfg", "--info", "--shell-completion")
# Their choices decide on those of the other groups.
_OF_SEVERAL_GROUPS = ("experiment", "variant")
# As they are without these; Hydra takes no null for a choice.
_NOTHING_CHOSEN = tuple(f"{group}=null" for group in _OF_SEVERAL_GROUPS)
# What is trained; a sweep itself needs the other sections, for its folder and its loggers.
_TRAINED = ("data", "model", "loss", "augmentation", "optimizer", "scheduler", "trainer", "callbacks", "scores")
# Of a sweep that ends when its question is decided: settings of its sweeper, which takes part in no run's identity.
_DECIDE, _DECIDE_SETTINGS = "decide", ("looks", "first", "hours")
_ODD = re.compile(r"[^\w.,=-]+")
# Values with these mean something to Hydra: lists, dictionaries, quotes, interpolations, functions.
_SPECIAL = re.compile(r"""[\[\]{}"'$\\]|^\w+\(""")


def arranged(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command as Hydra takes them, wherever the options stand.

    Values that Hydra's grammar cannot read, paths with ``=`` or brackets for example, are put in quotes. Where a group
    is swept (``model=unet,attunet``), keys below it are left to the jobs: the group's default may not have them.
    ``decide=true`` and its settings choose a sweeper (:mod:`segbench.sweep.looks`).

    Args:
        arguments: What was typed after the command's name.

    Raises:
        ConfigError: If an option is unknown or lacks its value, if an argument is neither an option nor ``key=value``,
            or if experiments are swept.
    """
    options, texts = _separated(list(arguments))
    if "--hydra-help" in options:
        return options  # it is of no configuration, and Hydra would look for the keys in none
    read = [_read(text) for text in texts if text not in _NOTHING_CHOSEN]
    overrides = [override for override in read if override.key_or_group.partition(".")[0] != _DECIDE]
    if sweeper := _sweeper([override for override in read if override not in overrides]):
        sweeper += _own_sweep_folder(overrides)
        if "--run" in options:
            raise ConfigError("--run: decide=true trains many runs; leave one of the two out")
        options = options if set(options).intersection(_EXCLUSIVE) else ["--multirun", *options]
    for override in overrides:
        if override.key_or_group == "experiment" and override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line}: each experiment is a comparison of its own; run one after the other, or sweep "
                "settings that belong together by variant="
            )
    if _sweeps_an_experiment(overrides) and not set(options).intersection((*_EXCLUSIVE, "--help")):
        # Hydra would ask the experiment itself, without what is swept: keys of a swept network would be unknown there.
        options = ["--multirun", *options]
    # The help is of one configuration, which says itself what is too much.
    if "--multirun" in options and "--help" not in options:
        return [*options, *sweeper, *_beside_swept_groups(overrides)]
    return [*options, *sweeper, *(str(override.input_line) for override in overrides)]


def _sweeps_an_experiment(overrides: Sequence[Override]) -> bool:
    keys = {override.key_or_group for override in overrides}
    return "experiment" in keys and "hydra.mode" not in keys and any(item.is_sweep_override() for item in overrides)


def _sweeper(overrides: Sequence[Override]) -> list[str]:
    """Return what ``decide=true`` and its settings (``decide.looks=``) are to Hydra; nothing without them."""
    result, wanted = ["hydra/sweeper=looks"], bool(overrides)
    for override in overrides:
        section, _, name = override.key_or_group.partition(".")
        if override.key_or_group == section:
            if not isinstance(override.value(), bool):
                raise ConfigError(f"{override.input_line}: must be true or false")
            wanted = bool(override.value())
        elif name not in _DECIDE_SETTINGS:
            raise ConfigError(f"{override.input_line}: no such setting{nearest(name, _DECIDE_SETTINGS)}")
        else:
            result.append(f"hydra.sweeper.{name}={str(override.input_line).partition('=')[2]}")
    return result if wanted else []


def _own_sweep_folder(overrides: Sequence[Override]) -> list[str]:
    """Return the folder of looks without an experiment: a plan has its own, and ``runs`` has all kinds of runs."""
    if {"experiment", "hydra.sweep.dir"}.intersection(override.key_or_group for override in overrides):
        return []
    swept = "-".join(str(override.input_line) for override in overrides if override.is_sweep_override())
    return [f"hydra.sweep.dir='${{paths.outputs}}/decide/{_ODD.sub('-', swept)[:100] or 'runs'}'"]


def _separated(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the options with their values, and everything else."""
    known = get_args_parser()._option_string_actions
    options, others = list[str](), list[str]()
    while arguments:
        argument = arguments.pop(0)
        if argument == "--":
            others += arguments
            break
        if not argument.startswith("-"):
            others.append(argument)
            continue
        name, equals, value = argument.partition("=")
        # The long form: whatever looks for an option later has one name to look for.
        name = known[_full_name(name, known)].option_strings[0]
        options += [name, *_value(name, [value] if equals else arguments, known[name], bool(equals))]
    if len(several := [name for name in _EXCLUSIVE if name in options]) > 1:
        raise ConfigError(f"{' '.join(several)}: these exclude each other; give one")
    return options, others


def _full_name(name: str, known: Iterable[str]) -> str:
    """Return the option that a name means, which may be its beginning."""
    if name in known:
        return name
    begun = [option for option in known if name.startswith("--") and option.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    raise ConfigError(f"{name}: no such option{nearest(name, begun or known)}")


def _value(name: str, rest: list[str], action: argparse.Action, attached: bool) -> list[str]:
    """Take an option's value, if it has any, from the arguments that follow it."""
    choices = [str(choice) for choice in action.choices or ()]
    if action.nargs == 0:
        if attached:
            raise ConfigError(f"{name}={rest[0]}: the option takes no value")
        return []
    # May be left out.
    if action.nargs == "?" and not (rest and rest[0] in choices):
        return []
    if not rest or (choices and rest[0] not in choices):
        needed = f"one of {', '.join(choices)}" if choices else "a value"
        raise ConfigError(f"{name}: needs {needed} after it")
    return [rest.pop(0)]


def _read(text: str) -> Override:
    """Return an override as Hydra reads it, a plain value in quotes where it cannot be read without them."""
    parser = OverridesParser.create()
    key, equals, value = text.partition("=")
    if not key.lstrip("+~"):
        raise ConfigError(f"{text}: no key before the equals sign; write key=value")
    try:
        override = parser.parse_override(text)
        # The name of a choice: Hydra takes no number for one.
        odd = (CONF / key).is_dir() and isinstance(override.value(), int | float | None)
        return parser.parse_override(f"{key}='{value}'") if odd else override
    except HydraException:
        if not equals:
            raise ConfigError(f"{text}: neither an option nor key=value{_group_of(text)}") from None
    if not _SPECIAL.search(value):
        try:
            return parser.parse_override(f"{key}={','.join(_quoted(parser, part) for part in value.split(','))}")
        except HydraException:
            pass
    raise ConfigError(f"{key}={value}: cannot be read; quote a text twice, for example \"{key}='...'\"")


def _quoted(parser: OverridesParser, value: str) -> str:
    try:
        parser.parse_override(f"key={value}")
    except HydraException:
        return f"'{value}'"
    return value


def _group_of(name: str) -> str:
    """Return the end of a message about a lone word that is a choice of a group: ``; did you mean model=unet?``."""
    found = [path.parent for path in sorted(CONF.rglob(f"{name}.yaml"))] if re.fullmatch(r"[\w-]+", name) else []
    return f"; did you mean {found[0].relative_to(CONF).as_posix()}={name}?" if found and found[0] != CONF else ""


def _beside_swept_groups(overrides: Sequence[Override]) -> list[str]:
    swept = {str(item.key_or_group) for item in overrides if item.is_sweep_override()}
    sections = _TRAINED if swept.intersection(_OF_SEVERAL_GROUPS) else tuple(swept.intersection(_TRAINED))
    return [_of_each_job(item) if _below(item, sections) else str(item.input_line) for item in overrides]


def _below(override: Override, sections: Sequence[str]) -> bool:
    section, dot, _ = override.key_or_group.partition(".")
    return bool(dot) and section in sections and not override.is_delete() and not override.is_sweep_override()


def _of_each_job(override: Override) -> str:
    """Return the override as a sweep over its one value: such overrides are left to the jobs."""
    key, _, value = str(override.input_line).partition("=")
    return f"{key}=choice({value})"
