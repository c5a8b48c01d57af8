"""Tiny trainings that faults strike, and what must be the same after them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtkit.model.checkpoint import step_folders
from tests.support.faults.server import Child, ForkServer

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
TRAIN = "tests.support.faults.trials:train"
# Calls at which a fault may strike. A run of `CONFIG` computes thirteen gradients: the first is a rehearsal.
GRADIENT, DECODE = "mtkit.train.objective:Objective.__call__", "mtkit.engine.native:NativeEngine.decode"
RENAME, REMOVE = "mtkit.disk.calls:rename", "mtkit.disk.calls:remove_file"
PREPARED, NEWEST = "mtkit.data.prepare.prepared:open_prepared", "mtkit.train.store:Store.newest"
TIMES = ("seconds", "train/tokens_per_s")


@dataclass
class Bench:
    """Where trials are made, and what comes of a training that nothing disturbs."""

    server: ForkServer
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def make(self, name: str) -> Path:
        """A run folder with nothing but the prepared data, in a new folder: names may come again."""
        run = self.folder / f"{next(self._numbers)}" / name
        copy_prepared(self.folder / "prepared", run)
        return run

    def start(self, run: Path, *hooks: list[Any], options: tuple[str, ...] = (), log: str = "") -> Child:
        overrides = [f"run={run}", *options]
        args: dict[str, Any] = {"config": str(self.folder / "c.yaml"), "overrides": overrides, "hooks": hooks}
        return self.server.start(TRAIN, run.with_name(f"{run.name}.log"), **args, log=log)

    def command(self, run: Path, *overrides: str, **hooks: Any) -> Child:
        """The command line `mtkit train`, after each of `hooks`, functions of `trials`, was called."""
        argv = ("train", "c.yaml", f"run={run}", *overrides)
        return self.server.mtkit(*argv, log=run.with_name(f"{run.name}.log"), cwd=self.folder, **hooks)

    def finish(self, run: Path, *options: str) -> dict[str, Any]:
        """The same command again, undisturbed; what it leaves."""
        child = self.start(run, options=options)
        assert child.wait() == 0, child.said()
        return outcome(run)


def copy_prepared(prepared: Path, run: Path) -> None:
    """Makes a run folder with nothing but the prepared data of another one."""
    shutil.copytree(prepared / "data", run / "data", copy_function=shutil.copy2)
    shutil.copy2(prepared / ".mtkit", run)


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
