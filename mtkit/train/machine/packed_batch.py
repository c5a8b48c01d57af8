"""Batches without padding: when they are used, and how they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

_LEAST_FILLED = 0.7
"""Share of the places in rows that hold a token; 0.72 to 0.93 were measured on phrases and captions."""


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
    ids, positions, begins, places, owners = (
        on_device(tensor, device) for tensor in (row.ids, row.positions, row.begins, row.places, row.owners)
    )
    return Packed(ids, positions, begins, row.max_len, places, owners)


def kernel_fits(model: ModelConfig, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention can train on packed rows without padding."""
    return not model.attention_dropout and has_kernel(device, dtype, model.d_head)


def is_packing(options: TrainConfig, model: ModelConfig, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a run's batches are computed without padding."""
    if options.packing == "auto":
        fits = device.type == "cpu" or kernel_fits(model, device, dtype)
        return fits and not options.guided_alignment
    return options.packing


def pack(batch: Batch, passes: int = 1, rounded: bool = False) -> PackedBatch:
    """Removes the padding of a batch on the CPU.

    Args:
        batch: the pairs.
        passes: number of copies of the batch, one after the other.
        rounded: round the number of tokens up, see `round_up`. Each side then ends with tokens that belong to
            no sentence, and the last row may be empty.
    """
    # 1. The tokens of all sentences, [tokens], and their lengths, [sentences, 2].
    tgt_in = batch.tgt_in.numpy()
    sides = [(batch.src_ids.numpy(), batch.src_mask.numpy()), (tgt_in, tgt_in != Tokenizer.PAD)]
    ids = [np.tile(padded[mask], passes) for padded, mask in sides]
    lengths = np.tile(np.stack([mask.sum(1) for _, mask in sides], 1), (passes, 1))
    # 2. The rows for attention, in which the longest sentence of each side fits.
    rows, begins = _laid_out(lengths)
    num_rows, row_lens = int(rows.max()) + 1, lengths.max(0).tolist()
    if rounded and any(num_rows * length == side.size for length, side in zip(row_lens, ids, strict=True)):
        num_rows += 1  # tokens of no sentence need a place too
    src, tgt = (
        _side(ids[side], lengths[:, side], rows, begins[:, side], (num_rows, row_lens[side]), rounded)
        for side in (0, 1)
    )
    return PackedBatch(src, tgt, batch.tgt_out.repeat(passes))


def round_up(size: int) -> int:
    """The next size with five significant bits, at most a sixteenth larger.

    oneDNN compiles a kernel for each shape of a matrix product, which takes about as long as a small product.
    Among so few sizes most shapes come again.
    """
    step = 1 << max(0, size.bit_length() - 5)
    return -(-size // step) * step


def _laid_out(lengths: Ints) -> tuple[Ints, Ints]:
    """Puts each sentence into the first row with space on both sides; rows are as long as the longest one.

    Args:
        lengths: [sentences, 2].

    Returns:
        The row of each sentence, [sentences], and where it begins there, [sentences, 2].
    """
    most = lengths.max(0)
    used = np.zeros_like(lengths)  # [rows, 2]; no more rows than sentences
    rows, begins = np.empty(len(lengths), np.int64), np.empty_like(lengths)
    for number in np.argsort(-(lengths / most).max(1), kind="stable").tolist():  # the longest first
        row = int(np.argmax((used + lengths[number] <= most).all(1)))
        rows[number], begins[number] = row, used[row]
        used[row] += lengths[number]
    return rows, begins


def rows_needed(sentences: int, tokens: Sequence[int], longest: Sequence[int]) -> int:
    """An estimate of the rows that `pack` makes, which are rarely more.

    Args:
        sentences: their number; no more rows are needed.
        tokens: of each side.
        longest: length of the longest sentence of each side.
    """
    filled = max(count / length for count, length in zip(tokens, longest, strict=True))
    return min(sentences, math.ceil(filled / _LEAST_FILLED) + 1)


def _side(
    ids: Ints, lengths: Ints, rows: Ints, begins: Ints, shape: tuple[int, int], rounded: bool
) -> Packed:
    """One side: sentences of these lengths, in these rows from these places on, each [sentences].

    Args:
        ids: [tokens].
        lengths: of the sentences.
        rows: of the sentences.
        begins: of the sentences.
        shape: number and length of the rows.
        rounded: whether to add tokens of no sentence.
    """
    ends = lengths.cumsum()
    positions = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    places = np.repeat(rows * shape[1] + begins, lengths) + positions
    owners = np.full(shape, -1)
    owners.reshape(-1)[places] = np.repeat(np.arange(len(lengths)), lengths)
    if added := round_up(len(ids)) - len(ids) if rounded else 0:
        free = int((owners.reshape(-1) < 0).argmax())
        ids = np.pad(ids, (0, added), constant_values=Tokenizer.PAD)
        positions = np.pad(positions, (0, added))
        places = np.pad(places, (0, added), constant_values=free)
    edges = np.concatenate(([0], ends)).astype(np.int32)
    return Packed(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        begins=torch.from_numpy(edges),
        max_len=int(lengths.max()),
        places=torch.from_numpy(places),
        owners=torch.from_numpy(owners),
    )
