"""A shortlist of the target pieces that may translate each source piece, as a part of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mtkit.errors import InputError

SHORTLIST = "shortlist.safetensors"
"""Its name in a model folder."""


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """Translations of a source consist of these pieces alone, as in Marian (Junczys-Dowmunt et al. 2018).

    Attributes:
        always: ids of target pieces that may be in any translation, int32.
        offsets: [source pieces + 1], where the ids for each source piece begin, int64.
        ids: of target pieces, int32.
    """

    always: Tensor
    offsets: Tensor
    ids: Tensor

    def of(self, src_ids: Sequence[int]) -> Tensor:
        """The ids of the target pieces for a source without its end, some of them several times."""
        lists = [self.ids[self.offsets[i] : self.offsets[i + 1]] for i in {*src_ids}]
        return torch.cat((self.always, *lists)).long()

    def tensors(self) -> dict[str, Tensor]:
        """Its content, to be stored."""
        return {"always": self.always, "offsets": self.offsets, "ids": self.ids}


def shortlist_from(path: Path, tensors: dict[str, Tensor], src_size: int, tgt_size: int) -> Shortlist:
    """The shortlist with this stored content, which is untrusted.

    Raises:
        InputError: it is not one for vocabularies of these sizes.
    """
    types = {"always": torch.int32, "offsets": torch.int64, "ids": torch.int32}
    if {n: t.dtype for n, t in tensors.items()} != types or any(t.dim() != 1 for t in tensors.values()):
        raise InputError(f"{path}: is not a shortlist.", "Use another copy of the model.")
    always, offsets, ids = (tensors[name] for name in types)
    both = torch.cat((always, ids))
    ordered = len(offsets) == src_size + 1 and offsets[0] == 0 and offsets[-1] == len(ids)
    if not ordered or (offsets.diff() < 0).any() or (both < 0).any() or (both >= tgt_size).any():
        raise InputError(f"{path}: does not fit the vocabularies.", "Use another copy of the model.")
    return Shortlist(always, offsets, ids)
