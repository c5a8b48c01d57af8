"""Small updates: a network, batches of random tokens, and the step that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.data.feed.loader import Cursor, Step, StepData
from mtkit.data.feed.padding import Ids
from mtkit.model.transformer import build_model
from mtkit.train.update import Updater

LENGTHS = ((3, 4), (5, 2), (1, 7), (6, 6), (2, 3), (4, 1))

MODEL = {"d_model": 16, "d_ff": 32, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1}

VOCAB = 20


def make_updater(options: Mapping[str, object] | None = None, **model: object) -> Updater:
    config = ModelConfig.model_validate({**MODEL, "dropout": 0.0, **model})
    optimizer = {"lr": 0.01, "warmup_steps": 0, "schedule": "constant"}
    train = TrainConfig.model_validate({"precision": "fp32", "optimizer": optimizer, **(options or {})})
    network = build_model(config, VOCAB, VOCAB, seed=1).train()
    return Updater(network, train, 1, torch.float32)


def make_pairs(lengths: Sequence[tuple[int, int]] = LENGTHS) -> list[list[Ids]]:
    random = np.random.default_rng(0)
    return [[random.integers(4, VOCAB, pair[side]) for pair in lengths] for side in (0, 1)]


def make_batch(lengths: Sequence[tuple[int, int]] = LENGTHS) -> Batch:
    return collate(*make_pairs(lengths))


def make_step(*batches: Batch) -> StepData:
    return Step(batches, sum(batch.num_tgt_tokens for batch in batches), Cursor(0, 1, 1), 10)
