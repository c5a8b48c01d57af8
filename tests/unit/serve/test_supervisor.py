"""The parent of several processes, which here serve nothing: what they share, and when one hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.corpora import REPOSITORY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that can fork")

PROGRAM = """
import logging, os, socket, sys, time
from mtkit.serve import supervisor
from mtkit.serve.settings import Settings

logging.basicConfig(stream=sys.stderr, format="%(message)s")
supervisor.SILENT_SECONDS, supervisor._TICK = 1.0, 0.1
supervisor._KILL_SECONDS = 0.1
settings = Settings(per_minute=1, drain_seconds=0.1)
worker = supervisor.run_workers(2, settings, socket.create_server(("127.0.0.1", 0)), print)
worker.ready("all")
allowed = sum(not worker.shared.take("somebody") for _ in range(6))
print("worker", worker.name, os.getpid(), allowed, file=sys.stderr, flush=True)
while True:
    worker.shared.report(worker.name, {})
    time.sleep(0.05)
"""


@pytest.fixture(name="parent")
def _parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        parent = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    yield parent, log
    if parent.poll() is None:
        parent.terminate()
    assert parent.wait(20) == 0


def begun(log: Path, count: int) -> list[tuple[str, int, int]]:
    """Name, process and allowed requests of the workers that have begun, once there are so many."""
    end = time.monotonic() + 20
    while len(found := re.findall(r"^worker (\d) (\d+) (\d+)$", log.read_text(), re.M)) < count:
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.01)
    return [(name, int(pid), int(allowed)) for name, pid, allowed in found]


def test_a_worker_that_hangs_is_killed_and_replaced(parent: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, log = parent
    (_, other, _), (name, pid, _) = begun(log, 2)
    for one in (process.pid, other, pid):  # all together, as a container that is paused: none of them hangs
        os.kill(one, signal.SIGSTOP)
    time.sleep(1.3)
    for one in (process.pid, other, pid):
        os.kill(one, signal.SIGCONT)
        time.sleep(0.1)
    assert "has not answered" not in log.read_text()
    os.kill(pid, signal.SIGSTOP)
    *_, (new_name, new_pid, _) = begun(log, 3)
    assert (new_name, new_pid != pid) == (name, True)
    said = f"worker {name} has not answered for 1 s. Killing it.\nworker {name} ended by signal 9."
    assert said in log.read_text()


def test_a_rate_holds_for_all_and_one_that_hangs_does_not_hinder_the_end(
    parent: tuple[subprocess.Popen[bytes], Path],
) -> None:
    process, log = parent
    first, second = begun(log, 2)
    assert first[2] + second[2] == 10  # of 12, at a rate that allows 10 at once
    os.kill(second[1], signal.SIGSTOP)
    process.terminate()
    assert process.wait(20) == 0
    for _, pid, _ in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
