"""What holds for every test: one thread, no network, nothing of the user's environment."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch can be imported

import copy
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from mtkit.cli import console

settings.register_profile("mtkit", deadline=None, database=None, derandomize=True)
settings.load_profile("mtkit")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses connections to other machines and hides the user's settings."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    for name in ("MTKIT_MODEL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _as_loud_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command sets for its own process is forgotten by the next test."""
    monkeypatch.setattr(console, "state", copy.copy(console.state))
    logger = logging.getLogger("mtkit")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
