"""SIGKILL at any moment, the same command again: the very same weights, optimizer and metric history."""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from typing import Any

import pytest

from mtkit.model.checkpoint import step_folders
from tests.support.cases import mostly_slow
from tests.support.faults.bench import DECODE, GRADIENT, Bench
from tests.support.faults.figures import trial

SAME = "SIGKILL at any moment, same command again: the same weights, optimizer and metric history"


@pytest.fixture(scope="module")
def disk_calls(bench: Bench) -> list[str]:
    """Every change of the disk in an undisturbed run, in order."""
    run = bench.make("counted")
    log = run.with_name("calls")
    assert bench.start(run, log=str(log)).wait() == 0
    return log.read_text("utf-8").splitlines()


PHASES = {
    "start": [("mtkit.train.trainer:Store.newest", 1), ("mtkit.train.trainer:Recorder.__init__", 1)],
    "step": [(GRADIENT, n) for n in (1, 4, 7, 11)]
    + [("torch.nn.utils:clip_grad_norm_", n) for n in (2, 5, 9, 12)],
    "validation": [(DECODE, n) for n in (1, 2, 3, 4)],
    "exit": [("mtkit.train.trainer:average_weights", 1), ("mtkit.train.watch.monitor:Recorder.close", 1)],
}
CALLS = [(phase, *where) for phase, points in PHASES.items() for where in points]


@pytest.mark.parametrize(("phase", "target", "at"), mostly_slow(CALLS, CALLS[::4]))
def test_killed_at_a_call(phase: str, target: str, at: int, bench: Bench, whole: dict[str, Any]) -> None:
    run = bench.make(f"{phase}-{target.rpartition('.')[2]}-{at}")
    marker = run.with_name(f"{run.name}.struck")
    child = bench.start(run, ["kill_at_call", target, at, str(marker)])
    code = child.wait()
    trial(
        SAME,
        struck=code == -signal.SIGKILL and marker.read_text() == target,
        kept=bench.finish(run) == whole,
        detail=(phase, target, at, child.said()),
    )


def kill_and_finish(bench: Bench, whole: dict[str, Any], calls: list[str], name: str, at: int) -> None:
    """Kills a run at a call that changes the disk, and compares what the same command then gives."""
    run = bench.make(name)
    marker = run.with_name(f"{run.name}.struck")
    child = bench.start(run, ["kill_at_disk_call", at, str(marker)])
    code = child.wait()
    struck = code == -signal.SIGKILL and kind_of(marker.read_text(), name) == kind_of(
        calls[at - 1], "counted"
    )
    trial(SAME, struck=struck, kept=bench.finish(run) == whole, detail=(at, calls[at - 1], child.said()))
    shutil.rmtree(run)


def kind_of(call: str, run: str) -> str:
    """A call without the name of its run folder, the random part of other names, and numbers."""
    return re.sub(r"[0-9a-f]{32}|\d+", "", call.replace(run, "run")).strip()


def numbers(calls: list[str], word: str) -> list[int]:
    return [number for number, call in enumerate(calls, start=1) if word in call]


@pytest.mark.parametrize("count", mostly_slow((1, 4), [1]))
def test_killed_while_saving_and_rotating(
    count: int, bench: Bench, whole: dict[str, Any], disk_calls: list[str]
) -> None:
    rng = random.Random(count)
    saves, gone = numbers(disk_calls, "checkpoints"), numbers(disk_calls, "-gone-")
    best, final = numbers(disk_calls, "best"), numbers(disk_calls, "/.tmp-model-")
    for kind in (saves, gone, best, final):
        for at in rng.sample(kind, count):
            kill_and_finish(bench, whole, disk_calls, f"disk-{count}-{at}", at)


@pytest.mark.slow
def test_killed_three_hundred_times(bench: Bench, whole: dict[str, Any], disk_calls: list[str]) -> None:
    rng = random.Random(3)
    for number in range(150):
        kill_and_finish(bench, whole, disk_calls, f"many-{number}", rng.randrange(1, len(disk_calls) + 1))
    begin = time.monotonic()
    bench.finish(bench.make("timed"))
    span = time.monotonic() - begin
    for number in range(75):  # at any time, as the clock has it, twice before the run may end
        run = bench.make(f"clock-{number}")
        killed: list[bool] = []
        while len(killed) < 2 and not (run / "model").exists():
            child = bench.start(run)
            child.kill_after(rng.uniform(0.0, span))
            killed.append(child.wait() == -signal.SIGKILL)
        kept = bench.finish(run) == whole
        for struck in killed:
            if struck:  # else it was quicker
                trial(SAME, struck=struck, kept=kept, detail=(number, span))
        shutil.rmtree(run)


STAGES = "data.mixing=[{until: 4, temperature: 5.0}, {until: 8, weights: [1.0, 0.0]}, {weights: [0.0, 1.0]}]"
OPTIONS = [
    *(
        (f"train.precision={precision}", f"train.prefetch={depth}")
        for precision in ("fp32", "bf16")
        for depth in (0, 2)
    ),
    (
        "train.optimizer.method=schedule_free",
        "train.optimizer.schedule=constant",
        "train.ema=0",
        "train.average_of=last",
        "train.prefetch=0",
    ),
    ("train.micro_batch_tokens=60", "train.ema=0", "train.packing=true", "train.prefetch=0"),
    (STAGES, "train.optimizer.method=muon", "train.prefetch=2"),
]


@pytest.mark.parametrize("options", mostly_slow([(o,) for o in OPTIONS], [(OPTIONS[-1],)]))
def test_going_on_from_every_save_point(options: tuple[str, ...], bench: Bench) -> None:
    name = f"points-{OPTIONS.index(options)}"
    run = bench.make(name)
    # Made without prefetching, so that prefetching is shown to change nothing.
    expected = bench.finish(
        run, "train.keep_last=99", "train.keep_best=99", *options[:-1], "train.prefetch=0"
    )
    points = step_folders(run / "checkpoints")
    assert len(points) == 4
    for number, point in enumerate(points[:-1]):
        other = bench.make(f"{name}-{number}")
        for folder in ("checkpoints", "best"):
            shutil.copytree(run / folder, other / folder)
        for name in ("metrics.jsonl", ".mtkit"):
            shutil.copy(run / name, other)
        for later in step_folders(other / "checkpoints"):
            if later.name > point.name:
                shutil.rmtree(later)
        found = bench.finish(other, "train.keep_last=99", "train.keep_best=99", *options)
        trial(SAME, struck=True, kept=found == expected, detail=point)
