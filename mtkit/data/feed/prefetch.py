"""The stream of steps, made ahead by another process, which is replaced if it dies or hangs.

This is not torch's DataLoader: if one of its workers dies, an exception interrupts the trainer anywhere, even
in an update or a save, and its tensors travel through /dev/shm, which is small in containers. Here arrays
come through a pipe, and the worker needs no torch.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize

from mtkit.data.feed.loader import Cursor, Step, StepData, Steps, as_tensors
from mtkit.data.prepare.workers import end_with_parent
from mtkit.errors import MtkitError

logger = logging.getLogger(__name__)

MOST_REPLACED = 3
"""Workers in a row that may be lost without making a step."""
START_S = PATIENCE_S = 120.0
"""How long the trainer waits for a worker to start, and for a step. Ranks wait longer for each other."""
_GRACE_S = 5.0
"""How long to wait for a killed worker to end: one that is waiting for a disk ends later."""


class _LostError(Exception):
    """The worker makes no more steps. The message continues "the process that makes the batches"."""


def prefetch(steps: Steps, cursor: Cursor, depth: int) -> Generator[StepData, None, None]:
    """The steps from `cursor` on, made up to `depth` steps ahead by another process.

    Raises:
        MtkitError: the data cannot be read, or worker after worker is lost at the same step.
    """
    lost = 0
    while True:
        try:
            with closing(_Worker(steps, cursor, depth)) as worker:
                while True:
                    data = worker.step()
                    yield data
                    cursor, lost = data.cursor, 0
        except _LostError as error:
            lost += 1
            where = f"step {cursor.step + 1}: the process that makes the batches {error}"
            if lost > MOST_REPLACED:
                raise MtkitError(
                    f"{where}, {lost} times in a row.",
                    "Set train.prefetch=0 to prepare batches without it.",
                ) from None
            logger.warning("%s. It is restarted at this step.", where)
            logger.debug("%s", "".join(getattr(error, "__notes__", [])))


class _Worker:
    """A process that makes steps, and a thread of this process that receives them."""

    def __init__(self, steps: Steps, cursor: Cursor, depth: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        self._pipe, sender = context.Pipe(duplex=False)
        # Unpickled by `work`, which then reports shards that it cannot open.
        args = (sender, pickle.dumps(steps), cursor)
        self._process = context.Process(target=work, args=args, name="prefetch", daemon=True)
        try:
            with _signals_blocked():
                self._process.start()
        except OSError as error:
            raise _LostError(f"cannot be started: {error}") from None
        sender.close()  # the pipe then ends when the process ends
        # At its exit Python would send SIGTERM, which the process blocks, and wait for ever.
        self._finalize = Finalize(self, self._process.kill, exitpriority=1)
        self._started = False
        self._ready: queue.Queue[StepData | Exception | None] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="prefetch", daemon=True)
        self._thread.start()

    def step(self) -> StepData:
        """The next step.

        Raises:
            _LostError: the worker died, failed or hangs.
            MtkitError: an expected failure, which another worker would meet too.
        """
        if not self._started:
            self._take(START_S, "has not started within")
            self._started = True
        found = self._take(PATIENCE_S, "has prepared no batch for")
        assert found is not None
        return found

    def _take(self, patience: float, complaint: str) -> StepData | None:
        try:
            found = self._ready.get(timeout=patience)
        except queue.Empty:
            raise _LostError(f"{complaint} {patience:g} s") from None
        if isinstance(found, EOFError):
            self._process.join(_GRACE_S)
            raise _LostError(_ending(self._process.exitcode))
        if isinstance(found, Exception):
            raise found
        return found

    def _receive(self) -> None:
        """Receives steps, ahead of the trainer, until the pipe ends."""
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                message = EOFError()
            found = as_tensors(message) if isinstance(message, Step) else message
            while not self._stopped.is_set():
                with suppress(queue.Full):
                    self._ready.put(found, timeout=0.1)
                    break
            if self._stopped.is_set() or isinstance(found, Exception):
                return

    def close(self) -> None:
        """Kills the process and ends the thread."""
        self._stopped.set()
        self._finalize()
        self._process.join(_GRACE_S)
        self._thread.join(_GRACE_S)


def work(sender: Connection, pickled: bytes, cursor: Cursor) -> None:
    """Runs in the process: sends None, then steps, then the failure that ended them. Writes to no stream."""
    end_with_parent()
    failure: Exception
    try:
        sender.send(None)
        steps: Steps = pickle.loads(pickled)
        for step in steps.arrays(cursor):
            sender.send(step)
    except BrokenPipeError:  # the trainer has ended
        return
    except MtkitError as error:
        failure = error
    except Exception as error:
        failure = _LostError(f"failed: {type(error).__name__}: {error}")
        failure.add_note(traceback.format_exc())
    sender.send(failure)


def _ending(code: int | None) -> str:
    """How a process ended, by its exit code."""
    if code is None:
        return "has closed its pipe"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks the signals that ask the trainer to stop, for all processes started within."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    resource_tracker.ensure_running()  # if it were started within, it would unblock some of them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, names)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
