"""Results are written by threads while the network predicts the next images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from segbench.environment import usable_cores
from segbench.errors import StorageError
from segbench.prediction.results import Results, Written
from segbench.words import plural

# Compressing takes about as long as a small network, and lets other threads run.
_MOST_THREADS = 4


class Writers:
    """Writes a few images at a time, and takes them into the results in their order.

    As many may wait as are being written: where the disk is slower than the network, the network waits, and memory
    holds no more images however many there are.

    Args:
        results: Where they are written to.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        threads = min(usable_cores(), _MOST_THREADS)
        self._pool = ThreadPoolExecutor(threads, "segbench-writer")
        self._most = 2 * threads
        self._waiting = deque[Future[Written]]()
        self._failure: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether an image could not be written: then the others need not be predicted."""
        return self._failure is not None

    def add(self, write: Callable[[], Written]) -> None:
        """Let an image be written by :meth:`Results.write`, unless another one could not be."""
        while len(self._waiting) >= self._most:
            self._take()
        if self.failed:
            return
        self._waiting.append(self._pool.submit(write))

    def settle(self) -> None:
        """Wait until all is written that was added, and take it, whatever else has failed."""
        while self._waiting:
            self._take()
        self._pool.shutdown()

    def check(self) -> None:
        """Raise what kept an image from being written.

        Raises:
            StorageError: If the disk is full or the folder cannot be written.
        """
        if isinstance(self._failure, OSError):
            raise not_written(self._results, self._failure) from self._failure
        if self._failure is not None:
            raise self._failure

    def _take(self) -> None:
        future = self._waiting.popleft()
        if (failure := future.exception()) is None:
            self._results.take(future.result())
        else:
            self._failure = self._failure or failure


@contextmanager
def writing(results: Results) -> Iterator[Writers]:
    """Have writers in the block; after it everything is written, or the error of the first that failed is raised.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
    """
    writers = Writers(results)
    try:
        yield writers
    finally:
        writers.settle()
    writers.check()


def not_written(results: Results, error: OSError) -> StorageError:
    """Return the refusal that says what is left where the disk is full or the folder cannot be written."""
    return StorageError(
        f"out={results.out}: cannot be written ({error.strerror or error}); {plural(results.images, 'file')} predicted"
        " before stay there; free space or choose another folder"
    )
