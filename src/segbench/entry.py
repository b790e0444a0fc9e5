"""The outermost layer of the command line: every error becomes one line and an exit code."""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segbench.configuration.build import explain_instantiation
from segbench.configuration.choices import choices, own_folder, where_else
from segbench.configuration.composition import compose, without_hydra
from segbench.errors import ConfigError, SegbenchError, StorageError
from segbench.installation import CONF, typed
from segbench.suggest import nearest
from segbench.words import first_line, visible

log = logging.getLogger("segbench")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def run_entry_point(job: Callable[[], None], outputs: str = "paths.outputs") -> int:
    """Run a command and turn its errors into one line on stderr and an exit code.

    Args:
        job: The command.
        outputs: The option that says where it writes.

    Returns:
        The exit code: 0, the error's (2 configuration, 3 data, 4 diverged, 5 no usable checkpoint, 74 disk, 75 run in
        use, 128 + n stopped by signal n), or 1 for a bug.
    """
    debug = any(argument.lower() == "debug=true" for argument in sys.argv)
    try:
        job()
        # While it can still be said that there is no room for it.
        sys.stdout.flush()
    except (HydraException, OmegaConfBaseException) as error:
        if debug:
            traceback.print_exc()
        return print_error(explain(error))
    except SegbenchError as error:
        if debug:
            traceback.print_exc()
        return print_error(error)
    except OSError as error:
        if debug:
            raise
        refusal = _not_written(error, outputs)
        return print_error(refusal) if refusal else _unexpected(error)
    except KeyboardInterrupt:
        return 130
    except ValueError as error:
        # Python's logging raises it where train.log cannot be opened.
        cause = error.__cause__
        if debug or not isinstance(cause, OSError) or cause.filename is None:
            return _unexpected(error)
        return print_error(StorageError(f"paths.outputs: cannot write {cause.filename}: {cause.strerror}"))
    except Exception as error:
        return _unexpected(error)
    return 0


def _not_written(error: OSError, outputs: str) -> StorageError | None:
    """Return the refusal for a file, or the terminal's redirection, that cannot be written."""
    if error.filename is not None:
        return StorageError(f"{outputs}: cannot write {error.filename}: {error.strerror}")
    if error.errno not in _NO_ROOM:
        return None
    # Python would try what is left again at the end.
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.close(sink)
    return StorageError(f"standard output: cannot be written ({error.strerror}); send it where there is room")


def _unexpected(error: Exception) -> int:
    log.debug("unexpected error", exc_info=error)
    traceback.print_exc()
    return print_error(SegbenchError(f"unexpected {type(error).__name__}: {first_line(error)}"))


def print_error(error: SegbenchError) -> int:
    """Print an error (on stderr, and to ``train.log`` if it is open) and return its exit code."""
    message = visible(f"error: {error}")
    if logging.getLogger().hasHandlers():
        log.error(message)
    else:
        print(message, file=sys.stderr)
    return error.exit_code


def explain(error: Exception, arguments: Sequence[str] | None = None) -> SegbenchError:
    """Turn an error of Hydra or OmegaConf into a one-line error that suggests the nearest choice.

    Args:
        error: The error.
        arguments: What was composed; None for this command's.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    own = own_folder(arguments)
    if own and not Path(own).is_dir():
        return ConfigError(f"--config-dir {own}: no such folder")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MissingConfigException) and cause.missing_cfg_file:
            group, _, name = cause.missing_cfg_file.partition("/")
            hint = where_else(group, name) or nearest(name, choices(group))
            return ConfigError(f"{group}={name}: no such choice{hint}")
        cause = cause.__cause__
    if isinstance(error, InstantiationException):
        return explain_instantiation(error)
    if isinstance(error, ConfigCompositionException):
        return ConfigError(_explain_override(error, arguments))
    if {"--cfg", "--resolve"} <= set(arguments) and "Interpolation key" in str(error):
        return ConfigError("--cfg hydra --resolve: refers to other sections; use --cfg all --resolve")
    return ConfigError(first_line(error))


def no_comparison() -> str:
    """Return what to do about a key of a comparison where there is none."""
    return (
        "only an experiment has a comparison; add experiment=<name>, or compare finished runs by another score with"
        f" {typed('report')} <folder> --metric <score>"
    )


def _explain_override(error: ConfigCompositionException, arguments: Sequence[str]) -> str:
    text = f"{error} {error.__cause__ or ''}"
    if several := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'", text):
        shows = next((option for option in ("--cfg", "--info", "--help") if option in arguments), None)
        mend = f"give one, as {shows} shows one configuration" if shows else "add -m to sweep over them"
        return f"{several.group(1)}: several values; {mend}"
    if other := re.search(r"Could not delete from config\. The value of '(\S+)' is (.*) and not (.*)\.", text):
        return f"~{other.group(1)}={other.group(3)}: the value is {other.group(2)}; write ~{other.group(1)}"
    if twice := re.search(r"Multiple values for (\S+)\. To override a value", text):
        return f"+{twice.group(1)}: a choice of {twice.group(1)} is set already; leave out the +"
    if unknown := re.search(r"override '([^']*)'", text):
        key = unknown.group(1)
        if key.startswith("comparison."):
            return f"{key}: {no_comparison()}"
        return f"{key}: {_owner(key, arguments)}no such key{_nearest_key(key, arguments)}"
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        if "=" in argument and f"'{key}'" in text:
            return f"{key}: no such key{_nearest_key(key, arguments)}"
    return first_line(error)


def _owner(key: str, arguments: Sequence[str]) -> str:
    """Return ``"<choice> has "`` if an argument chooses the group of a key, for example another network's key."""
    chosen = [argument for argument in arguments if argument.startswith(f"{key.partition('.')[0]}=")]
    return f"{chosen[-1]} has " if chosen and "." in key else ""


def _nearest_key(key: str, arguments: Sequence[str]) -> str:
    """Return a suggestion for a key; one typed without its section may belong to any section."""
    known = _known_keys(arguments)
    if "." not in key:
        full = {name.rpartition(".")[2]: name for name in reversed(known)}
        close = difflib.get_close_matches(key, full, n=1, cutoff=0.6)
        return f"; did you mean {full[close[0]]}?" if close else "; --cfg job prints all keys"
    return nearest(key, known) if difflib.get_close_matches(key, known, n=1) else "; --cfg job prints all keys"


def _known_keys(arguments: Sequence[str]) -> list[str]:
    """Return every dotted key of the configuration with the chosen groups."""
    # Other arguments may be the misspelled key itself, which would fail here too.
    chosen = [argument for argument in arguments if "=" in argument and (CONF / argument.partition("=")[0]).is_dir()]
    own = own_folder(arguments)
    GlobalHydra.instance().clear()
    for overrides in (chosen, []):
        try:
            cfg = without_hydra(compose(overrides, own))
        except HydraException:
            continue
        return list(_dotted(OmegaConf.to_container(cfg, resolve=False)))
    return []


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if str(key).startswith("_"):
                continue  # Hydra's own keys, never what a user means
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
