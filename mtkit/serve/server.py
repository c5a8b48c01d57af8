"""Serves: time-outs, signals, and the replacement of models while the server works."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mtkit.serve.application import build_app
from mtkit.serve.listening import BACKLOG
from mtkit.serve.settings import Settings
from mtkit.serve.site import Site
from mtkit.serve.supervisor import ParentGoneError

logger = logging.getLogger(__name__)

WATCH = 5.0
"""Seconds between two looks for new models."""
REPORT = 1.0
"""Seconds between two reports of a worker to its parent."""
_MOST_HEADERS = 1 << 16


class Server(uvicorn.Server):
    """Leaves signals to `run_server`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn; it would send a signal again when it has ended."""
        yield


def protocol_of(settings: Settings) -> type[H11Protocol]:
    """The protocol of uvicorn, which by itself waits for headers as long as a client likes."""

    class TimedProtocol(H11Protocol):
        _headers_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:
                self._stop_clock()
            elif self._headers_due is None and (self.cycle is None or self.cycle.response_complete):
                self._expect_headers()

        def _expect_headers(self) -> None:
            self._headers_due = self.loop.call_later(settings.header_seconds, self.transport.abort)

        def _stop_clock(self) -> None:
            if self._headers_due is not None:
                self._headers_due.cancel()
                self._headers_due = None

    return TimedProtocol


def run_server(site: Site, listening: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until SIGTERM or SIGINT; then answers what is under way, for some seconds.

    SIGHUP, or a new model in the folder of one, replaces it.

    Args:
        site: that is served.
        listening: at its address.
        ready: called when it begins.
    """
    gc.freeze()  # what the start has made stays, and need not be looked through again and again
    asyncio.run(_serve(site, listening, ready))


async def _serve(site: Site, listening: socket.socket, ready: Callable[[], None]) -> None:
    settings = site.settings
    server = Server(
        uvicorn.Config(
            build_app(site),
            http=protocol_of(settings),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(settings.idle_seconds),
            timeout_graceful_shutdown=int(settings.drain_seconds) + 1,
            limit_concurrency=settings.most_connections,
            backlog=1 if site.worker else BACKLOG,
            h11_max_incomplete_event_size=_MOST_HEADERS,
        )
    )
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # its words are not ours, and may quote requests
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM,) if site.worker else (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server, site)
    replacing = asyncio.Event()
    with suppress(AttributeError):  # there is none on Windows
        loop.add_signal_handler(signal.SIGHUP, replacing.set)
    tasks = [asyncio.create_task(_replace(site, replacing))]
    if site.worker:
        tasks.append(asyncio.create_task(_report(server, site)))
    loop.call_soon(ready)
    try:
        await server.serve(sockets=[listening])
    finally:
        for task in tasks:
            task.cancel()
        site.close()


def _stop(server: Server, site: Site) -> None:
    """Ends the server; what is still under way after a while is refused, and at a second signal at once.

    A worker leaves that to its parent: whoever signals to all processes signals to it twice.
    """
    server.force_exit = server.should_exit and not site.worker
    server.should_exit = True
    asyncio.get_running_loop().call_later(site.settings.drain_seconds, site.queue.drain, 0)


async def _report(server: Server, site: Site) -> None:
    """Keeps the figures of this process up to date, and ends it if its parent has ended."""
    while True:
        try:
            site.report()
        except ParentGoneError:
            return _stop(server, site)
        await asyncio.sleep(REPORT)


async def _replace(site: Site, asked: asyncio.Event) -> None:
    """Replaces models when that is asked for, or when one has changed."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), WATCH)
        changed_only = not asked.is_set()
        asked.clear()

        def work(changed_only: bool = changed_only) -> Any:
            return site.models.replace(changed_only=changed_only)

        try:
            site.tally.replacements += await loop.run_in_executor(None, work)
        except Exception as error:  # the old models go on
            logger.error("models stay as they were: %s", type(error).__name__)
