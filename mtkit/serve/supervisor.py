"""Several processes that serve at one address, and their parent, which starts and ends them.

They have one socket, whose waiting connections survive a process that is killed, and what `Shared` has, which
is in the parent. The parent has one thread and opens no model, so that it can fork at any time.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from mtkit.errors import MtkitError, UsageError
from mtkit.serve.settings import Settings
from mtkit.serve.shared import Shared

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

logger = logging.getLogger(__name__)

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD")
_KILL_SECONDS = 0.8
"""That a worker has to end after the time for requests under way."""
SILENT_SECONDS = 30.0
"""After which a worker that says nothing is killed; it reports every second, also while it decodes."""
_TICK = 1.0
"""Seconds between two looks at who is silent."""
_STEADY_SECONDS, _MOST_PAUSE = 10.0, 30.0
"""After which a worker counts as healthy, and the longest pause before one that is not starts again."""


class ParentGoneError(MtkitError):
    """The parent of a worker has ended."""


class Link:
    """A worker's way to its parent: each call of it is a call of the parent's `Shared`, or of `ready`.

    Args:
        connection: to the parent.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._call, name)

    def _call(self, name: str, *args: Any) -> Any:
        """The result of a call.

        Raises:
            ParentGoneError: there is nobody to answer it.
        """
        try:
            with self._lock:
                self._connection.send((name, args))
                return self._connection.recv()
        except (OSError, EOFError):
            raise ParentGoneError("the server is stopping.", "Try again soon.") from None


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes of a server, as it knows itself.

    Attributes:
        name: a number from 1.
        is_first: whether none has served before it, so that it speaks for all.
        link: to the parent.
    """

    name: str
    is_first: bool
    link: Link

    @property
    def shared(self) -> Shared:
        """That of the parent."""
        return cast(Shared, self.link)

    def ready(self, said: str) -> None:
        """Tells the parent, if it is still there, that this process serves now, and what."""
        with suppress(ParentGoneError):
            self.link.ready(said)


@dataclass(slots=True)
class _Place:
    """A worker as its parent knows it.

    Attributes:
        name: that of the worker.
        pid: of its process; 0 if there is none.
        link: to it; None if that is broken.
        since: when it was started, in seconds.
        due: when it is to be started.
        failures: how often it ended soon after it was started.
        is_ready: whether it serves.
        silent: seconds since it last said something, without those in which the parent itself was stopped.
    """

    name: str
    pid: int = 0
    link: Connection | None = None
    since: float = 0.0
    due: float = 0.0
    failures: int = 0
    is_ready: bool = False
    silent: float = 0.0


def run_workers(
    count: int, settings: Settings, listening: socket.socket, ready: Callable[[str], None]
) -> Worker:
    """Starts processes, and returns in each of them; their parent stays here until they have ended.

    The first one starts alone: if it fails, the server does, with its exit code.

    Args:
        count: of processes.
        settings: of the operator.
        listening: for all of them.
        ready: called in the parent once all serve, with what the last one said.

    Raises:
        UsageError: this system cannot fork.
        SystemExit: in the parent, at the end.
    """
    if not hasattr(os, "fork"):
        raise UsageError("--workers: needs a system that can fork.", "Leave it out, or use Linux or macOS.")
    return _Parent(count, settings, listening, ready).run()


class _Parent:
    def __init__(
        self, count: int, settings: Settings, listening: socket.socket, ready: Callable[[str], None]
    ) -> None:
        self._places = [_Place(str(number + 1)) for number in range(count)]
        self._shared, self._listening, self._ready = Shared(settings.rate), listening, ready
        self._drain_seconds = settings.drain_seconds
        self._has_served = self._has_said = False
        self._end = float("inf")
        self._told: list[int] = []
        self._awake, self._wake = socket.socketpair()

    def run(self) -> Worker:
        """See `run_workers`."""
        self._hear_signals()
        while True:
            for place in self._due():
                if worker := self._start(place):
                    return worker
            self._answer()
            self._obey()
            self._kill_silent()
            self._bury()
            if self._is_ending and not any(place.pid for place in self._places):
                raise SystemExit(0)

    @property
    def _is_ending(self) -> bool:
        return self._end < float("inf")

    def _hear_signals(self) -> None:
        """Lets signals end `wait`, to be obeyed after it."""
        for one in (self._awake, self._wake):
            one.setblocking(False)
        for name in _SIGNALS:
            signal.signal(getattr(signal, name), lambda number, _: self._told.append(number))
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _due(self) -> list[_Place]:
        """The workers to start now."""
        if self._is_ending:
            return []
        now = time.monotonic()
        places = self._places if self._has_served else self._places[:1]
        return [place for place in places if not place.pid and place.due <= now]

    def _start(self, place: _Place) -> Worker | None:
        """Starts a process; returns in both, with a worker in the new one."""
        from multiprocessing import Pipe

        own, other = Pipe()
        is_first = not self._has_served
        signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in _SIGNALS])
        pid = os.fork()
        if pid:
            place.pid, place.link, place.since, place.is_ready = pid, own, time.monotonic(), False
            place.silent = 0.0
            other.close()
        else:
            own.close()
            self._leave()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [getattr(signal, name) for name in _SIGNALS])
        return None if pid else Worker(place.name, is_first, Link(other))

    def _leave(self) -> None:
        """Drops what a new process has of its parent."""
        signal.set_wakeup_fd(-1)
        for name in ("SIGTERM", "SIGCHLD"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        for name in ("SIGINT", "SIGHUP"):  # the parent hears them from a terminal, too, and passes them on
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        self._awake.close()
        self._wake.close()
        for place in self._places:
            if place.link:  # else a worker would not see that the parent has ended
                place.link.close()

    def _answer(self) -> None:
        """Answers calls of workers until there is something else to do."""
        from multiprocessing.connection import wait

        links = {place.link: place for place in self._places if place.link}
        begin = time.monotonic()
        heard = wait([*links, self._awake], self._pause())
        # It is more if this process was stopped, as all may have been.
        passed = min(time.monotonic() - begin, 2 * _TICK)
        for place in self._places:
            place.silent += passed
        for found in heard:
            if found is self._awake:
                self._awake.recv(4096)
            else:
                self._answer_one(links[cast("Connection", found)])

    def _pause(self) -> float | None:
        """Seconds until something is due."""
        now = time.monotonic()
        if any(place.pid and not place.link for place in self._places):
            return 0.05  # it has nothing to say any more, and will have ended soon
        if self._is_ending:
            return max(0.0, self._end - now)
        if not self._has_served:
            return None
        return min(_TICK if place.pid else max(0.0, place.due - now) for place in self._places)

    def _answer_one(self, place: _Place) -> None:
        link, place.silent = place.link, 0.0
        assert link is not None
        try:
            name, args = link.recv()
            if name == "ready":
                self._be_ready(place, *args)
            link.send(None if name == "ready" else getattr(self._shared, name)(*args))
        except (OSError, EOFError):
            link.close()
            place.link = None

    def _be_ready(self, place: _Place, said: str) -> None:
        place.is_ready = self._has_served = True
        if not self._has_said and all(one.is_ready for one in self._places):
            self._has_said = True
            self._ready(said)

    def _obey(self) -> None:
        """Passes signals on; one that ends the server gives the workers some seconds, a second one none."""
        while self._told:
            number = self._told.pop(0)
            if number == signal.SIGHUP:
                self._signal_all(signal.SIGHUP)
            elif number != signal.SIGCHLD:
                left = 0.0 if self._is_ending else self._drain_seconds + _KILL_SECONDS
                self._end = time.monotonic() + left
                self._listening.close()
                self._signal_all(signal.SIGTERM)
        if time.monotonic() >= self._end:
            self._signal_all(signal.SIGKILL)

    def _kill_silent(self) -> None:
        """Kills workers that hang; new ones take their places."""
        for place in self._places:
            if place.pid and place.is_ready and place.silent >= SILENT_SECONDS and not self._is_ending:
                logger.error("worker %s has not answered for %.0f s. Killing it.", place.name, place.silent)
                place.silent = 0.0
                os.kill(place.pid, signal.SIGKILL)

    def _signal_all(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)

    def _bury(self) -> None:
        """Notes which workers have ended, and when new ones are due.

        Raises:
            SystemExit: the first one ended before it served.
        """
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if not pid:
                continue
            place.pid = 0
            if place.link:
                place.link.close()
                place.link = None
            self._shared.forget(place.name)
            code = os.waitstatus_to_exitcode(status)
            if self._is_ending:
                continue
            if not self._has_served:
                raise SystemExit(code if code >= 0 else 1)
            self._plan(place, code)

    def _plan(self, place: _Place, code: int) -> None:
        """A new worker, at once unless it ends again and again."""
        now = time.monotonic()
        is_steady = place.is_ready and now - place.since >= _STEADY_SECONDS
        place.failures = 1 if is_steady else place.failures + 1
        pause = 0.0 if place.failures == 1 else min(_MOST_PAUSE, 2.0 ** (place.failures - 2))
        place.due = now + pause
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        logger.error("worker %s ended %s. Starting a new one in %.0f s.", place.name, how, pause)
