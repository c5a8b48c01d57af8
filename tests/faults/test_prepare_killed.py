"""prepare is killed at any time, and the same command ends with the same bytes."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path

import pytest

from mtkit.config.schema import Config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import is_prepared, open_prepared
from mtkit.disk.lock import HOLDER, LOCK
from mtkit.runs.layout import DATA_LOCK
from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

SAME = "prepare interrupted at any moment, same command again: the same bytes"
PREPARE = "tests.support.faults.trials:prepare_and_die"
PHASES = [
    "reading train",
    "reading valid",
    "training the tokenizer",
    "encoding train",
    "encoding the validation",
]


def make(folder: Path) -> Config:
    for name in ("train", "valid"):
        for side in ("src", "tgt"):
            lines = [f"{name} sentence {n} of the {side} side\n" for n in range(50)]
            (folder / f"{name}.{side}").write_text("".join(lines))
    sources = {
        name: {"reader": "plain", "src": str(folder / f"{name}.src"), "tgt": str(folder / f"{name}.tgt")}
        for name in ("train", "valid")
    }
    values = {
        "run": str(folder / "run"),
        "data": {
            "src_lang": "en",
            "tgt_lang": "fr",
            "train": [sources["train"]],
            "valid": sources["valid"],
            "test": {"held_out": sources["valid"]},
        },
        "tokenizer": {"vocab_size": 60, "num_threads": 1},
    }
    return Config.model_validate_json(json.dumps(values))


def in_run(config: Config, name: str) -> Config:
    return config.model_copy(update={"run": config.run.with_name(name)})


def content(run: Path) -> dict[str, bytes]:
    """Every file of the prepared data; nothing may be left beside it but the parts and the lock."""
    assert {path.name for path in run.iterdir()} <= {"data", "parts", DATA_LOCK, LOCK, HOLDER, ".mtkit"}
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in (run / "data").rglob("*")
        if path.is_file() and path.name != ".mtkit"
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make(tmp_path_factory.mktemp("prepare"))


@pytest.fixture(scope="module")
def whole(config: Config) -> dict[str, bytes]:
    """What an undisturbed call leaves."""
    prepare(config)
    return content(config.run)


@pytest.mark.parametrize("phase", mostly_slow(PHASES, PHASES[2:3]))
@pytest.mark.parametrize("had_before", [False, True])
def test_killed_in_a_stage(
    phase: str, had_before: bool, config: Config, whole: dict[str, bytes], server: ForkServer, tmp_path: Path
) -> None:
    config = in_run(config, f"{phase}-{had_before}")
    if had_before:
        prepare(config)
    args = {"config": config.model_dump_json(), "force": had_before, "phase": phase}
    child = server.start(PREPARE, tmp_path / "log", **args)
    struck = child.wait() == -signal.SIGKILL and bool(list(config.run.glob(".tmp-data-*")))
    kept = is_prepared(config) is had_before
    assert prepare(config, force=had_before).train_pairs == len(open_prepared(config).train[0]) == 50
    trial(SAME, struck=struck, kept=kept and content(config.run) == whole, detail=(phase, child.said()))


@pytest.mark.parametrize("count", mostly_slow((4, 20), [4]))
def test_killed_at_calls_that_change_the_disk(
    count: int, config: Config, whole: dict[str, bytes], server: ForkServer, tmp_path: Path
) -> None:
    """Each is killed up to three times before it may end."""
    args = {"config": config.model_dump_json(), "force": False}
    log = tmp_path / "calls"
    counted = {**args, "config": in_run(config, f"counted-{count}").model_dump_json()}
    assert server.start(PREPARE, tmp_path / "log", **counted, log=str(log)).wait() == 0
    calls, rng = len(log.read_text().splitlines()), random.Random(count)
    assert calls > 30
    for number in range(count):
        own = in_run(config, f"killed-{count}-{number}")
        killed = []
        for turn in range(1 + number % 3):
            marker = tmp_path / f"{number}-{turn}.struck"
            at = rng.randrange(1, calls + 1 if turn == 0 else calls // 3)
            args = {"config": own.model_dump_json(), "force": False, "at": at, "marker": str(marker)}
            child = server.start(PREPARE, tmp_path / "log", **args)
            killed.append(child.wait() == -signal.SIGKILL and marker.exists())
        prepare(own)
        # A later one may have come too late: there was less left to do.
        trial(SAME, struck=killed[0], kept=content(own.run) == whole, detail=(number, at, killed))
        shutil.rmtree(own.run)
