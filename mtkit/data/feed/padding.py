"""Pads sequences of ids to one length. Does not use torch: the process that makes batches does without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mtkit.text.tokenizer import Tokenizer

Ids = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class PaddedPairs:
    """The fields of a `Batch`, as arrays."""

    src_ids: npt.NDArray[np.int64]
    src_mask: npt.NDArray[np.bool_]
    tgt_in: npt.NDArray[np.int64]
    tgt_out: npt.NDArray[np.int64]
    tgt_rows: npt.NDArray[np.int64]
    num_tgt_tokens: int

    def without_targets(self) -> PaddedPairs:
        """The same pairs without targets to predict: they are computed, but their loss and gradient are 0."""
        return replace(self, tgt_out=self.tgt_out[:0], tgt_rows=self.tgt_rows[:0], num_tgt_tokens=0)


def padded_sources(
    srcs: Sequence[Sequence[int] | Ids],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Ids [batch, src_len] with EOS after each source, and the mask of real tokens."""
    lengths = np.fromiter((len(src) + 1 for src in srcs), np.int64, len(srcs))
    ids = np.full((len(srcs), int(lengths.max())), Tokenizer.PAD, np.int64)
    for row, src in enumerate(srcs):
        ids[row, : len(src)] = src
        ids[row, len(src)] = Tokenizer.EOS
    return ids, np.arange(ids.shape[1]) < lengths[:, None]


def padded_pairs(srcs: Sequence[Ids], tgts: Sequence[Ids]) -> PaddedPairs:
    """Pads these pairs, in this order, and adds BOS and EOS."""
    src_ids, src_mask = padded_sources(srcs)
    lengths = np.fromiter((len(tgt) + 1 for tgt in tgts), np.int64, len(tgts))
    tgt_in = np.full((len(tgts), int(lengths.max())), Tokenizer.PAD, np.int64)
    tgt_out = np.full_like(tgt_in, Tokenizer.PAD)
    tgt_in[:, 0] = Tokenizer.BOS
    for row, tgt in enumerate(tgts):
        tgt_in[row, 1 : len(tgt) + 1] = tgt
        tgt_out[row, : len(tgt)] = tgt
        tgt_out[row, len(tgt)] = Tokenizer.EOS
    rows = np.flatnonzero(np.arange(tgt_in.shape[1]) < lengths[:, None])  # [tokens], in [batch · tgt_len]
    return PaddedPairs(src_ids, src_mask, tgt_in, tgt_out.reshape(-1)[rows], rows, int(lengths.sum()))
