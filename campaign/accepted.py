"""Unusual files that are right: a run on them must have the bits of the same run on plain ones.

The reference is the case without its steps. ``values`` may hold ``compare``, as for :mod:`campaign.kills`.
"""

from __future__ import annotations

from pathlib import Path

from campaign import given, kills, program
from campaign.catalogue import Case
from campaign.checks import After
from campaign.trial import Outcome, begin, command, judged


def tried(case: Case, prepared: Path, here: Path) -> Outcome:
    """Run a case's command on its files, and compare what it leaves with what plain files gave."""
    words = begin(case, prepared, here)
    done = program.run(command(case.run[-1], words), given.place(here, seconds=case.seconds))
    found = judged(case, After(here, done, words))
    return kills.compared(case, prepared, here) if found.verdict == "promised" else found
