"""Try one case and judge what came of it."""

from __future__ import annotations

import hashlib
import importlib
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

from campaign import given, program
from campaign.catalogue import Case
from campaign.checks import CHECKS, After
from campaign.program import Done
from campaign.steps import STEPS

TRACEBACK = "Traceback (most recent call last)"
# Classes whose cases are more than: spoil files, run a command, look at the end.
_OWN = ("kills", "disk", "accepted")
# Their steps enter into STEPS.
for _module in ("pictures", "odd_pictures", "payloads"):
    importlib.import_module(f"campaign.{_module}")


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        id: The case.
        verdict: ``promised``; or ``traceback``, ``executed`` (what a stranger wrote, or a secret got out), ``silent``
            (wrong, with a good end), ``otherwise``, or ``skipped`` where this machine cannot try it.
        detail: What was not as promised.
        seconds: How long it took.
        said: The last lines that the command wrote.
    """

    id: str
    verdict: str
    detail: str = ""
    seconds: float = 0
    said: str = ""


class Unable(Exception):
    """Raised where the machine cannot try a case."""


def attempt(case: Case, prepared: Path, here: Path) -> Outcome:
    """Try a case in a folder of its own.

    Args:
        case: The case.
        prepared: Where :func:`campaign.given.prepare` has made what cases begin with.
        here: The folder, which is made.
    """
    begin = time.monotonic()
    try:
        found = _tried(case, prepared, here)
    except Unable as error:
        found = Outcome(case.id, "skipped", str(error))
    except Exception as error:
        found = Outcome(case.id, "otherwise", f"the case itself failed: {type(error).__name__}: {error}")
    return replace(found, seconds=round(time.monotonic() - begin, 2))


def _tried(case: Case, prepared: Path, here: Path) -> Outcome:
    if case.kind in _OWN:
        return importlib.import_module(f"campaign.{case.kind}").tried(case, prepared, here)
    found = commanded(case, prepared, here)
    if case.fresh and found.verdict == "promised":
        return _as_in_a_fresh_process(case, prepared, here, found)
    return found


def commanded(case: Case, prepared: Path, here: Path, fresh: bool = False) -> Outcome:
    """Spoil what is given, run the commands and judge the last."""
    words = begin(case, prepared, here)
    before = contents(here)
    place = given.place(here, seconds=case.seconds, fresh=fresh, **case.values)
    done = Done(0, "", "")
    for number, line in enumerate(case.run, start=1):
        done = program.run(command(line, words), place)
        if number < len(case.run) and done.code != 0:
            return judged(case, After(here, done, words), f"command {number} ended with {done.code}")
    return judged(case, After(here, done, words), changed(before, contents(here)))


def begin(case: Case, prepared: Path, here: Path) -> dict[str, str]:
    """Copy what a case begins with, spoil it, and return what ``$name`` means in its texts."""
    here.mkdir(parents=True)
    for name in case.given:
        given.copy(name, prepared, here)
    given.environment(here)
    words = given.variables(here)
    for name, arguments in case.steps:
        words |= _call(STEPS[name], here, filled(arguments, words)) or {}
    return words


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Put the values of ``$name`` into all texts."""
    if isinstance(value, str):
        return Template(value).safe_substitute(words)
    if isinstance(value, dict):
        return {key: filled(item, words) for key, item in value.items()}
    return [filled(item, words) for item in value] if isinstance(value, list) else value


def command(line: str, words: Mapping[str, str]) -> list[str]:
    """Return a command's words; ``run.py`` writes below the case's folder unless the line says where."""
    found = shlex.split(Template(line).safe_substitute(words))
    if found[0] == "run.py" and not any(word.startswith("paths.outputs=") for word in found):
        found.append(f"paths.outputs={words['here']}/outputs")
    return found


def _call(function: Any, first: Any, arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return function(first, **arguments)
    return function(first, *(arguments if isinstance(arguments, list) else [arguments]))


def judged(case: Case, after: After, outside: str = "") -> Outcome:
    """Judge a command's end.

    Args:
        case: The case.
        after: What the command left.
        outside: What it changed though it should not have.
    """
    done = after.done
    said = "\n".join((done.err or done.out).strip().splitlines()[-6:]).replace(str(after.here), "$here")

    def outcome(verdict: str, detail: str) -> Outcome:
        return Outcome(case.id, verdict, detail, said=said[-1500:].replace(str(program.ROOT), ""))

    if leak := _leak(after):
        return outcome("executed", leak)
    if TRACEBACK in done.err + done.out and "debug=true" not in case.run[-1]:
        return outcome("traceback", done.err.strip().splitlines()[-1][:300] if done.err else "")
    if done.code is None:
        return outcome("otherwise", f"no end in {case.seconds:.0f} s")
    if done.code not in case.codes:
        expected = " or ".join(map(str, case.codes))
        return outcome("otherwise" if done.code else "silent", f"exit code {done.code}, not {expected}")
    if outside:
        return outcome("otherwise", outside)
    if wrong := _wording(case, after):
        return outcome("otherwise", wrong)
    for name, arguments in case.then:
        if wrong := _call(CHECKS[name], after, filled(arguments, after.variables)):
            return outcome("otherwise" if done.code else "silent", wrong)
    return outcome("promised", "")


def judged_words(done: Done) -> tuple[str, str] | None:
    """Return a verdict on a command that should have ended well, and why; None if it did."""
    if TRACEBACK in done.err + done.out:
        return "traceback", done.err.strip().splitlines()[-1][:300]
    return None if done.code == 0 else ("otherwise", f"started again it ends with {done.code}")


def _wording(case: Case, after: After) -> str:
    """Return what is wrong with the words: an error is one line, which listed faults may follow, indented."""
    done = after.done
    text = done.err if done.code else done.out + done.err
    # Tables are broken into lines where a terminal ends.
    running = " ".join(text.split())
    for words in filled(case.says, after.variables) if done.code or len(case.codes) == 1 else ():
        if words not in text and words not in running:
            return f"does not say {words!r}"
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    # A sweep says what each of its jobs said.
    single = case.run[-1].startswith(("run.py", "predict.py")) and "-m" not in case.run[-1].split()
    if done.code and single and len(errors) != 1:
        return f"{len(errors)} lines of error"
    return ""


def _leak(after: After) -> str:
    """Return what a stranger's code did, or which secret got out."""
    if Path(after.variables["canary"]).exists():
        return f"wrote {Path(after.variables['canary']).name}"
    for name, secret in given.SECRETS.items():
        if secret in after.done.out + after.done.err:
            return f"printed {name}"
        for path in _files(after.here):
            if secret.encode() in path.read_bytes():
                return f"{path.relative_to(after.here)} has {name}"
    return ""


def _files(here: Path) -> Iterator[Path]:
    for path in here.rglob("*"):
        if not path.is_symlink() and path.is_file() and path.stat().st_size < (8 << 20):
            yield path


# Where commands may write.
_WRITABLE = ("outputs", "said", "home", "tmp", "work", "predictions", "sent")


def contents(here: Path) -> dict[str, str]:
    """Return a digest of everything that a command should leave alone, by its path."""
    found = dict[str, str]()
    for path in here.rglob("*"):
        name = path.relative_to(here)
        if name.parts[0] in _WRITABLE or path.is_dir() or path.suffix == ".lock":
            continue
        if path.is_symlink() or not path.is_file():
            found[str(name)] = "not a file"
        else:
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.stat().st_size < (8 << 20) else ""
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return which of the files that a command should leave alone it did not."""
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f"changed {', '.join(differ[:3])}" if differ else ""


def _as_in_a_fresh_process(case: Case, prepared: Path, here: Path, found: Outcome) -> Outcome:
    """Try a case again in processes that begin with nothing loaded, in the same folder so that paths are equal."""
    shutil.rmtree(here)
    again = commanded(case, prepared, here, fresh=True)
    if (again.verdict, again.said) != (found.verdict, found.said):
        return replace(again, verdict="otherwise", detail=f"a fresh process ends otherwise: {again.detail}")
    return found
