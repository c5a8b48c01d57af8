"""What the operator of a server decides, and whether that is safe."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from mtkit.errors import UsageError
from mtkit.serve.keys import Keys

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#,;'\"]+")
PUBLIC_RATE = 120.0
"""Requests a minute of one client where strangers may ask."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server meets its clients.

    Attributes:
        host: address to listen on.
        port: 0 for any free one.
        keys: that clients may have; None if nobody needs one.
        is_open: strangers may ask, too.
        per_minute: requests of one client; 0 for any number, None for the usual one.
        names: of the server in a request, beside addresses and localhost.
        origins: of other pages that may use it, such as https://example.org.
        header_seconds: until a request's headers have come.
        body_seconds: until its body has come.
        idle_seconds: until a connection without a request is closed.
        drain_seconds: that requests under way have left when the server ends.
        most_connections: at once.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    keys: Keys | None = None
    is_open: bool = False
    per_minute: float | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 15.0
    drain_seconds: float = 4.0
    most_connections: int = 2_000

    def __post_init__(self) -> None:
        """Refuses what would let anybody in by mistake.

        Raises:
            UsageError: it listens to other machines without keys, or a port or an origin is none.
        """
        if not (is_loopback(self.host) or self.keys or self.is_open):
            raise UsageError(
                f"--host {self.host}: lets other machines in.",
                "Set --api-keys FILE to ask for a key, or --open to translate for everyone.",
            )
        if not 0 <= self.port < 1 << 16:
            raise UsageError(f"--port {self.port}: expected a number from 0 to 65535.")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"--cors {origin}: is no origin.", "Give scheme and host, such as https://example.org."
                )

    @property
    def needs_key(self) -> bool:
        """Whether requests without a key are refused."""
        return self.keys is not None and not self.is_open

    @property
    def rate(self) -> float:
        """Requests a minute of one client; 0 for any number."""
        if self.per_minute is not None:
            return self.per_minute
        return 0.0 if is_loopback(self.host) else PUBLIC_RATE

    def knows(self, host: str) -> bool:
        """Whether the Host header of a request is one of the server's names.

        Addresses are: only a name can be made to point here by someone else.
        """
        name = host_name(host)
        if name is None:
            return False
        return name in ("localhost", self.host.lower(), *self.names) or is_address(name)


def host_name(host: str) -> str | None:
    """The name in a Host header, without port and brackets; None if it is malformed."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::\d{1,5})?", host, re.ASCII)
    return (found[1] or found[2]).lower() if found else None


@lru_cache(maxsize=256)
def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=16)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
