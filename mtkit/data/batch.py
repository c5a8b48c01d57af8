"""A batch of pairs as tensors, ready for the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mtkit.text.tokenizer import Tokenizer

Ids = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded ids of some pairs. A value: nothing here sorts, shuffles or computes a loss.

    Attributes:
        src_ids: [batch, src_len], EOS at the end of each source.
        src_mask: [batch, src_len], true = real token.
        tgt_in: [batch, tgt_len], BOS then the target.
        tgt_out: [tokens], the target then EOS, of all sentences in turn, without padding.
        tgt_rows: [tokens], where in the flattened [batch · tgt_len] each of `tgt_out` is predicted.
        num_tgt_tokens: length of `tgt_out`.
    """

    src_ids: Tensor
    src_mask: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    tgt_rows: Tensor
    num_tgt_tokens: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`; asynchronous from pinned memory."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Batch:
        """The same batch in page-locked memory, from which copies to a GPU are asynchronous."""
        return self._each(Tensor.pin_memory)

    def split(self, parts: int) -> list[Batch]:
        """The same pairs in at most `parts` batches of about as many pairs, each padded as it needs."""
        if parts == 1 or len(self.src_ids) == 1:
            return [self]
        pairs = -(-len(self.src_ids) // parts)
        return [self._pairs(begin, begin + pairs) for begin in range(0, len(self.src_ids), pairs)]

    def without_targets(self) -> Batch:
        """A batch that is computed like this one, but teaches nothing: its loss and its gradient are 0."""
        return Batch(self.src_ids, self.src_mask, self.tgt_in, self.tgt_out[:0], self.tgt_rows[:0], 0)

    def _pairs(self, begin: int, end: int) -> Batch:
        """The pairs from `begin` to `end`."""
        mask, tgt_len = self.src_mask[begin:end], self.tgt_in.shape[1]
        edges = torch.tensor([begin, begin + len(mask)], device=self.tgt_rows.device) * tgt_len
        first, last = torch.searchsorted(self.tgt_rows, edges).tolist()
        places = self.tgt_rows[first:last] - begin * tgt_len
        src_len, new_len = int(mask.sum(1).max()), int((places % tgt_len).max()) + 1
        return Batch(
            self.src_ids[begin:end, :src_len],
            mask[:, :src_len],
            self.tgt_in[begin:end, :new_len],
            self.tgt_out[first:last],
            places // tgt_len * new_len + places % tgt_len,
            last - first,
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            change(self.src_ids),
            change(self.src_mask),
            change(self.tgt_in),
            change(self.tgt_out),
            change(self.tgt_rows),
            self.num_tgt_tokens,
        )


def pad_sources(srcs: Sequence[Sequence[int] | Ids]) -> tuple[Tensor, Tensor]:
    """Ids [batch, src_len] with EOS after each source, and the mask of real tokens."""
    lengths = np.fromiter((len(src) + 1 for src in srcs), np.int64, len(srcs))
    ids = np.full((len(srcs), int(lengths.max())), Tokenizer.PAD, np.int64)
    for row, src in enumerate(srcs):
        ids[row, : len(src)] = src
        ids[row, len(src)] = Tokenizer.EOS
    mask = np.arange(ids.shape[1]) < lengths[:, None]
    return torch.from_numpy(ids), torch.from_numpy(mask)


def collate(srcs: Sequence[Ids], tgts: Sequence[Ids]) -> Batch:
    """The batch of these pairs, in this order; BOS and EOS are added here."""
    src_ids, src_mask = pad_sources(srcs)
    lengths = np.fromiter((len(tgt) + 1 for tgt in tgts), np.int64, len(tgts))
    tgt_in = np.full((len(tgts), int(lengths.max())), Tokenizer.PAD, np.int64)
    tgt_out = np.full_like(tgt_in, Tokenizer.PAD)
    tgt_in[:, 0] = Tokenizer.BOS
    for row, tgt in enumerate(tgts):
        tgt_in[row, 1 : len(tgt) + 1] = tgt
        tgt_out[row, : len(tgt)] = tgt
        tgt_out[row, len(tgt)] = Tokenizer.EOS
    rows = np.flatnonzero(np.arange(tgt_in.shape[1]) < lengths[:, None])
    return Batch(
        src_ids,
        src_mask,
        torch.from_numpy(tgt_in),
        torch.from_numpy(tgt_out.reshape(-1)[rows]),
        torch.from_numpy(rows),
        int(lengths.sum()),
    )
