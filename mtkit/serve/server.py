"""Listens: sockets, time-outs, signals, and the replacement of models while the server works."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mtkit.errors import MtkitError
from mtkit.serve.application import build_app
from mtkit.serve.settings import Settings
from mtkit.serve.site import Site

logger = logging.getLogger(__name__)

WATCH = 5.0
"""Seconds between two looks for new models."""
_BACKLOG = 2048
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


def listen(settings: Settings) -> socket.socket:
    """A socket at the address of the server.

    Raises:
        MtkitError: the address is taken, or not one of this machine.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise MtkitError(
            f"{host} port {port}: cannot listen there: {said}.", "Choose another --host or --port."
        ) from None


def address_of(listening: socket.socket) -> str:
    """The address for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(site: Site, listening: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until SIGTERM or SIGINT; then answers what is under way, for some seconds.

    SIGHUP, or a new model in the folder of one, replaces it.

    Args:
        site: that is served.
        listening: at its address.
        ready: called when it begins.
    """
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
            h11_max_incomplete_event_size=_MOST_HEADERS,
        )
    )
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # its words are not ours, and may quote requests
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server, site)
    replacing = asyncio.Event()
    with suppress(AttributeError):  # there is none on Windows
        loop.add_signal_handler(signal.SIGHUP, replacing.set)
    watching = asyncio.create_task(_replace(site, replacing))
    loop.call_soon(ready)
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        site.close()


def _stop(server: Server, site: Site) -> None:
    """Ends the server; what is still under way after a while is refused, and at a second signal at once."""
    server.force_exit = server.should_exit
    server.should_exit = True
    asyncio.get_running_loop().call_later(site.settings.drain_seconds, site.queue.drain, 0)


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
