"""The formula by which scripts/bench/train counts arithmetic, against torch's own count."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtkit.config.model import ModelConfig
from mtkit.model.transformer import build_model
from tests.support.corpora import REPOSITORY


def load_flops() -> Any:
    path = REPOSITORY / "scripts" / "bench" / "peers" / "flops.py"
    spec = importlib.util.spec_from_file_location("flops", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_formula_counts_what_torch_counts() -> None:
    config = ModelConfig.model_validate(
        {"preset": "tiny", "d_model": 64, "d_ff": 128, "num_encoder_layers": 2, "num_decoder_layers": 3}
    )
    vocab, batch, src_len, tgt_len = 100, 4, 12, 9
    model = build_model(config, vocab, vocab, 1)
    src, tgt = torch.randint(4, vocab, (batch, src_len)), torch.randint(4, vocab, (batch, tgt_len))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(src, torch.ones_like(src, dtype=torch.bool), tgt).sum().backward()
    lengths = np.full((batch, 2), (src_len - 1, tgt_len - 1))
    # torch also counts the half of the products that the causal mask hides.
    hidden = 3 * config.num_decoder_layers * 2 * config.d_model * tgt_len
    counted = counter.get_total_flops() / (batch * tgt_len)
    assert load_flops().flop_per_token(config, vocab, lengths) + hidden == pytest.approx(counted)
