"""Two ranks that train together, and what becomes of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.faults.bench import Bench, outcome
from tests.support.faults.server import Child
from tests.support.ranks import free_port

# Dropout draws for the rows of a micro-batch, which are others where it is split.
PLAIN = ("model.dropout=0",)


@dataclass
class Pair:
    """Where two ranks train, each a child of the fork server."""

    bench: Bench

    @property
    def folder(self) -> Path:
        return self.bench.folder

    def make(self, name: str) -> Path:
        return self.bench.make(f"pair-{name}")

    def start(self, run: Path, hooks: dict[int, dict[str, Any]], *options: str) -> list[Child]:
        """`mtkit train` on two ranks, with the hooks of each."""
        told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
        children = []
        for rank in (0, 1):
            environ = {"set_environ": {**told, "RANK": str(rank), "LOCAL_RANK": str(rank)}}
            log = run.with_name(f"{run.name}-{time.monotonic_ns()}.log")
            argv = ("train", "c.yaml", f"run={run}", *options)
            children.append(
                self.bench.server.mtkit(*argv, log=log, cwd=self.folder, **environ, **hooks.get(rank, {}))
            )
        return children

    def finish(
        self, run: Path, *options: str, hooks: dict[int, dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """The same command to its end, undisturbed unless there are hooks; what it leaves."""
        done = self.start(run, hooks or {}, *options)
        assert codes(done) == [0, 0], said(done)
        return outcome(run)


def codes(children: list[Child]) -> list[int]:
    return [child.wait() for child in children]


def said(children: list[Child]) -> str:
    return "\n".join(child.said() for child in children)
