"""Where the pieces of another toolkit's vocabulary have their rows in its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.convert.spm_rebuild import SPECIAL
from mtkit.errors import InputError
from mtkit.text.subwords import BOS, EOS, PAD, UNK

NO_ROW = -1


class PieceRows:
    """The row of each piece in the tables of a model.

    Args:
        where: the ids come from, for messages.
        ids: by piece, untrusted.
        size: rows of the tables.
        pad: id of the padding piece; `NO_ROW` if there is none.
        eos: id of the end.
        start: id of the piece with which the decoder starts; `NO_ROW` if it is zero.

    Raises:
        InputError: an id is not below `size` or there twice, or a special piece is missing.
    """

    def __init__(self, where: Path, ids: dict[str, Any], size: int, pad: int, eos: int, start: int) -> None:
        self.where, self.size = where, size
        self.pad, self.eos, self.start = pad, eos, start
        if any(type(row) is not int or not 0 <= row < size for row in ids.values()):
            raise InputError(
                f"{where}: an id is not below the size of the vocabulary, {size:,}.", "Use another copy."
            )
        if len({*ids.values()}) != len(ids):
            raise InputError(f"{where}: two pieces have one id.", "Use another copy.")
        self.ids: dict[str, int] = ids
        if "<unk>" not in ids or max(pad, eos, start) >= size:
            raise InputError(f"{where}: a special piece is missing.", "Use another copy.")
        self.unk = ids["<unk>"]

    def row(self, piece: str) -> int | None:
        """The row of an ordinary piece or a tag in the source's tables."""
        return self.ids.get(piece)

    def rows(self, pieces: tuple[str, ...], other: int | None = None) -> Tensor:
        """The row of each of mtkit's ids in the source's tables.

        Args:
            pieces: by mtkit's id.
            other: row of those that the source does not have; that of the unknown piece by default.
        """
        other = self.unk if other is None else other
        special = {PAD: self.pad, UNK: self.unk, BOS: self.start, EOS: self.eos}
        found = (self.row(piece) for piece in pieces[len(SPECIAL) :])
        return torch.tensor([*(special[i] for i in range(4)), *(other if r is None else r for r in found)])
