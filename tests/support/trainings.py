"""Whole trainings of seconds, and what they leave."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.model.checkpoint import load_weights
from mtkit.train.trainer import train
from mtkit.train.watch.monitor import Event, Finished, Logged

CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook, pairs: 600}]
  valid: {reader: phrasebook, split: valid, pairs: 30}
tokenizer: {vocab_size: 300, model_type: bpe}
model: {preset: tiny, d_model: 32, d_ff: 64, num_encoder_layers: 1, num_decoder_layers: 1, dropout: 0.2}
train:
  max_steps: 24
  batch_tokens: 400
  precision: fp32
  validate_every: 8
  save_every: 6
  log_every: 4
  tensorboard: false
  optimizer: {lr: 3.0e-3, warmup_steps: 5, schedule: linear}
"""


@dataclass
class Run:
    """A trained run and what it told."""

    config: Config
    finished: Finished
    events: list[Event] = field(default_factory=list)

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def go(folder: Path, *overrides: str) -> Run:
    path = folder / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    config = load_config([path], [f"run={folder / 'run'}", *overrides]).config
    prepare(config)
    events: list[Event] = []
    return Run(config, train(config, open_prepared(config), events.append), events)


class KilledError(Exception):
    """Stands for a kill."""


def go_until(folder: Path, step: int, *overrides: str) -> None:
    """Trains and dies right after the events of `step`."""

    def listen(event: Event) -> None:
        if isinstance(event, Logged) and event.step >= step:
            raise KilledError

    path = folder / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    config = load_config([path], [f"run={folder / 'run'}", *overrides]).config
    prepare(config)
    with pytest.raises(KilledError):
        train(config, open_prepared(config), listen)


def same_weights(first: Path, second: Path) -> bool:
    ours, theirs = load_weights(first), load_weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def metrics(run: Path) -> list[dict[str, float]]:
    timed = ("seconds", "train/tokens_per_s")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key not in timed} for line in lines]
