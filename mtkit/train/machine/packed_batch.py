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


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A `Batch` without padding.

    Attributes:
        src: sources, including the end of sentence.
        tgt: targets, beginning with BOS.
        tgt_out: [tokens], the tokens that those of `tgt` predict; none in a batch without targets.
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


def pack(batch: Batch, passes: int = 1) -> PackedBatch:
    """Removes the padding of a batch on the CPU.

    Args:
        batch: the pairs.
        passes: number of copies of the batch, one after the other.
    """
    # 1. The tokens of all sentences, [tokens], and the lengths of the sentences, [sentences], for both sides.
    tgt_in = batch.tgt_in.numpy()
    sides = [(batch.src_ids.numpy(), batch.src_mask.numpy()), (tgt_in, tgt_in != Tokenizer.PAD)]
    ids = [np.tile(padded[mask], passes) for padded, mask in sides]
    lengths = [np.tile(mask.sum(1), passes) for _, mask in sides]
    # 2. One row for each side.
    src, tgt = (_row(*side) for side in zip(ids, lengths, strict=True))
    return PackedBatch(src, tgt, batch.tgt_out.repeat(passes))


def _row(ids: Ints, lengths: Ints) -> Packed:
    """The row of sentences with these ids, [tokens], and lengths, [sentences]."""
    ends, max_len = lengths.cumsum(), int(lengths.max())
    first = np.arange(len(lengths)) * max_len - (ends - lengths)  # [sentences], by how much each moves
    places = np.arange(len(ids)) + np.repeat(first, lengths)
    begins = np.concatenate(([0], ends)).astype(np.int32)
    return Packed(torch.from_numpy(ids), torch.from_numpy(places), torch.from_numpy(begins), max_len)
