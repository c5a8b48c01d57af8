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
"""Smallest upper bound of lengths if the number of shapes is limited."""


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A `Batch` without padding.

    Attributes:
        src: sources, including the end of sentence.
        tgt: targets, beginning with BOS.
        tgt_out: [tokens], the tokens that the first tokens of `tgt` predict; any others only fill the row.
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
    """Whether attention can train on packed rows without padding."""
    return not model.attention_dropout and has_kernel(device, dtype, model.d_head)


def is_packing(options: TrainConfig, model: ModelConfig, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a run's batches are computed without padding."""
    if options.packing == "auto":
        return kernel_fits(model, device, dtype) and not options.guided_alignment
    return options.packing


def pack(batch: Batch, passes: int = 1, few_shapes: bool = False) -> PackedBatch:
    """Removes the padding of a batch on the CPU.

    Args:
        batch: the pairs.
        passes: number of copies of the batch, one after the other.
        few_shapes: whether to fill the rows with further sentences, which limits the shapes in an epoch.
    """
    # 1. The tokens of all sentences, [tokens], and the lengths of the sentences, [sentences], for both sides.
    tgt_in = batch.tgt_in.numpy()
    sides = [(batch.src_ids.numpy(), batch.src_mask.numpy()), (tgt_in, tgt_in != Tokenizer.PAD)]
    ids = [np.tile(padded[mask], passes) for padded, mask in sides]
    lengths = [np.tile(mask.sum(1), passes) for _, mask in sides]
    # 2. Upper bounds of the lengths, with further sentences if wanted.
    bounds = [int(length.max()) for length in lengths]
    if few_shapes:
        lengths, bound = _filled(lengths, max(bounds))
        bounds = [bound, bound]
    # 3. One row for each side.
    src, tgt = (_row(*side) for side in zip(ids, lengths, bounds, strict=True))
    return PackedBatch(src, tgt, batch.tgt_out.repeat(passes))


def _row(ids: Ints, lengths: Ints, max_len: int) -> Packed:
    """A row of sentences with these lengths, [sentences]. Tokens beyond `ids` [tokens] are EOS."""
    ends = lengths.cumsum()
    total = int(ends[-1])
    filled = np.full(total, Tokenizer.EOS, np.int64)
    filled[: len(ids)] = ids
    first = np.arange(len(lengths)) * max_len - (ends - lengths)  # [sentences], by how much each moves
    places = np.arange(total) + np.repeat(first, lengths)
    begins = np.concatenate(([0], ends)).astype(np.int32)
    return Packed(torch.from_numpy(filled), torch.from_numpy(places), torch.from_numpy(begins), max_len)


def _filled(lengths: list[Ints], longest: int) -> tuple[list[Ints], int]:
    """The lengths of both sides, each [sentences], with further sentences, and an upper bound of all lengths.

    The bound and the number of sentences become powers of four, since sentences without tokens cost next to
    nothing. The number of tokens is rounded up in steps of 1/32 to 1/16, which adds about 3 %. Each further
    sentence has tokens on both sides or on neither.
    """
    # 1. Round up the bound, and the tokens of each side.
    max_len = max(_SHORTEST, _power_above(longest, 4))
    tokens = [int(side.sum()) for side in lengths]
    grain = max(32, _power_above(max(tokens), 2) // 32)
    extra = [-(total + grain // 8) % grain + grain // 8 for total in tokens]
    # 2. Distribute the extra tokens over as few sentences as can hold them, then add empty sentences.
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
    """The smallest power of `base` that is at least `number`."""
    power = 1
    while power < number:
        power *= base
    return power
