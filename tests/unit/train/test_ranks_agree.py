"""Ranks that train together stay equal, bit for bit, whatever their clocks say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from tests.support.ranks import run_ranks
from tests.support.trainings import CONFIG

# Each reading of the clock takes a while, which is longer on rank 1.
TRAINED = """
import hashlib, json, sys, time
from pathlib import Path
from mtkit.config.load import load_config
from mtkit.data.prepare.prepared import open_prepared
from mtkit.model.checkpoint import weights_of
from mtkit.train.machine.distributed import join_world
from mtkit.train.trainer import Trainer
from mtkit.train.update import Updater

made, update = [], Updater.__call__

def recorded(self, data, step, lr):
    found = update(self, data, step, lr)
    digest = hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights_of(self.model).values()))
    made.append([step, lr, digest.hexdigest()])
    return found

Updater.__call__ = recorded
config = load_config([Path("c.yaml")], sys.argv[1:]).config
with join_world() as world:
    now, tick = 0.0, 0.05 + 0.02 * world.rank
    def clock():
        global now
        now += tick
        return now
    trainer = Trainer(config, open_prepared(config), lambda event: None, lambda: False, world)
    time.monotonic = clock
    finished = trainer.run()
    print(json.dumps({"made": made, "reason": finished.reason, "seconds": trainer.progress.seconds}))
"""

# A batch is a few sentences, so each rank has several.
VALIDATED = """
import json, sys, torch
from pathlib import Path
from mtkit.config.load import load_config
from mtkit.data.prepare.prepared import open_prepared
from mtkit.engine.native import NativeEngine
from mtkit.model.transformer import build_model
from mtkit.train import validate
from mtkit.train.machine.distributed import World, join_world

validate._PAIRS_ON_CPU, validate._SAMPLES = 4, 1000
decode, calls = NativeEngine.decode, []
NativeEngine.decode = lambda self, ids, *rest: (calls.append(len(ids)), decode(self, ids, *rest))[1]
config = load_config([Path("c.yaml")], sys.argv[1:]).config
prepared = open_prepared(config)
size = prepared.tokenizer.tgt.size
model = build_model(config.model, size, size, seed=3).train()
with join_world() as world:
    validator = validate.Validator(config, prepared, torch.device("cpu"), torch.float32)
    alone = validator(model, 0)
    ours = len(calls)
    shared = validator(model, 0, world=world)
    stopped = validator.on_all(model, 0, lambda: world.rank == 1, world)
    found = {"same": shared == alone, "alone": ours, "shared": len(calls) - ours}
    found |= {"stopped": stopped, "samples": len(shared.samples), "training": model.training}
    print(json.dumps(found))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CONFIG.replace("pairs: 30", "pairs: 18"), "utf-8")
    prepare(load_config([tmp_path / "c.yaml"], [f"run={tmp_path / 'run'}"]).config)
    return tmp_path


def told(program: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    """What each of two ranks printed."""
    done = run_ranks(2, ["-c", program, f"run={folder / 'run'}", *options], folder)
    assert [rank.returncode for rank in done] == [0, 0], done[0].stderr + done[1].stderr
    return [json.loads(rank.stdout) for rank in done]


def test_all_go_by_one_clock(folder: Path) -> None:
    budget = ("train.max_steps=null", "train.max_time=6", "train.optimizer.warmup_steps=0")
    ours, theirs = told(TRAINED, folder, *budget, "train.save_every=3", "train.validate_every=1000")
    assert ours == theirs
    assert ours["reason"].startswith("time limit")
    rates = [rate for _, rate, _ in ours["made"]]
    assert len(rates) > 6
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.2 * rates[0]


def test_ranks_share_a_validation_and_get_the_result_of_one(folder: Path) -> None:
    """Loss, scores and every translation are equal, and one rank that is asked to stop stops both."""
    ours, theirs = told(VALIDATED, folder, "train.batch_tokens=60")
    expected = {"same": True, "alone": 5, "stopped": None, "samples": 18, "training": True}
    assert ours == {**expected, "shared": 4}  # one of them before it knew of the stop
    assert theirs == {**expected, "shared": 2}
