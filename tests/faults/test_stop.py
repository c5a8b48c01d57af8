"""SIGTERM, SIGUSR1 or SIGHUP: finish the step, save, exit 75; the same command ends with the same bytes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from tests.faults.conftest import mostly_slow
from tests.support.faults.bench import CONFIG, Bench, outcome
from tests.support.faults.figures import trial
from tests.support.faults.server import Child, ForkServer

STOP = "SIGTERM, SIGUSR1 or SIGHUP: finish the step, save, exit 75; a second signal exits at once"
UPDATE, DECODE = "mtkit.train.update:Updater._gradient", "mtkit.engine.native:NativeEngine.decode"
WRITE, REMOVE = "mtkit.disk.calls:rename", "mtkit.disk.calls:remove_file"
START = [
    "mtkit.data.prepare.prepared:open_prepared",
    "mtkit.train.trainer:build_updater",
    "mtkit.train.store:Store.newest",
]
MOMENTS = [
    *((UPDATE, at) for at in (1, 2, 4, 5, 8, 10, 12, 13)),  # the first is a rehearsal
    *((DECODE, at) for at in (1, 2, 3)),
    *((WRITE, at) for at in (2, 4, 6, 9)),
    *((REMOVE, at) for at in (3, 8)),
    *((target, 1) for target in START),
]
PAIRED = [
    (*moment, (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)[n % 3]) for n, moment in enumerate(MOMENTS)
]


@pytest.fixture(scope="module")
def bench(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "c.yaml").write_text(CONFIG, "utf-8")
    prepare(load_config([folder / "c.yaml"], [f"run={folder / 'prepared'}"]).config)
    return Bench(server, folder)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> dict[str, Any]:
    run = bench.make("whole")
    child = command(bench, run)
    assert child.wait() == 0, child.said()
    return outcome(run)


def command(bench: Bench, run: Path, *overrides: str, **hooks: Any) -> Child:
    log = run.with_name(f"{run.name}.log")
    return bench.server.mtkit("train", "c.yaml", f"run={run}", *overrides, log=log, cwd=bench.folder, **hooks)


@pytest.mark.parametrize(("target", "at", "number"), mostly_slow(PAIRED, PAIRED[2::5]))
def test_a_signal_stops_after_saving(
    target: str, at: int, number: int, bench: Bench, whole: dict[str, Any]
) -> None:
    run = bench.make(f"{target.rpartition(':')[2]}-{at}")
    marker = run.with_name(f"{run.name}.struck")
    hook = {"target": target, "at": at, "number": int(number), "marker": str(marker)}
    child = command(bench, run, signal_at_call=hook)
    code = child.wait()
    stopped = code == 75 or (code == 0 and (run / "model").exists())  # amid the last scores it is too late
    again = command(bench, run)
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
    hook = {"target": UPDATE, "at": 6, "number": int(number), "marker": str(marker), "times": 2}
    code = command(bench, run, signal_at_call=hook).wait()
    assert command(bench, run).wait() == 0
    trial(STOP, struck=marker.exists(), kept=code == expected and outcome(run) == whole, detail=code)
