"""Terms written into the ids of a source, for models that have learned to use them.

`a dog lies` with the term Hund becomes `a ⟦term⟧ dog ⟦is⟧ Hund ⟦/term⟧ lies`. It is the append method of
Dinu et al. 2019, with marks in place of their word factors. The marks are control pieces: no text gives one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from mtkit.text.subwords import Subwords

BEGIN, IS, END = TERM_MARKS = ("⟦term⟧", "⟦is⟧", "⟦/term⟧")
"""Before the source of a term, between it and its translation, and after both."""


class InlineTerm(NamedTuple):
    """A term in a source: where its source begins and ends, in characters, and the ids of its translation."""

    start: int
    end: int
    tgt_ids: Sequence[int]


def write_terms(
    model: Subwords, text: str, ids: Sequence[int], terms: Sequence[InlineTerm]
) -> tuple[list[int], list[InlineTerm]]:
    """The ids of a source with terms between marks, and the terms that were written.

    A term is left out if it overlaps one before it, or if a piece reaches over one of its ends. None is
    written into a text with characters that the model has no pieces for.

    Args:
        model: subword model of the source, with the marks.
        text: as the model reads it.
        ids: of the text, in any segmentation, without tags.
        terms: in any order.
    """
    pieces = model.pieces(ids)
    if "".join(pieces) != f"▁{text}".replace(" ", "▁"):
        return list(ids), []
    # The `▁` before the text shifts every place by one; a word begins with the one before it.
    numbers = {place: number for number, place in enumerate(accumulate(map(len, pieces), initial=0))}
    begin_mark, is_mark, end_mark = model.ids_of(TERM_MARKS)
    written: list[int] = []
    done, found = 0, []
    for term in sorted(terms):
        has_space = term.start == 0 or text[term.start - 1] == " "
        begin = numbers.get(term.start) if has_space else None
        begin = numbers.get(term.start + 1) if begin is None else begin
        end = numbers.get(term.end + 1)
        if begin is None or end is None or not done <= begin < end or not term.tgt_ids:
            continue
        written += [*ids[done:begin], begin_mark, *ids[begin:end], is_mark, *term.tgt_ids, end_mark]
        done = end
        found.append(term)
    return [*written, *ids[done:]], found
