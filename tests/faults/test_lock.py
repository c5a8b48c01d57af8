"""Two runs never write into one folder, and a dead holder never blocks."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from mtkit.disk.lock import only_writer
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

ALONE = "two runs never write into one folder; a dead holder never blocks"
HOLD = "tests.support.faults.trials:hold"


@pytest.mark.parametrize("count", [2, 8])
def test_one_holds_and_the_others_are_told_by_whom(count: int, server: ForkServer, tmp_path: Path) -> None:
    run, ready, release = tmp_path / "run", tmp_path / "ready", tmp_path / "release"
    args = {"run": str(run), "ready": str(ready), "release": str(release)}
    first = server.start(HOLD, tmp_path / "log", **args)
    first.wait_until((run / ".train.holder").exists, "the first to hold the folder")
    others = [server.start(HOLD, tmp_path / f"log{n}", **args) for n in range(1, count)]
    for other in others:
        code, said = other.wait(), other.said()
        who = re.search(r"process (\d+) on (\S+) since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said)
        told = who is not None and (int(who[1]), who[2]) == (first.pid, socket.gethostname())
        trial(ALONE, struck=code == 7, kept=told, detail=said)
    release.touch()
    assert first.wait() == 0
    assert ready.read_text() == f"{first.pid} in\n{first.pid} out\n"


@pytest.mark.parametrize("count", [2, 8])
def test_a_race_has_one_winner(count: int, server: ForkServer, tmp_path: Path) -> None:
    ready, release = tmp_path / "ready", tmp_path / "release"
    args = {"run": str(tmp_path / "run"), "ready": str(ready), "release": str(release)}
    children = [server.start(HOLD, tmp_path / f"log{n}", **args) for n in range(count)]
    children[0].wait_until(lambda: ready.exists() and ready.read_text().endswith("in\n"), "a winner")
    losers = [child for child in children if f"{child.pid} in" not in ready.read_text()]
    codes = [child.wait() for child in losers]
    release.touch()
    trial(ALONE, struck=len(losers) == count - 1, kept=codes == [7] * (count - 1), detail=codes)
    assert sorted(child.wait() for child in children) == [0] + [7] * (count - 1)


def test_a_dead_holder_never_blocks(server: ForkServer, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for turn in range(5):
        args = {"run": str(run), "ready": str(tmp_path / f"ready{turn}"), "release": str(tmp_path / "never")}
        child = server.start(HOLD, tmp_path / "log", **args)
        child.wait_until((tmp_path / f"ready{turn}").exists, "the holder")
        child.send(signal.SIGKILL)
        code = child.wait()
        assert (run / ".train.holder").exists()
        with only_writer(run):
            trial(ALONE, struck=code == -signal.SIGKILL, kept=True)
    assert not (run / ".train.holder").exists()
