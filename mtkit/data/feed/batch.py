"""A batch of pairs as tensors, ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtkit.data.feed.padding import Ids, PaddedPairs, padded_pairs, padded_sources


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded ids of some pairs: a value, without sorting, shuffling or loss.

    Attributes:
        src_ids: [batch, src_len], EOS at the end of each source.
        src_mask: [batch, src_len], true = real token.
        tgt_in: [batch, tgt_len], BOS and the target.
        tgt_out: [tokens], each target and EOS, one sentence after the other, without padding.
        tgt_rows: [tokens], where in the flattened [batch · tgt_len] each of `tgt_out` is predicted.
        num_tgt_tokens: length of `tgt_out`.
    """

    src_ids: Tensor
    src_mask: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    tgt_rows: Tensor
    num_tgt_tokens: int

    @classmethod
    def of(cls, pairs: PaddedPairs) -> Batch:
        """The batch of `pairs`, sharing the memory of their arrays."""
        return cls(
            torch.from_numpy(pairs.src_ids),
            torch.from_numpy(pairs.src_mask),
            torch.from_numpy(pairs.tgt_in),
            torch.from_numpy(pairs.tgt_out),
            torch.from_numpy(pairs.tgt_rows),
            pairs.num_tgt_tokens,
        )

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(
            on_device(self.src_ids, device),
            on_device(self.src_mask, device),
            on_device(self.tgt_in, device),
            on_device(self.tgt_out, device),
            on_device(self.tgt_rows, device),
            self.num_tgt_tokens,
        )

    def split(self, parts: int) -> list[Batch]:
        """The same pairs in at most `parts` batches of about equal size, each padded only as needed."""
        if parts == 1 or len(self.src_ids) == 1:
            return [self]
        pairs = -(-len(self.src_ids) // parts)
        return [self._pairs(begin, begin + pairs) for begin in range(0, len(self.src_ids), pairs)]

    def _pairs(self, begin: int, end: int) -> Batch:
        """The pairs from `begin` to `end`, padded only as needed."""
        # 1. The part of `tgt_out` that belongs to these pairs, and its places in [pairs · tgt_len].
        mask, tgt_len = self.src_mask[begin:end], self.tgt_in.shape[1]
        edges = torch.tensor([begin, begin + len(mask)], device=self.tgt_rows.device) * tgt_len
        first, last = torch.searchsorted(self.tgt_rows, edges).tolist()
        places = self.tgt_rows[first:last] - begin * tgt_len
        # 2. The lengths that they need; the places move to [pairs · new_len].
        src_len, new_len = int(mask.sum(1).max()), int((places % tgt_len).max()) + 1
        return Batch(
            self.src_ids[begin:end, :src_len],
            mask[:, :src_len],
            self.tgt_in[begin:end, :new_len],
            self.tgt_out[first:last],
            places // tgt_len * new_len + places % tgt_len,
            last - first,
        )


def pad_sources(srcs: Sequence[Sequence[int] | Ids]) -> tuple[Tensor, Tensor]:
    """Ids [batch, src_len] with EOS after each source, and the mask of real tokens."""
    ids, mask = padded_sources(srcs)
    return torch.from_numpy(ids), torch.from_numpy(mask)


def collate(srcs: Sequence[Ids], tgts: Sequence[Ids]) -> Batch:
    """The batch of these pairs, in this order; BOS and EOS are added here."""
    return Batch.of(padded_pairs(srcs, tgts))


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on `device`; it is copied to a GPU from page-locked memory, without waiting."""
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
