"""SimCut (Gao et al. 2022): predictions should not change when a few tokens lose their embeddings.

The loss is that of one pass, plus α · KL(p‖q) of its predictions p and those of a second pass, q, in which
some tokens are cut. As in the paper, the gradient reaches both passes. As in its authors' code, the embedding
of a cut token is zero, its position stays, and ends of sources and beginnings of targets are never cut.
"""

from __future__ import annotations

import numpy as np
import torch

from mtkit.data.feed.batch import Batch, on_device
from mtkit.model.transformer import Kept
from mtkit.text.tokenizer import Tokenizer


class TokenCutoff:
    """Draws the tokens of the second pass over a batch that lose their embeddings."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.reseed(0)

    def reseed(self, *key: int) -> None:
        """Makes all later draws a function of `key`, such as (seed, step)."""
        self._random = np.random.Generator(np.random.SFC64(list(key)))

    def draw(self, batch: Batch, packing: bool, device: torch.device) -> Kept:
        """The tokens that keep their embeddings, in two passes over a batch on the CPU: all in the first.

        The draws are the same with and without padding.

        Args:
            batch: the pairs.
            packing: whether they are computed without padding: [2 · tokens], not [2 · batch, length].
            device: of the result.
        """
        is_first = torch.zeros_like(batch.tgt_in, dtype=torch.bool)
        is_first[:, 0] = True
        src = self._draw(batch.src_ids == Tokenizer.EOS)
        tgt = self._draw(is_first)
        if packing:
            src, tgt = src[batch.src_mask], tgt[batch.tgt_in != Tokenizer.PAD]
        return Kept(*(on_device(torch.cat((torch.ones_like(side), side)), device) for side in (src, tgt)))

    def _draw(self, always: torch.Tensor) -> torch.Tensor:
        """True with probability 1 - p, and where `always` is, in the same shape."""
        return torch.from_numpy(self._random.random(always.shape) >= self.probability) | always
