from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from tests.support.fakes import make_tiny_run
from tests.support.faults.bench import CONFIG, Bench
from tests.support.faults.server import ForkServer


def mostly_slow(cases: Sequence[Any], quick: Collection[Any]) -> list[Any]:
    """The cases for `parametrize`, of which all but `quick` are marked `slow`: each costs processes."""
    missing = [case for case in quick if case not in cases]
    assert not missing, missing
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=[] if case in quick else pytest.mark.slow))
    return marked


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
