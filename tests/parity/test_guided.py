"""Guided alignment: the attention is what torch computes, the loss the formula's, and it is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, collate
from mtkit.data.feed.loader import Cursor, Step
from mtkit.data.prepare.align import learn_aligner
from mtkit.model.transformer import Transformer, build_model
from mtkit.train.losses.guided import Guide
from mtkit.train.objective import Objective
from mtkit.train.update import Updater

VOCAB = 60
SIZES = {"d_model": 16, "d_ff": 32, "num_heads": 4, "num_encoder_layers": 1, "dropout": 0.0}


def corpus() -> list[tuple[np.ndarray, np.ndarray]]:
    """Target word w + 25 stands for source word w; the first two words change places."""
    random = np.random.default_rng(0)
    words = np.arange(4, 29)
    srcs = [random.choice(words, random.integers(1, 7), replace=False) for _ in range(200)]
    return [(src, src[_places(len(src))] + 25) for src in srcs]


def _places(length: int) -> list[int]:
    """Of each target word, where its source word stands."""
    return [1, 0, *range(2, length)][:length] if length > 1 else [0]


def batch_of(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    return collate([src for src, _ in pairs], [tgt for _, tgt in pairs])


def guided(layers: int = 3, options: dict[str, object] | None = None) -> tuple[Transformer, Guide]:
    config = ModelConfig.model_validate({**SIZES, "num_decoder_layers": layers, **(options or {})})
    model = build_model(config, VOCAB, VOCAB, seed=1).train()
    return model, Guide(model, learn_aligner(corpus(), VOCAB, VOCAB))


@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 2}, {"bias": "none"}, {"positions": "rope"}])
def test_loss_and_attention_are_those_of_torch(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, guide = guided(options=options)
    batch = batch_of(corpus()[:5])
    seen: list[tuple[Tensor, Tensor, Tensor | None]] = []
    attention = F.scaled_dot_product_attention

    def spy(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *rest: object) -> Tensor:
        seen.append((q, k, mask))
        return attention(q, k, v, mask, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    model.features(batch.src_ids, batch.src_mask, batch.tgt_in)
    targets = guide.targets(batch)
    ours = guide.loss(targets)
    # Calls: one of the encoder; of each decoder layer one to itself, one to the source.
    q, k, mask = seen[1 + 2 * 1 + 1]
    assert mask is not None
    rows = batch.tgt_in.shape[1]
    scores = q[:, 0, :rows] @ k[:, 0].transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask[:, 0], -torch.inf).softmax(-1)
    expected = -torch.xlogy(targets, weights).sum()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)


def test_targets_are_the_alignment() -> None:
    _, guide = guided()
    pairs = corpus()[:20]
    batch = batch_of(pairs)
    targets = guide.targets(batch)
    assert targets.shape == (*batch.tgt_in.shape, batch.src_ids.shape[1])
    right = total = 0
    for number, (src, tgt) in enumerate(pairs):
        assert not targets[number, len(tgt) :].any()  # the end of the sentence has no counterpart
        assert not targets[number, :, len(src) :].any()
        for place in range(len(tgt)):
            total += 1
            right += int(targets[number, place].argmax()) == _places(len(src))[place] and bool(
                targets[number, place].any()
            )
    assert right > 0.9 * total


def test_the_head_learns_it_and_the_term_has_its_weight() -> None:
    model, guide = guided(layers=2)
    options = TrainConfig.model_validate(
        {"guided_alignment": 0.5, "optimizer": {"lr": 0.01, "warmup_steps": 0, "schedule": "constant"}}
    )
    updater = Updater(model, options, 1, torch.float32)
    updater.objective.guide = guide
    batch = batch_of(corpus()[:60])
    loss, sums = updater.objective(batch)
    plain = Objective(model, TrainConfig(), torch.float32)(batch)[0]
    torch.testing.assert_close(loss, plain + 0.5 * sums["guided_alignment"], rtol=1e-5, atol=1e-3)
    step = Step((batch,), batch.num_tgt_tokens, Cursor(0, 1, 1), 1)
    told = [float(updater(step, number, 0.01).sums["guided_alignment"]) for number in range(1, 61)]
    assert told[-1] < 0.5 * told[0]
