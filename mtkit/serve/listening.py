"""The socket of a server."""

from __future__ import annotations

import socket

from mtkit.errors import MtkitError
from mtkit.serve.settings import Settings

BACKLOG = 2048
"""Connections that wait in the system until they are accepted."""


class Listening(socket.socket):
    """A socket whose backlog stays as it is.

    `asyncio` accepts as many connections at once as its backlog says, and sets that of the socket, too. With
    several processes each should accept one at a time, because what one has accepted no other can answer.
    """

    def listen(self, backlog: int = BACKLOG) -> None:
        """See `socket.socket`; the number is of no consequence."""
        super().listen(BACKLOG)


def listen(settings: Settings) -> Listening:
    """A socket at the address of the server.

    Raises:
        MtkitError: the address is taken, or not one of this machine.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        plain = socket.create_server(address[:2], family=family, backlog=BACKLOG)
        # `asyncio` sends small answers at once (TCP_NODELAY) only over sockets that say they are TCP.
        return Listening(plain.family, plain.type, socket.IPPROTO_TCP, plain.detach())
    except (OSError, UnicodeError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise MtkitError(
            f"{host} port {port}: cannot listen there: {said}.", "Choose another --host or --port."
        ) from None


def address_of(listening: socket.socket) -> str:
    """The address for a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
