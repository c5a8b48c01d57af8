"""SIGKILL at any moment, the same command again: the very same weights, optimizer and metric history."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mtkit.checkpoint import step_folders
from mtkit.config.load import load_config
from mtkit.data.prepare import prepare
from tests.faults.conftest import mostly_slow
from tests.faults.figures import trial
from tests.faults.server import Child, ForkServer

SAME = "SIGKILL at any moment, same command again: the same weights, optimizer and metric history"
CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook, pairs: 150}, {reader: phrasebook, pairs: 100, seed: 7}]
  valid: {reader: phrasebook, split: valid, pairs: 6}
  mixing: [{until: 5, temperature: 2.0}, {weights: [1.0, 3.0]}]
tokenizer: {vocab_size: 150, model_type: bpe}
model: {preset: tiny, d_model: 16, d_ff: 32, num_encoder_layers: 1, num_decoder_layers: 1, dropout: 0.2}
train:
  max_steps: 12
  batch_tokens: 150
  precision: fp32
  validate_every: 4
  save_every: 3
  keep_last: 2
  keep_best: 2
  log_every: 2
  ema: 0.9
  tensorboard: false
  optimizer: {lr: 3.0e-3, warmup_steps: 5, schedule: linear}
"""
TRAIN = "tests.faults.trials:train"
TIMES = ("seconds", "train/tokens_per_s")


@dataclass
class Bench:
    """Where trials are made, and what comes of a training that nothing disturbs."""

    server: ForkServer
    folder: Path

    def make(self, name: str) -> Path:
        """A run folder with nothing but the prepared data."""
        run = self.folder / name
        shutil.copytree(self.folder / "prepared" / "data", run / "data", copy_function=shutil.copy2)
        return run

    def start(self, run: Path, *hooks: list[Any], options: tuple[str, ...] = (), log: str = "") -> Child:
        overrides = [f"run={run}", *options]
        args: dict[str, Any] = {"config": str(self.folder / "c.yaml"), "overrides": overrides, "hooks": hooks}
        return self.server.start(TRAIN, run.with_name(f"{run.name}.log"), **args, log=log)

    def finish(self, run: Path, *options: str) -> dict[str, Any]:
        """The same command again, undisturbed; what it leaves."""
        child = self.start(run, options=options)
        assert child.wait() == 0, child.said()
        return outcome(run)


def outcome(run: Path) -> dict[str, Any]:
    """Everything that must be the same: files of numbers byte for byte, the records without their times."""
    (*_, last) = step_folders(run / "checkpoints")
    files = [run / "model" / "model.safetensors", last / "model.safetensors", last / "train.safetensors"]
    files += [folder / "model.safetensors" for folder in step_folders(run / "best")]
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    progress = json.loads((last / "progress.json").read_text("utf-8"))
    return {
        "files": {str(file.relative_to(run)): file.read_bytes() for file in files},
        "metrics": [{key: value for key, value in line.items() if key not in TIMES} for line in metrics],
        "progress": {key: value for key, value in progress.items() if key != "seconds"},
    }


@pytest.fixture(scope="module")
def bench(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "c.yaml").write_text(CONFIG, "utf-8")
    prepare(load_config([folder / "c.yaml"], [f"run={folder / 'prepared'}"]).config)
    return Bench(server, folder)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> dict[str, Any]:
    """What an undisturbed run leaves."""
    return bench.finish(bench.make("whole"))


@pytest.fixture(scope="module")
def disk_calls(bench: Bench) -> list[str]:
    """Every change of the disk in an undisturbed run, in order."""
    log = bench.folder / "calls"
    assert bench.start(bench.make("counted"), log=str(log)).wait() == 0
    return log.read_text("utf-8").splitlines()


PHASES = {
    "start": [("mtkit.train.trainer:Store.newest", 1), ("mtkit.train.trainer:Recorder.__init__", 1)],
    "step": [("mtkit.train.update:Updater._gradient", n) for n in (1, 4, 7, 11)]
    + [("torch.nn.utils:clip_grad_norm_", n) for n in (2, 5, 9, 12)],
    "validation": [("mtkit.engine.native:NativeEngine.decode", n) for n in (1, 2, 3, 4)],
    "exit": [("mtkit.train.trainer:average_weights", 1), ("mtkit.train.monitor:Recorder.close", 1)],
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
    """A call without the name of its run folder and the numbers of processes."""
    return re.sub(r"\d+", "", call.replace(run, "run")).strip()


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


OPTIONS = [
    (),
    ("train.precision=bf16",),
    ("train.micro_batch_tokens=60", "train.ema=0"),
    ("data.mixing=[{until: 4, temperature: 5.0}, {until: 8, weights: [1.0, 0.0]}, {weights: [0.0, 1.0]}]",),
]


@pytest.mark.parametrize(
    "options", [pytest.param(OPTIONS[-1]), *(pytest.param(o, marks=pytest.mark.slow) for o in OPTIONS[:-1])]
)
def test_going_on_from_every_save_point(options: tuple[str, ...], bench: Bench) -> None:
    name = f"points-{OPTIONS.index(options)}"
    run = bench.make(name)
    expected = bench.finish(run, "train.keep_last=99", "train.keep_best=99", *options)
    points = step_folders(run / "checkpoints")
    assert len(points) == 4
    for number, point in enumerate(points[:-1]):
        other = bench.make(f"{name}-{number}")
        for folder in ("checkpoints", "best"):
            shutil.copytree(run / folder, other / folder)
        shutil.copy(run / "metrics.jsonl", other)
        for later in step_folders(other / "checkpoints"):
            if later.name > point.name:
                shutil.rmtree(later)
        found = bench.finish(other, "train.keep_last=99", "train.keep_best=99", *options)
        trial(SAME, struck=True, kept=found == expected, detail=point)
