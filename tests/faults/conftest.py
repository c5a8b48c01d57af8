from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mtkit.config.load import load_config
from tests.fakes import make_tiny_run
from tests.faults.server import ForkServer


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    """Children with torch already in memory."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder; nobody may change it."""
    return load_config([make_tiny_run(tmp_path_factory.mktemp("model"))]).config.run / "model"
