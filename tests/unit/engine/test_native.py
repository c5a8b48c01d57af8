from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from mtkit.config.decode import DecodeConfig
from mtkit.config.model import ModelConfig
from mtkit.engine.interface import Precision
from mtkit.engine.native import NativeEngine, choose_device
from mtkit.errors import UsageError
from mtkit.model.transformer import Transformer, build_model

CONFIG = ModelConfig(preset="tiny", d_model=32, d_ff=64, num_encoder_layers=1, num_decoder_layers=1)
SRCS = [[random.Random(i).randrange(4, 40) for _ in range(i)] for i in range(12)]


@pytest.fixture
def model() -> Transformer:
    return build_model(CONFIG, 40, 40, seed=1)


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(UsageError, match="gpu: unknown"):
        choose_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_a_gpu_never_plans_attention_with_cudnn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_enabled: Callable[[], bool] = torch.backends.cuda.cudnn_sdp_enabled
    before = is_enabled()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        choose_device("cpu")
        assert is_enabled()
        choose_device(name)
        assert not is_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_a_model_in_training_is_decoded_without_dropout_and_goes_on_training(model: Transformer) -> None:
    options = DecodeConfig(beam_size=2)
    expected = NativeEngine(model.eval(), "cpu").decode(SRCS, options)
    assert NativeEngine(model.train(), "cpu").decode(SRCS, options) == expected
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_every_precision_decodes(model: Transformer, precision: Precision) -> None:
    hyps = NativeEngine(model, "cpu", precision).decode(SRCS, DecodeConfig(beam_size=2))
    assert [len(found) for found in hyps] == [2] * len(SRCS)


def test_scores_in_bf16_are_not_rounded_once_more_by_the_projection_to_logits(model: Transformer) -> None:
    with torch.no_grad():
        model.output.weight.mul_(4)  # larger logits, as trained models have them
    engine, options = NativeEngine(model.eval(), "cpu", "bf16"), DecodeConfig(beam_size=1)
    found = [hyps[0] for hyps in engine.decode(SRCS, options)]
    scored = engine.score(SRCS, [hyp.ids for hyp in found], options)
    weight = model.output.weight.detach().double()
    for src, hyp, again in zip(SRCS, found, scored, strict=True):
        src_ids, tgt_in = torch.tensor([[*src, 3]]), torch.tensor([[2, *hyp.ids]])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            features = model.features(src_ids, src_ids >= 0, tgt_in)[0]
        log_probs = (features.double() @ weight.T).log_softmax(dim=-1)
        expected = log_probs.gather(1, torch.tensor([*hyp.ids, 3])[:, None])[:, 0].tolist()
        assert again.token_scores == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_scores_in_bf16_are_those_in_fp32(seed: int) -> None:
    config = ModelConfig(preset="tiny", d_model=64, d_ff=256, num_encoder_layers=2, num_decoder_layers=2)
    model = build_model(config, 500, 500, seed).eval()
    draw, options = random.Random(seed), DecodeConfig()
    srcs, tgts = ([[draw.randrange(4, 500) for _ in range(12)] for _ in range(8)] for _ in range(2))
    exact, rounded = (
        NativeEngine(model, "cpu", name).score(srcs, tgts, options) for name in ("fp32", "bf16")
    )
    assert [hyp.score for hyp in rounded] == pytest.approx([hyp.score for hyp in exact], abs=5e-3)


@pytest.mark.gpu
def test_a_gpu_gives_what_a_cpu_gives(model: Transformer) -> None:
    options = DecodeConfig(beam_size=3)
    on_cpu = NativeEngine(model, "cpu", "fp32").decode(SRCS, options)
    on_gpu = NativeEngine(model, "cuda", "fp32").decode(SRCS, options)
    assert [[hyp.ids for hyp in hyps] for hyps in on_gpu] == [[hyp.ids for hyp in hyps] for hyps in on_cpu]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16", "auto"])
def test_every_precision_decodes_on_a_gpu(model: Transformer, precision: Precision) -> None:
    hyps = NativeEngine(model, "cuda", precision).decode(SRCS, DecodeConfig(beam_size=2))
    assert [len(found) for found in hyps] == [2] * len(SRCS)
