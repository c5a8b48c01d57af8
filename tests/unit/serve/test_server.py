"""Time-outs of connections, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.server import ServerState

from mtkit.errors import MtkitError
from mtkit.serve.listening import listen
from mtkit.serve.server import protocol_of
from mtkit.serve.settings import Settings
from tests.support.servers import LocalSite

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talk(talk: Talk, **settings: float) -> None:
    """Connects to a server with these time-outs."""
    site = LocalSite(**settings)
    config = uvicorn.Config(site.app, lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    protocol, state = protocol_of(site.site.settings), ServerState()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(20):
            await talk(reader, writer)
        writer.close()
        server.close()

    asyncio.run(run())
    site.site.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return await reader.readexactly(len(b'{"status":"ok"}'))


@pytest.mark.parametrize("sent", [b"", b"G", HEALTH[:-2]])
def test_headers_that_do_not_come_end_a_connection(sent: bytes) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

    talk(slow, header_seconds=0.1)


def test_drops_of_headers_do_not_move_the_deadline() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError, BrokenPipeError):
            while not reader.at_eof():
                writer.write(b"G")
                await writer.drain()
                await asyncio.sleep(0.02)

    talk(dripping, header_seconds=0.1)


def test_a_second_request_may_come_later_but_not_slowly() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(HEALTH)
            assert await answer(reader) == b'{"status":"ok"}'
            await asyncio.sleep(0.5)  # longer than headers may take
        writer.write(HEALTH[:9])
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

    talk(twice, header_seconds=0.2)


def test_addresses_that_cannot_be_listened_at() -> None:
    for settings in (Settings(host="192.0.2.1", is_open=True), Settings(host="no such host", is_open=True)):
        with pytest.raises(MtkitError, match="cannot listen there"):
            listen(settings)
    with listen(Settings(host="::1", port=0)) as found:
        assert found.getsockname()[0] == "::1"


def test_small_answers_are_sent_at_once() -> None:
    """Else the second part of an answer waits 40 ms until the client has confirmed the first one."""
    found: list[int] = []

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        found.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def connect() -> None:
        with listen(Settings(port=0)) as listening:
            async with await asyncio.start_server(accepted, sock=listening):
                reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
                await reader.read()
                writer.close()

    asyncio.run(connect())
    assert found
    assert all(found)
