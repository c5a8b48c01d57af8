"""prepare is killed at every stage, and the same command makes it good."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mtkit.config.schema import Config
from mtkit.data.prepare import is_prepared, open_prepared, prepare
from tests.faults.conftest import mostly_slow

KILLED_AT = """
import os, signal, sys
from mtkit.config.schema import Config
from mtkit.data.prepare import prepare

def progress(phase, done, total):
    if phase.startswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

prepare(Config.model_validate_json(sys.argv[2]), progress, force=sys.argv[3] == "True")
"""


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
        "data": {"src_lang": "en", "tgt_lang": "fr", "train": [sources["train"]], "valid": sources["valid"]},
        "tokenizer": {"vocab_size": 60, "num_threads": 1},
    }
    return Config.model_validate_json(json.dumps(values))


PHASES = ["reading train", "training the tokenizer", "encoding the validation"]


@pytest.mark.parametrize("phase", mostly_slow(PHASES, PHASES[1:2]))
@pytest.mark.parametrize("had_before", [False, True])
def test_killed(phase: str, had_before: bool, tmp_path: Path) -> None:
    config = make(tmp_path)
    if had_before:
        prepare(config)
    command = [sys.executable, "-c", KILLED_AT, phase, config.model_dump_json(), str(had_before)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list(config.run.glob(".tmp-data-*")), "the fault came too late or too early"
    assert is_prepared(config) is had_before
    assert prepare(config, force=had_before).train_pairs == 50
    assert len(open_prepared(config).train[0]) == 50
    assert not list(config.run.rglob(".tmp-*"))
