"""Batches without padding: when they are used, and how they are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig
from mtkit.data.feed.batch import Batch, on_device
from mtkit.model.packing import Packed, has_kernel
from mtkit.text.tokenizer import Tokenizer

Ints = npt.NDArray[np.int64]

_SHORTEST = 64
"""Least bound of the lengths where shapes are few."""


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """What `Batch` has, without padding.

    Attributes:
        src: sources, the end of sentence included.
        tgt: targets, beginning with BOS.
        tgt_out: [tokens], what the first of `tgt` predict; the others only fill the row.
    """

    src: Packed
    tgt: Packed
    tgt_out: Tensor

    def to(self, device: torch.device) -> PackedBatch:
        """The same batch on `device`."""
        return PackedBatch(_to(self.src, device), _to(self.tgt, device), on_device(self.tgt_out, device))


def _to(row: Packed, device: torch.device) -> Packed:
    ids, places, begins = (on_device(tensor, device) for tensor in (row.ids, row.places, row.begins))
    return Packed(ids, places, begins, row.max_len)


def kernel_fits(model: ModelConfig, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention over packed rows needs no padding in training."""
    return not model.attention_dropout and has_kernel(device, dtype, model.d_head)


def is_packing(options: TrainConfig, model: ModelConfig, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a run's batches are computed without padding."""
    if options.packing == "auto":
        return kernel_fits(model, device, dtype) and not options.guided_alignment
    return options.packing


def pack(batch: Batch, passes: int = 1, few_shapes: bool = False) -> PackedBatch:
    """A batch on the CPU without padding.

    Args:
        batch: the pairs.
        passes: how often each comes, one pass after the other.
        few_shapes: fill the rows up with sentences that nobody asks for, so that an epoch has few shapes.
    """
    sides = [(batch.src_ids.numpy(), batch.src_mask.numpy())]
    tgt_in = batch.tgt_in.numpy()
    sides.append((tgt_in, tgt_in != Tokenizer.PAD))
    ids = [np.tile(padded[mask], passes) for padded, mask in sides]
    lengths = [np.tile(mask.sum(1), passes) for _, mask in sides]
    bounds = [int(length.max()) for length in lengths]
    if few_shapes:
        lengths, bound = _filled(lengths, max(bounds))
        bounds = [bound, bound]
    src, tgt = (_row(*side) for side in zip(ids, lengths, bounds, strict=True))
    return PackedBatch(src, tgt, batch.tgt_out.repeat(passes))


def _row(ids: Ints, lengths: Ints, max_len: int) -> Packed:
    ends = lengths.cumsum()
    total = int(ends[-1])
    filled = np.full(total, Tokenizer.EOS, np.int64)
    filled[: len(ids)] = ids
    first = np.arange(len(lengths)) * max_len - (ends - lengths)
    places = np.arange(total) + np.repeat(first, lengths)
    begins = np.concatenate(([0], ends)).astype(np.int32)
    return Packed(torch.from_numpy(filled), torch.from_numpy(places), torch.from_numpy(begins), max_len)


def _filled(lengths: list[Ints], longest: int) -> tuple[list[Ints], int]:
    """The lengths of both sides with those of further sentences, and a bound of all.

    The bound and the number of sentences are powers of four: sentences without tokens cost next to nothing.
    Tokens are a multiple of a 16th to a 32nd of their number, which adds some 3 %. Each further sentence has
    tokens on both sides or on none.
    """
    max_len = max(_SHORTEST, _power_above(longest, 4))
    tokens = [int(side.sum()) for side in lengths]
    grain = max(32, _power_above(max(tokens), 2) // 32)
    extra = [-(total + grain // 8) % grain + grain // 8 for total in tokens]
    further = -(-max(extra) // max_len)
    sentences = _power_above(len(lengths[0]) + further, 4)
    filled = []
    for side, rest in zip(lengths, extra, strict=True):
        shares = np.full(further, rest // further)
        shares[: rest % further] += 1
        empty = np.zeros(sentences - len(side) - further, np.int64)
        filled.append(np.concatenate((side, shares, empty)))
    return filled, max_len


def _power_above(number: int, base: int) -> int:
    """The least power of `base` that is no less."""
    power = 1
    while power < number:
        power *= base
    return power
