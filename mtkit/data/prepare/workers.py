"""Runs tasks on all cores, with results that do not depend on their number. Knows nothing of data."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from mtkit.errors import MtkitError

Task = TypeVar("Task")
Result = TypeVar("Result")

ALONE = 0.5
"""Seconds of work of `prepare` before it starts other processes: small corpora need none."""
_WAITING = 1
"""Tasks that wait for each worker beyond the one in progress; more would only cost memory."""


class Workers:
    """Processes, started when there is work for more than one and stopped at the end of the block.

    Args:
        count: number of processes; 1 for this process only.
        alone: seconds that this process works before it starts others, which takes about as long.
    """

    def __init__(self, count: int, alone: float = 0.0) -> None:
        self.count = count
        self._alone = alone
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """`work(task)` for each of `tasks`, in their order; tasks are taken only as they are needed.

        Args:
            work: a function of a module, which a worker can import.
            tasks: a single task is done in this process.

        Raises:
            MtkitError: a worker died. Exceptions of `work` and `tasks` pass through.
        """
        # 1. In this process, for the first seconds or if there is no work for several.
        rest = iter(tasks)
        begun = time.monotonic()
        while self._pool is None and time.monotonic() - begun < self._alone:
            for task in itertools.islice(rest, 1):
                yield work(task)
                break
            else:
                return
        first = list(itertools.islice(rest, 2))
        if self.count == 1 or len(first) < 2:
            yield from map(work, itertools.chain(first, rest))
            return
        # 2. In other processes.
        pool, waiting = self._started(), deque[Future[Result]]()
        try:
            for task in itertools.chain(first, rest):
                waiting.append(pool.submit(work, task))
                if len(waiting) >= self.count * (1 + _WAITING):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise MtkitError(
                "a worker process was killed, perhaps because memory ran out.",
                "Run the same command to resume. data.num_workers=1 needs the least memory.",
            ) from None
        finally:
            for future in waiting:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, initializer=_begin_worker)
        return self._pool


def _begin_worker() -> None:
    """Ignores Ctrl-C, which the main process handles, and ends with it even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Ends this process as soon as its parent has ended, even by SIGKILL."""
    parent = multiprocessing.parent_process()

    def wait_and_end() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_end, name="end with parent", daemon=True).start()
