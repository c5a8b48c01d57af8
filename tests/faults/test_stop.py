"""SIGTERM, SIGUSR1 or SIGHUP: finish the step, save, exit 75; the same command ends with the same bytes."""

from __future__ import annotations

import shutil
import signal
from typing import Any

import pytest

from tests.support.cases import mostly_slow
from tests.support.faults.bench import DECODE, GRADIENT, NEWEST, PREPARED, REMOVE, RENAME, Bench, outcome
from tests.support.faults.figures import trial

STOP = "SIGTERM, SIGUSR1 or SIGHUP: finish the step, save, exit 75; a second signal exits at once"
START = [PREPARED, "mtkit.train.trainer:build_updater", NEWEST]
MOMENTS = [
    *((GRADIENT, at) for at in (1, 2, 4, 5, 8, 10, 12, 13)),
    *((DECODE, at) for at in (1, 2, 3)),
    *((RENAME, at) for at in (2, 4, 6, 9)),
    *((REMOVE, at) for at in (3, 8)),
    *((target, 1) for target in START),
]
PAIRED = [
    (*moment, (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)[n % 3]) for n, moment in enumerate(MOMENTS)
]


@pytest.mark.parametrize(("target", "at", "number"), mostly_slow(PAIRED, PAIRED[2::5]))
def test_a_signal_stops_after_saving(
    target: str, at: int, number: int, bench: Bench, whole: dict[str, Any]
) -> None:
    run = bench.make(f"{target.rpartition(':')[2]}-{at}")
    marker = run.with_name(f"{run.name}.struck")
    hook = {"target": target, "at": at, "number": int(number), "marker": str(marker)}
    child = bench.command(run, signal_at_call=hook)
    code = child.wait()
    stopped = code == 75 or (code == 0 and (run / "model").exists())  # amid the last scores it is too late
    again = bench.command(run)
    ended = again.wait()
    trial(
        STOP,
        struck=marker.exists(),
        kept=stopped and "Traceback" not in child.said() and ended == 0 and outcome(run) == whole,
        detail=(target, at, code, child.said(), again.said()),
    )
    shutil.rmtree(run)


TWICE = [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)]


@pytest.mark.parametrize(("number", "expected"), mostly_slow(TWICE, TWICE[:1]))
def test_a_second_signal_ends_at_once(
    number: int, expected: int, bench: Bench, whole: dict[str, Any]
) -> None:
    run = bench.make(f"twice-{number}")
    marker = run.with_name(f"{run.name}.struck")
    hook = {"target": GRADIENT, "at": 6, "number": int(number), "marker": str(marker), "times": 2}
    code = bench.command(run, signal_at_call=hook).wait()
    assert bench.command(run).wait() == 0
    trial(STOP, struck=marker.exists(), kept=code == expected and outcome(run) == whole, detail=code)
