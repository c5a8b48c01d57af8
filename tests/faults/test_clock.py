"""A wall clock that jumps changes nothing: neither the course of a run nor what is its newest checkpoint."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.support.faults.bench import GRADIENT, Bench, outcome
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

CLOCK = "a wall clock that jumps changes nothing"
BOUNDED = "train.max_time=1h"


def test_a_run_under_a_clock_that_jumps(bench: Bench, whole: dict[str, Any]) -> None:
    """Its time is bounded, it is killed, all its files get odd times, and it goes on."""
    run = bench.make("jumping")
    asked, struck = run.with_name("asked"), run.with_name("struck")
    kill = {"target": GRADIENT, "at": 9, "marker": str(struck)}
    child = bench.command(run, BOUNDED, jump_clock={"asked": str(asked)}, kill_at_call=kill)
    killed = child.wait() == -signal.SIGKILL
    for number, path in enumerate(sorted([*run.rglob("*"), run], key=str)):
        when = 4e9 - 1e7 * number  # the later the name, the older; far ahead of any clock
        os.utime(path, (when, when))
    again = bench.command(run, BOUNDED, jump_clock={"asked": str(asked)})
    code, said = again.wait(), again.said()
    trial(
        CLOCK,
        struck=killed and len(asked.read_text().splitlines()) >= 2,
        kept=code == 0 and "resuming from step 6" in said and outcome(run) == whole,
        detail=(code, said),
    )


def test_a_lock_does_not_go_by_the_clock(server: ForkServer, tmp_path: Path) -> None:
    run, ready, release = tmp_path / "run", tmp_path / "ready", tmp_path / "release"
    args = {"run": str(run), "ready": str(ready), "release": str(release)}
    first = server.start("tests.support.faults.trials:hold", tmp_path / "log", **args)
    first.wait_until(ready.exists, "the holder")
    for path in run.iterdir():
        os.utime(path, (1.0, 1.0))  # as old as can be
    code = server.start("tests.support.faults.trials:hold", tmp_path / "log2", **args).wait()
    release.touch()
    trial(CLOCK, struck=first.wait() == 0, kept=code == 7, detail=code)
