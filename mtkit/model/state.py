"""The state of the decoder between two steps, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KeysValues = tuple[Tensor, Tensor]

_FIRST_CAPACITY = 64


class Cache:
    """Keys and values of the target tokens so far, for each layer [sentences, kv_heads, slots, d_head].

    A step appends one slot for each hypothesis of a sentence. Slots are never moved; `AttendedPast` knows
    which of them belong to a hypothesis. The tensors have spare room for later slots.
    """

    def __init__(self, layers: Sequence[KeysValues], slots: int) -> None:
        self.layers = layers
        self.slots = slots

    def extended(self, slots: int, more: int) -> Cache:
        """A cache of the first `slots` slots and `more` new ones.

        It is this cache itself, unless its spare room is too small or already used by another state.
        """
        if slots == self.slots and slots + more <= self.layers[0][0].shape[2]:
            self.slots += more
            return self
        capacity = max(_FIRST_CAPACITY, 2 * (slots + more))
        layers = [(_moved(k, slots, capacity), _moved(v, slots, capacity)) for k, v in self.layers]
        return Cache(layers, slots + more)

    def write(self, layer: int, k: Tensor, v: Tensor) -> KeysValues:
        """Fills the newest slots of a layer, and returns the keys and values of all its slots."""
        keys, values = self.layers[layer]
        newest = slice(self.slots - k.shape[2], self.slots)
        keys[:, :, newest], values[:, :, newest] = k, v
        return keys[:, :, : self.slots], values[:, :, : self.slots]


def _moved(tensor: Tensor, slots: int, capacity: int) -> Tensor:
    sentences, heads, _, d_head = tensor.shape
    new = tensor.new_empty(sentences, heads, capacity, d_head)
    new[:, :, :slots] = tensor[:, :, :slots]
    return new


@dataclass(frozen=True, slots=True)
class AttendedPast:
    """The target tokens so far as attention sees them.

    The hypotheses of a sentence are queries of the same attention, and each sees the slots of its own tokens.
    Reordering a beam therefore moves no keys and values.

    Attributes:
        cache: keys and values; slots beyond those of `seen` belong to other states.
        seen: [sentences, 1, width, slots], true = the slot holds a token of this hypothesis.
    """

    cache: Cache
    seen: Tensor

    @classmethod
    def first(cls, memory: Sequence[KeysValues]) -> AttendedPast:
        """No token, for the keys and values of a source."""
        keys = memory[0][0]
        seen = torch.empty(len(keys), 1, 1, 0, dtype=torch.bool, device=keys.device)
        return cls(Cache([(k[:, :, :0], v[:, :, :0]) for k, v in memory], 0), seen)

    def extended(self) -> AttendedPast:
        """With one more token for each row, whose keys and values must still be written."""
        sentences, _, width, slots = self.seen.shape
        own = torch.eye(width, dtype=torch.bool, device=self.seen.device).expand(sentences, 1, width, width)
        return AttendedPast(self.cache.extended(slots, width), torch.cat((self.seen, own), dim=-1))

    def select(self, rows: Tensor, width: int, kept: Tensor | None) -> AttendedPast:
        """See `DecoderState.select`; `kept` are the sentences of `rows`, or None for all of them."""
        seen = self.seen.flatten(0, 2).index_select(0, rows)
        seen = seen.view(rows.numel() // width, 1, width, -1)
        if kept is None:
            return AttendedPast(self.cache, seen)
        layers = [(k.index_select(0, kept), v.index_select(0, kept)) for k, v in self.cache.layers]
        return AttendedPast(Cache(layers, self.cache.slots), seen)


@dataclass(frozen=True, slots=True)
class CarriedPast:
    """The target tokens so far as recurrent units carry them.

    Attributes:
        cells: of each layer, [sentences, width, d_model].
    """

    cells: list[Tensor]

    @classmethod
    def first(cls, memory: Tensor, num_layers: int) -> CarriedPast:
        """No token, for sources with a memory [sentences, src_len, d_model]."""
        empty = torch.zeros_like(memory[:, :1], dtype=torch.float32)
        return cls([empty] * num_layers)

    def extended(self) -> CarriedPast:
        """A copy whose cells may be replaced by those after one more token."""
        return CarriedPast([*self.cells])

    def select(self, rows: Tensor, width: int, kept: Tensor | None) -> CarriedPast:
        """See `DecoderState.select`; `kept` is not needed."""
        size = rows.numel() // width
        return CarriedPast([c.flatten(0, 1).index_select(0, rows).view(size, width, -1) for c in self.cells])


@dataclass(frozen=True, slots=True)
class DecoderState:
    """Everything that the next decoding step needs, for `rows` = sentences x `width` hypotheses.

    The rows of a sentence are adjacent. What is known of the source is stored once per sentence.

    Attributes:
        memory: per layer, keys and values of the source, [sentences, kv_heads, src_len, d_head].
        src_mask: [sentences, 1, 1, src_len], true = real token.
        past: the target tokens so far.
        length: tokens so far.
        width: rows per sentence.
    """

    memory: tuple[KeysValues, ...]
    src_mask: Tensor
    past: AttendedPast | CarriedPast
    length: int
    width: int

    def extended(self) -> DecoderState:
        """The state with one more token for each row, which the layers must still see."""
        return DecoderState(self.memory, self.src_mask, self.past.extended(), self.length + 1, self.width)

    def select(self, rows: Tensor, width: int | None = None) -> DecoderState:
        """The state whose row i is row `rows[i]` of this one: widens or reorders beams, or drops sentences.

        Args:
            rows: int64 indices in groups of `width` rows of one sentence; sentences keep their order.
            width: rows per sentence of the new state; unchanged by default.
        """
        width = self.width if width is None else width
        memory, src_mask, kept = self.memory, self.src_mask, None
        if rows.numel() // width != src_mask.shape[0]:
            kept = rows[::width] // self.width
            memory = tuple((k.index_select(0, kept), v.index_select(0, kept)) for k, v in memory)
            src_mask = src_mask.index_select(0, kept)
        return DecoderState(memory, src_mask, self.past.select(rows, width, kept), self.length, width)
