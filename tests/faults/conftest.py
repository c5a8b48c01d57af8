"""What the trials share. A fixture may be set up more than once in a process, so it takes new folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from tests.support.fakes import make_tiny_run
from tests.support.faults.bench import CONFIG, Bench
from tests.support.faults.pair import Pair
from tests.support.faults.server import ForkServer


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


@pytest.fixture(scope="session")
def bench(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "c.yaml").write_text(CONFIG, "utf-8")
    prepare(load_config([folder / "c.yaml"], [f"run={folder / 'prepared'}"]).config)
    return Bench(server, folder)


@pytest.fixture(scope="session")
def whole(bench: Bench) -> dict[str, Any]:
    """What an undisturbed run leaves."""
    return bench.finish(bench.make("whole"))


@pytest.fixture(scope="session")
def pair(bench: Bench) -> Pair:
    return Pair(bench)
