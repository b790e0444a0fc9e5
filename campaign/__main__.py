"""Try every case of the catalogue: ``make campaign``; ``python -m campaign --help`` lists what else there is."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from campaign import given, kills, pool, program, results, table
from campaign.catalogue import CLASSES, Case, load
from campaign.trial import Outcome

RESULTS = program.ROOT / "outputs" / "campaign" / "results.jsonl"


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    result = argparse.ArgumentParser(prog="python -m campaign", description=__doc__.splitlines()[0])
    result.add_argument("--only", action="append", default=[], metavar="CLASS|ID", help="a class, a case, or the"
                        f" beginning of its id; may be repeated; classes are {', '.join(CLASSES)}")  # fmt: skip
    result.add_argument("--list", action="store_true", help="list the cases, try none")
    result.add_argument("--again", action="store_true", help="try cases again that were tried on this code; otherwise"
                        " an interrupted campaign goes on where it stopped")  # fmt: skip
    result.add_argument("--failed", action="store_true", help="try only cases again that did not end as promised")
    result.add_argument("--sample", type=int, default=1, metavar="N", help="try every N-th case only")
    result.add_argument("--jobs", type=int, default=min(2, len(os.sched_getaffinity(0))), help="cases at a time")
    result.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the folders of cases that did not end as"
                        " promised there")  # fmt: skip
    result.add_argument("--results", type=Path, default=RESULTS, help="file of results; default: %(default)s")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for; return 1 if a case did not end as promised."""
    options = parser().parse_args(arguments)
    every = load()
    cases = _chosen(every, options.only)[:: options.sample]
    if not cases:
        parser().error(f"--only {' '.join(options.only)}: no such case")
    if options.list:
        for case in cases:
            print(f"{case.id}: {case.what}")
        return 0
    source = results.source()
    known = results.read(options.results, source)
    pending = [case for case in cases if _is_pending(case, known, options)]
    print(f"{len(cases)} cases, {len(cases) - len(pending)} tried before; {source.machine}, commit {source.commit}")
    if pending:
        _try_all(pending, options, lambda outcome: results.add(options.results, outcome, source))
    outcomes = results.read(options.results, source)
    print(table.markdown(cases, {case.id: outcomes[case.id] for case in cases if case.id in outcomes}, source))
    if results.source().code != source.code:
        print("The code was changed meanwhile: outcomes are of a mixture, and these results count no more.")
        return 1
    if len(outcomes.keys() & {case.id for case in every}) == len(every):
        table.write(table.markdown(every, outcomes, source))
        print(f"Written: {table.PAGE}")
    return int(any(outcomes[case.id].verdict not in ("promised", "skipped") for case in cases))


def _chosen(cases: Sequence[Case], only: Sequence[str]) -> list[Case]:
    return [case for case in cases if not only or any(name == case.kind or case.id.startswith(name) for name in only)]


def _is_pending(case: Case, known: dict[str, Outcome], options: argparse.Namespace) -> bool:
    outcome = known.get(case.id)
    if options.failed:
        return outcome is not None and outcome.verdict != "promised"
    return options.again or outcome is None


def _try_all(cases: Sequence[Case], options: argparse.Namespace, add: Callable[[Outcome], None]) -> None:
    begin = time.monotonic()
    program.preload()
    scratch = Path(tempfile.mkdtemp(prefix="campaign-"))
    prepared = scratch / "given"
    try:
        given.prepare(sorted({name for case in cases for name in case.given}), prepared)
        kills.prepare([case for case in cases if case.kind in ("kills", "accepted")], prepared)
        print(f"{time.monotonic() - begin:.0f} s to load and to make what cases begin with")
        for number, outcome in enumerate(pool.tried(cases, prepared, scratch, options.jobs, options.keep), start=1):
            add(outcome)
            mark = "" if outcome.verdict == "promised" else f"  {outcome.verdict}: {outcome.detail}"
            line = (
                f"{number}/{len(cases)}  {time.monotonic() - begin:.0f} s  {outcome.id}  {outcome.seconds:.1f} s{mark}"
            )
            print(line, flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
