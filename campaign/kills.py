"""Commands that are killed, once or more often, and started again: they must leave the bits of one that was not.

``values`` of a case: ``kill``, a list of moments, ``<kind> <share>`` each, of :mod:`campaign.moments` or ``time``: the
share of all moments of that kind in a run that is not killed. ``signal`` is sent instead of SIGKILL (at moments of
``time``), and must end the command with 128 plus its number. ``compare`` are patterns of files to compare instead of
those of runs. ``further`` overrides are added to the command but not to its reference; with ``control`` the two must
then differ: what compares them notices it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from campaign import given, program
from campaign.catalogue import Case
from campaign.checks import difference
from campaign.trial import Outcome, begin, command, judged_words

COUNTS = "moments.json"
# How long what a killed command has started may take to end, in seconds, at most.
_ORPHANS = 20
_EARLIEST = 0.1


def reference(case: Case, prepared: Path) -> Path:
    """Return the folder of a case's command that was not killed: ``outputs/`` and, beside it, its moments."""
    return given.reference([*case.given, *case.run], prepared)


def prepare(cases: Iterable[Case], prepared: Path) -> None:
    """Let the commands of cases end once each, unharmed, and note how long they take and what they do."""
    for case in cases:
        here = reference(case, prepared)
        if here.exists():
            continue
        words = begin(replace(case, steps=()), prepared, here)
        begun = time.monotonic()
        place = given.place(here, seconds=240, moment=(here / "outputs", None, 0))
        done = program.run(command(case.run[-1], words), place)
        if done.code != 0:
            raise RuntimeError(f"{case.id}: unharmed it ends with {done.code}: {done.err[-2000:]}")
        counts = json.loads((here / "said" / "moments").read_text())
        (here / COUNTS).write_text(json.dumps(counts | {"seconds": time.monotonic() - begun}))


def tried(case: Case, prepared: Path, here: Path) -> Outcome:
    """Kill a command at each of a case's moments, let it end, and compare what it leaves with its reference."""
    words = begin(case, prepared, here)
    counts = json.loads((reference(case, prepared) / COUNTS).read_text())
    line = [*command(case.run[-1], words), *shlex.split(case.values.get("further", ""))]
    expected = _code(case.values)
    killed = 0
    for moment in case.values.get("kill", ()):
        kind, share = moment.split()
        done = _killed(line, here, kind, float(share), counts, case)
        if done.code == 0 and not killed:
            done = _sooner(line, here, kind, float(share), counts, case)
        if done.code not in (0, expected):
            return Outcome(case.id, "otherwise", f"killed, it ends with {done.code}", said=done.err[-1500:])
        killed += done.code != 0
    if not killed and case.values.get("kill"):
        return Outcome(case.id, "otherwise", "it ended before it was killed")
    if case.values.get("orphans"):
        _wait_for_orphans(here.resolve())
    done = program.run(line, given.place(here, seconds=case.seconds))
    if wrong := judged_words(done):
        return Outcome(case.id, *wrong, said=done.err[-1500:])
    return compared(case, prepared, here)


def _wait_for_orphans(here: Path) -> None:
    """Wait until no process works in a case's folder any more, where the system tells that."""
    until = time.monotonic() + _ORPHANS
    while time.monotonic() < until and (not Path("/proc/self").exists() or _works_in(here)):
        time.sleep(0.1)


def _works_in(here: Path) -> bool:
    for link in Path("/proc").glob("[0-9]*/cwd"):
        # It may have ended meanwhile, or be someone else's.
        with suppress(OSError):
            if link.readlink().is_relative_to(here):
                return True
    return False


def compared(case: Case, prepared: Path, here: Path) -> Outcome:
    """Compare what a command has left with what its reference did."""
    found, expected = here / "outputs", reference(case, prepared) / "outputs"
    differs = _differing(found, expected, case.values.get("compare", ())) or _leftover(found)
    if case.values.get("control"):
        return Outcome(case.id, "promised" if differs else "silent", "" if differs else "no difference was noticed")
    return Outcome(case.id, "silent" if differs else "promised", differs)


def _killed(
    line: list[str], here: Path, kind: str, share: float, counts: Mapping[str, Any], case: Case
) -> program.Done:
    if kind == "time":
        number = signal.Signals[case.values.get("signal", "SIGKILL")]
        place = given.place(here, seconds=share * counts["seconds"])
        return program.run_and_signal(line, place, number, patience=case.seconds)
    wanted = max(round(share * counts[kind]), 1)
    return program.run(line, given.place(here, seconds=case.seconds, moment=(here / "outputs", kind, wanted)))


def _sooner(
    line: list[str], here: Path, kind: str, share: float, counts: Mapping[str, Any], case: Case
) -> program.Done:
    """Start from nothing, to be killed sooner: how long a run takes depends on what else the machine does."""
    done = program.Done(0, "", "")
    while done.code == 0 and share > _EARLIEST:
        share *= 0.7
        shutil.rmtree(here / "outputs")
        done = _killed(line, here, kind, share, counts, case)
    return done


def _code(values: Mapping[str, Any]) -> int:
    number = signal.Signals[values.get("signal", "SIGKILL")]
    return -number if number == signal.SIGKILL else 128 + number


def _differing(found: Path, expected: Path, patterns: Sequence[str]) -> str:
    """Return what differs between two folders of outputs: of the runs in them, or of the files of these patterns."""
    for pattern in patterns or ["runs/*/run.json"]:
        first, second = (sorted(place.glob(pattern)) for place in (found, expected))
        if not first or [path.relative_to(found) for path in first] != [path.relative_to(expected) for path in second]:
            return f"other files {pattern}"
        for pair in zip(first, second, strict=True):
            if patterns and pair[0].read_bytes() != pair[1].read_bytes():
                return f"{pair[0].name} differs"
            if not patterns and (differs := difference(*(path.parent for path in pair))):
                return differs
    return ""


def _leftover(outputs: Path) -> str:
    found = list(outputs.rglob(".*.partial"))
    return f"{found[0].name} is left behind" if found else ""
