"""What every way of decoding must keep to, on a small random Transformer."""

from __future__ import annotations

import random
from typing import get_args

import pytest
import torch

from mtkit.config.decode import DecodeConfig
from mtkit.config.model import ModelConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.native import NativeEngine
from mtkit.model.transformer import Transformer, build_model

VOCAB = 24
METHODS = {
    "greedy": DecodeConfig(beam_size=1),
    "beam": DecodeConfig(beam_size=4),
    "beam by sum": DecodeConfig(beam_size=4, length_penalty=0.0),
    "patient beam": DecodeConfig(beam_size=3, patience=2.0),
    "beam by rules": DecodeConfig(beam_size=4, min_len=3, no_repeat_ngram_size=2, repetition_penalty=1.5),
    "diverse beam": DecodeConfig(method="diverse_beam", beam_size=4, diversity_groups=2),
    "samples": DecodeConfig(method="sample", num_samples=4, top_k=12, top_p=0.95, temperature=0.8),
    "samples from all": DecodeConfig(method="sample", num_samples=3),
    "samples by epsilon": DecodeConfig(method="sample", num_samples=4, epsilon_cutoff=0.05, temperature=1.3),
    "samples by rules": DecodeConfig(method="sample", num_samples=2, min_len=4, no_repeat_ngram_size=1),
}


def test_every_method_is_tried() -> None:
    tried = {options.method for options in METHODS.values()}
    # mbr draws as sample does, and chooses among texts.
    assert tried | {"mbr"} == {*get_args(DecodeConfig.model_fields["method"].annotation)}


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


def test_there_are_as_many_as_asked_for_and_the_best_come_first(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    for hyps in NativeEngine(model, "cpu").decode(srcs, options):
        assert len(hyps) == options.width
        if options.method == "beam":
            assert len({hyp.ids for hyp in hyps}) == len(hyps)
        if options.method != "sample":
            assert [hyp.score for hyp in hyps] == sorted((hyp.score for hyp in hyps), reverse=True)


def test_a_given_translation_has_the_score_that_the_search_reported(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    engine = NativeEngine(model, "cpu")
    found = [hyps[-1] for hyps in engine.decode(srcs, options)]
    agree(
        [[hyp] for hyp in found], [[hyp] for hyp in engine.score(srcs, [hyp.ids for hyp in found], options)]
    )


def test_a_prefix_is_kept_and_what_follows_is_searched(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    demands = [Demand(prefix=tuple(range(4, 4 + i % 5)), seed=i) for i in range(len(srcs))]
    for demand, hyps in zip(demands, NativeEngine(model, "cpu").decode(srcs, options, demands), strict=True):
        assert all(hyp.ids[: len(demand.prefix)] == demand.prefix for hyp in hyps)
        assert len(hyps) == options.width


def test_an_ensemble_of_equals_is_that_model(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    alone, thrice = NativeEngine(model, "cpu"), NativeEngine(model, "cpu", others=(model, model))
    agree(alone.decode(srcs, options), thrice.decode(srcs, options))
    targets = srcs[::-1]
    agree([alone.score(srcs, targets, options)], [thrice.score(srcs, targets, options)])


def test_neighbours_and_order_do_not_matter(
    model: Transformer, srcs: list[list[int]], options: DecodeConfig
) -> None:
    engine = NativeEngine(model, "cpu")
    demands = [Demand(seed=line) for line in range(len(srcs))]
    together = engine.decode(srcs, options, demands)
    agree(together, engine.decode(srcs[::-1], options, demands[::-1])[::-1])
    agree(together, [engine.decode([src], options, [own])[0] for src, own in zip(srcs, demands, strict=True)])
    agree(together, engine.decode(srcs, options.model_copy(update={"batch_tokens": 150}), demands))


def test_an_ensemble_averages_probabilities(model: Transformer, srcs: list[list[int]]) -> None:
    other = build_model(model.config, VOCAB, VOCAB, seed=9).eval()
    engine, options = NativeEngine(model, "cpu", others=(other,)), DecodeConfig(beam_size=3)
    for src, hyps in zip(srcs, engine.decode(srcs, options), strict=True):
        src_ids = torch.tensor([[*src, 3]])
        for hyp in hyps:
            tgt_in, tgt_out = torch.tensor([[2, *hyp.ids]]), torch.tensor([*hyp.ids, 3])[:, None]
            with torch.inference_mode():
                probs = [
                    m(src_ids, src_ids >= 0, tgt_in)[0].softmax(-1).gather(1, tgt_out) for m in (model, other)
                ]
            assert hyp.token_scores == pytest.approx(
                ((probs[0] + probs[1]) / 2).log()[:, 0].tolist(), abs=1e-4
            )
