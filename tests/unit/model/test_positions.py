"""Tables of positions are long enough before a model is compiled; their values are in tests/parity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import collate
from mtkit.model.positions import TABLE_ROWS, RotaryPositions, SinusoidalPositions
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.objective import Objective
from tests.support.updates import MODEL, VOCAB


def tables(model: Transformer) -> list[Tensor]:
    """The buffers of a model; it has no others."""
    return list(model.buffers())


def test_tables_have_room_for_a_thousand_tokens_from_the_start() -> None:
    assert TABLE_ROWS >= 1024
    sinusoidal, rotary = SinusoidalPositions(8), RotaryPositions(8)
    table, cos = sinusoidal.table, rotary.cos
    sinusoidal(0, 1024)
    rotary(1000, 24)
    assert sinusoidal.table is table
    assert rotary.cos is cos


@pytest.mark.parametrize("positions", ["sinusoidal", "rope", "learned"])
@pytest.mark.parametrize("packing", [False, True])
def test_a_compiled_model_never_extends_its_tables(
    positions: str, packing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentences beyond the tables extend them before the compiled function is called."""
    calls: list[list[bool]] = []

    def compile_(features: object, **_: object) -> object:
        def compiled(*args: object) -> Tensor:
            before = tables(model)
            found: Tensor = features(*args)  # type: ignore[operator]
            calls.append([ours is theirs for ours, theirs in zip(before, tables(model), strict=True)])
            return found

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    model = build_model(ModelConfig.model_validate(MODEL | {"positions": positions}), VOCAB, VOCAB, seed=1)
    objective = Objective(model, TrainConfig(compile=True, packing=packing), torch.float32)
    for src_len, tgt_len in ((5, 7), (TABLE_ROWS + 50, 3), (4, 2 * TABLE_ROWS + 200)):
        objective(collate([np.full(src_len, 5)], [np.full(tgt_len, 6)]))
    assert len(calls) == 3
    assert all(map(all, calls))
