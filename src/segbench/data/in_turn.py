"""Work on many things by several threads, in their order, holding few results at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


@contextmanager
def in_turn(things: Sequence[Thing], work: Callable[[Thing], Result], threads: int) -> Iterator[Iterator[Result]]:
    """Provide what becomes of each thing, in their order; at most twice as many results as threads wait to be taken.

    Args:
        things: The things.
        work: Called by any thread, for several things at a time; what it raises is raised where its result is taken.
        threads: How many; with one everything is done where it is taken.
    """
    if threads == 1:
        yield map(work, things)
        return
    pool = ThreadPoolExecutor(threads, "segbench-reader")
    try:
        yield _results(pool, things, work, 2 * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ThreadPoolExecutor, things: Sequence[Thing], work: Callable[[Thing], Result], ahead: int
) -> Iterator[Result]:
    waiting = deque[Future[Result]]()
    for thing in things:
        waiting.append(pool.submit(work, thing))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
