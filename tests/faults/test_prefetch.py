"""The process that makes the batches dies, fails or hangs: another one begins at the same batch."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import mostly_slow
from tests.support.faults.bench import Bench, outcome
from tests.support.faults.figures import trial

REPLACED = "a dead or hanging prefetch worker is replaced at the same batch, three times"
PREFETCH = ("train.prefetch=2",)
PATIENCE_S = 4.0
"""Far more than a step needs here, even on a busy machine; a hang costs as much."""
CAUSES = {
    "killed": "was ended by SIGKILL",
    "fail": "failed: ValueError: a batch that cannot be made",
    "hang": f"has prepared no batch for {PATIENCE_S:g} s",
}
TRIALS = [(kind, at, times) for kind in CAUSES for at in (1, 6, 12) for times in (1, 3)]
QUICK = [("killed", 6, 3), ("fail", 1, 1), ("hang", 6, 1)]


def break_at(bench: Bench, run: Path, kind: str, at: int, times: int) -> tuple[int, str, list[int]]:
    """How a training ends whose worker is broken, what it said, and the processes that were struck."""
    marker = run.with_suffix(".struck")
    patience = PATIENCE_S if kind == "hang" else 300.0
    child = bench.start(run, ["break_worker", kind, at, times, str(marker), patience], options=PREFETCH)
    code = child.wait()
    lines = marker.read_text().splitlines() if marker.exists() else []
    assert all(line.split()[1:] == [kind, str(at)] for line in lines)
    return code, child.said(), [int(line.split()[0]) for line in lines]


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(("kind", "at", "times"), mostly_slow(TRIALS, QUICK))
def test_a_lost_worker_is_replaced(
    kind: str, at: int, times: int, bench: Bench, whole: dict[str, Any]
) -> None:
    run = bench.make(f"worker-{kind}-{at}-{times}")
    code, said, struck = break_at(bench, run, kind, at, times)
    warned = said.count(f"step {at}: the process that makes the batches {CAUSES[kind]}. It is restarted")
    trial(
        REPLACED,
        struck=len(set(struck)) == times,
        kept=code == 0 and warned == times and outcome(run) == whole and not any(map(is_alive, struck)),
        detail=(code, warned, said),
    )


@pytest.mark.parametrize("kind", mostly_slow(list(CAUSES), ["killed"]))
def test_the_fourth_in_a_row_ends_the_run_which_goes_on(
    kind: str, bench: Bench, whole: dict[str, Any]
) -> None:
    run = bench.make(f"worker-{kind}-lost")
    code, said, struck = break_at(bench, run, kind, 6, 4)
    told = re.search(
        rf"MtkitError: step 6: .* {re.escape(CAUSES[kind])}, 4 times in a row\. .*prefetch=0", said
    )
    trial(
        REPLACED,
        struck=len(set(struck)) == 4,
        kept=code == 99 and bool(told) and bench.finish(run) == whole,
        detail=(code, said),
    )


def test_no_worker_outlives_the_trainer(bench: Bench, whole: dict[str, Any]) -> None:
    """SIGKILL of the trainer, while its worker hangs."""
    run = bench.make("worker-orphan")
    marker = run.with_suffix(".struck")
    child = bench.start(run, ["break_worker", "hang", 6, 1, str(marker)], options=PREFETCH)
    child.wait_until(lambda: marker.exists() and marker.read_text().endswith("\n"), "the worker")
    worker = int(marker.read_text().split()[0])
    assert is_alive(worker)
    child.send(signal.SIGKILL)
    code = child.wait()
    end = time.monotonic() + 60
    while is_alive(worker) and time.monotonic() < end:
        time.sleep(0.01)
    orphan = is_alive(worker)
    if orphan:
        os.kill(worker, signal.SIGKILL)
    trial(
        "no prefetch worker outlives its trainer",
        struck=code == -signal.SIGKILL,
        kept=not orphan and bench.finish(run) == whole,
        detail=worker,
    )
