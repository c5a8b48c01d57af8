"""Embeddings of a trained model for another vocabulary, as fine-tuning on other text needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtkit.data.prepare.shards import Shard
from mtkit.errors import InputError
from mtkit.text.respelling import respell
from mtkit.text.subwords import Subwords
from mtkit.text.tokenizer import Tokenizer

_SIDES = {"src_embedding.": "src", "tgt_embedding.": "tgt", "output.": "tgt"}
"""The side whose vocabulary counts the rows of the weights whose names begin so."""

_SHOWN = 5

Spelling = Sequence[tuple[int, ...]]
"""The ids in the old vocabulary that spell each id of the new one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The pieces of a vocabulary whose embeddings start in one way.

    Attributes:
        pieces: their number.
        share: of all pieces in the training text.
    """

    pieces: int
    share: float

    def __str__(self) -> str:
        return f"{self.pieces:,} pieces ({self.share:.1%} of the training text)"


@dataclass(frozen=True, slots=True)
class Transplant:
    """The vocabulary of a run compared with that of its initial model.

    Attributes:
        kept: pieces that both have.
        spelled: pieces that start from the mean of the initial model's pieces that spell them.
        fresh: pieces that nothing spells.
        examples: the most frequent of these.
    """

    kept: Kind
    spelled: Kind
    fresh: Kind
    examples: tuple[str, ...]

    def lines(self) -> tuple[str, str, str]:
        """The three lines that tell of it."""
        examples = f": {' '.join(self.examples)}" if self.examples else ""
        return (
            f"another vocabulary: {self.kept} keep their embeddings",
            f"{self.spelled} start from the mean of the pieces that spell them",
            f"{self.fresh} start fresh{examples}",
        )


def compare(new: Tokenizer, old: Tokenizer, shards: Sequence[Shard]) -> Transplant:
    """How the pieces of the training text in `shards` start, with the vocabulary `new` in place of `old`."""
    zero = np.zeros((2, new.max_size), np.int64)
    counts = sum((shard.counts(new.max_size) for shard in shards), zero)
    if new.is_joint and old.is_joint:
        sides = [(new.src, old.src, counts[0] + counts[1])]
    else:
        sides = [(new.src, old.src, counts[0]), (new.tgt, old.tgt, counts[1])]
    whole = max(1, int(sum(count.sum() for _, _, count in sides)))
    numbers, running = [0, 0, 0], [0, 0, 0]
    fresh: list[tuple[int, str]] = []
    for mine, theirs, count in sides:
        for token, ids in enumerate(respell(mine, theirs)):
            kind = (2, 0)[len(ids)] if len(ids) < 2 else 1
            numbers[kind] += 1
            running[kind] += int(count[token])
            if kind == 2 and count[token]:
                fresh.append((-int(count[token]), mine.pieces([token])[0]))
    kept, spelled, lacking = (Kind(n, r / whole) for n, r in zip(numbers, running, strict=True))
    return Transplant(kept, spelled, lacking, tuple(piece for _, piece in sorted(fresh)[:_SHOWN]))


def check_fresh(found: Transplant, max_fresh: float) -> None:
    """Refuses an initial model that knows too little of the training text.

    Raises:
        InputError: more than `max_fresh` of its pieces would start fresh.
    """
    if found.fresh.share > max_fresh:
        raise InputError(
            f"{found.fresh.share:.1%} of the pieces of the training text have no counterpart in its "
            f"vocabulary (the maximum is train.max_fresh = {max_fresh:g}), such as "
            f"{' '.join(found.examples)}.",
            "Choose an initial model for these languages, or allow it: train.max_fresh=1.",
        )


def transplant(weights: dict[str, Tensor], new: Tokenizer, old: Tokenizer, seed: int) -> dict[str, Tensor]:
    """The weights of a model for the vocabulary `new`, from those of one for `old`.

    A row of an embedding, or of the output, is that of the same piece, else the mean of the rows of the
    pieces that spell it (Gee et al. 2022, "Fast Vocabulary Transfer for Language Model Compression", section
    3), else as in a new model: normal with variance 1/d_model; a bias of the output is 0. All other weights
    are the same tensors.

    Args:
        weights: by name, the rows of vocabularies [vocab_size, d_model] or [vocab_size].
        new: of the run.
        old: of the initial model.
        seed: of the run, for the fresh rows.
    """
    pairs: dict[str, tuple[Subwords, Subwords]] = {"src": (new.src, old.src), "tgt": (new.tgt, old.tgt)}
    spellings = {side: respell(*models) for side, models in pairs.items()}
    changed = dict(weights)
    for name in sorted(weights):
        side = next((side for begin, side in _SIDES.items() if name.startswith(begin)), None)
        if side is not None and weights[name].shape[0] == pairs[side][1].size:
            generator = torch.Generator().manual_seed(seed)
            changed[name] = _rows(weights[name], spellings[side], generator)
    return changed


def _rows(old: Tensor, spelling: Spelling, generator: torch.Generator) -> Tensor:
    """The rows [new_size, …] of a matrix or bias whose old rows are `old` [old_size, …]."""
    if old.dim() == 1:
        fresh = torch.zeros(len(spelling))
    else:
        fresh = torch.randn(len(spelling), old.shape[1], generator=generator) * old.shape[1] ** -0.5
    rows = fresh.to(old)
    # One gather and one scattered sum, because a loop over 200,000 rows takes seconds.
    lengths = torch.tensor([len(ids) for ids in spelling])
    owners = torch.repeat_interleave(torch.arange(len(spelling)), lengths)
    parts = old[torch.tensor([token for ids in spelling for token in ids])].float()
    sums = torch.zeros(len(spelling), *old.shape[1:]).index_add_(0, owners, parts)
    known = lengths > 0
    divisors = lengths[known].reshape(-1, *[1] * (old.dim() - 1))
    rows[known] = (sums[known] / divisors).to(old)
    return rows
