"""What every way of decoding must keep to, on a small random Transformer."""

from __future__ import annotations

import random

import pytest
import torch

from mtkit.config.model import ModelConfig
from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Hypothesis
from mtkit.engine.native import NativeEngine
from mtkit.model.transformer import Transformer, build_model

VOCAB = 24
METHODS = {
    "greedy": DecodeConfig(beam_size=1),
    "beam": DecodeConfig(beam_size=4),
    "beam by sum": DecodeConfig(beam_size=4, length_penalty=0.0),
}


@pytest.fixture(scope="module")
def model() -> Transformer:
    """Weights that make each source its own distribution, so that a mix-up shows."""
    config = ModelConfig(preset="tiny", d_model=32, d_ff=64, num_encoder_layers=2, num_decoder_layers=2)
    model = build_model(config, VOCAB, VOCAB, seed=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.7)
    return model.eval()


@pytest.fixture(scope="module")
def srcs() -> list[list[int]]:
    draw = random.Random(5)
    return [[draw.randrange(4, VOCAB) for _ in range(draw.randrange(0, 15))] for _ in range(16)]


@pytest.fixture(params=METHODS)
def options(request: pytest.FixtureRequest) -> DecodeConfig:
    return METHODS[request.param]


def agree(first: list[list[Hypothesis]], second: list[list[Hypothesis]]) -> None:
    """Equal ids, and scores within what fp32 sums in another order may differ by."""
    for hyps, others in zip(first, second, strict=True):
        assert [hyp.ids for hyp in hyps] == [hyp.ids for hyp in others]
        assert [hyp.score for hyp in hyps] == pytest.approx([hyp.score for hyp in others], abs=1e-4)


def test_scores_equal_rescoring(model: Transformer, srcs: list[list[int]], options: DecodeConfig) -> None:
    for src, hyps in zip(srcs, NativeEngine(model, "cpu").decode(srcs, options), strict=True):
        src_ids = torch.tensor([[*src, 3]])
        for hyp in hyps:
            with torch.inference_mode():
                logits = model(
                    src_ids, torch.ones_like(src_ids, dtype=torch.bool), torch.tensor([[2, *hyp.ids]])
                )
            expected = logits[0].log_softmax(-1).gather(1, torch.tensor([*hyp.ids, 3])[:, None])[:, 0]
            assert hyp.token_scores == pytest.approx(expected.tolist(), abs=1e-4)
            length = len(hyp.ids) + 1
            assert hyp.score == pytest.approx(
                expected.sum().item() / length**options.length_penalty, abs=1e-3
            )


def test_best_come_first_and_differ(model: Transformer, srcs: list[list[int]], options: DecodeConfig) -> None:
    for hyps in NativeEngine(model, "cpu").decode(srcs, options):
        assert len({hyp.ids for hyp in hyps}) == len(hyps) == options.beam_size
        assert [hyp.score for hyp in hyps] == sorted((hyp.score for hyp in hyps), reverse=True)


def test_neighbours_and_order_do_not_matter(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    engine = NativeEngine(model, "cpu")
    together = engine.decode(srcs, options)
    agree(together, engine.decode(srcs[::-1], options)[::-1])
    agree(together, [engine.decode([src], options)[0] for src in srcs])
    agree(together, engine.decode(srcs, options.model_copy(update={"batch_tokens": 150})))
