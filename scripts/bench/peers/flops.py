"""FLOP of a training step, by formula."""

from __future__ import annotations

import numpy as np

from mtkit.config.model import ModelConfig

FORMULA = """\
FLOP of the forward pass of a pair with S source and T target tokens (with EOS, without padding), counting a
multiplication and an addition as 2; times 3 for forward and backward passes without recomputation:
  encoder layer   S·(8d² + 4df) + 4dS²
  decoder layer   T·(8d² + 4df) + 2dT² (causal: half) + T·4d² + S·4d² + 4dST
  output          T·2d·vocabulary          with d = d_model, f = d_ff"""


def flop_per_token(model: ModelConfig, vocab_size: int, lengths: np.ndarray) -> float:
    """FLOP of training per target token, the mean over pairs; `lengths` [pairs, 2] without EOS."""
    src, tgt = (lengths.astype(np.float64) + 1).T
    d, ff = model.d_model, 4 * model.d_model * model.d_ff
    encoder = src * (8 * d**2 + ff) + 4 * d * src**2
    decoder = tgt * (12 * d**2 + ff) + 2 * d * tgt**2 + src * 4 * d**2 + 4 * d * src * tgt
    output = tgt * 2 * d * vocab_size
    forward = model.num_encoder_layers * encoder + model.num_decoder_layers * decoder + output
    return float(3 * forward.sum() / tgt.sum())
