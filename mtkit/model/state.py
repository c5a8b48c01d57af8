"""The decoder's memory between two steps, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class DecoderState:
    """All that the next decoding step needs, for `rows` = sentences x `width` hypotheses.

    The rows of one sentence stand together, and the source side is stored once per sentence,
    not once per row.

    Attributes:
        memory: per layer, keys and values of the source, [sentences, num_heads, src_len, d_head].
        src_mask: [sentences, 1, 1, src_len], true = real token.
        past: per layer, keys and values of the tokens so far, [rows, num_heads, length, d_head];
            empty before the first step.
        length: tokens seen so far.
        width: rows per sentence.
    """

    memory: tuple[KeysValues, ...]
    src_mask: Tensor
    past: tuple[KeysValues, ...]
    length: int
    width: int

    def select(self, rows: Tensor, width: int | None = None) -> DecoderState:
        """The state whose row i is this one's row `rows[i]`: widens the beam, reorders it, drops sentences.

        Args:
            rows: int64 indices in groups of `width` rows of one sentence; sentences keep their order.
            width: rows per sentence from now on; as before if left out.
        """
        width = self.width if width is None else width
        memory, src_mask = self.memory, self.src_mask
        if rows.numel() != width * src_mask.shape[0]:
            kept = rows[::width] // self.width
            memory = tuple((k.index_select(0, kept), v.index_select(0, kept)) for k, v in memory)
            src_mask = src_mask.index_select(0, kept)
        past = tuple((k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.past)
        return DecoderState(memory, src_mask, past, self.length, width)
