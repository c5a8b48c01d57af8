"""A subword model with more pieces, for text that has characters which the model lacks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from mtkit.text.spm_wire import (
    CONTROL,
    NORMAL,
    PIECE,
    USER_DEFINED,
    fields_of,
    made_piece,
    read_piece,
    text_field,
)
from mtkit.text.subwords import Subwords

logger = logging.getLogger(__name__)

_SHOWN = 20


def extend_for(
    model: Subwords,
    texts: Iterable[str],
    coverage: float,
    *,
    symbols: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Subwords:
    """The model with the pieces that it lacks; a line tells which.

    Args:
        model: to be extended; as it is if it lacks nothing.
        texts: to be spelled, in the form that it reads.
        coverage: share of their characters that it shall spell.
        symbols: pieces that text is never cut inside of.
        tags: pieces that no text gives, only `ids_of`.
    """
    characters = missing_characters(model, texts, coverage)
    symbols, tags = ([piece for piece in pieces if not model.has(piece)] for pieces in (symbols, tags))
    added = [*characters, *symbols, *tags]
    if not added:
        return model
    more = " …" if len(added) > _SHOWN else ""
    logger.info("pieces added to the tokenizer: %d (%s%s)", len(added), " ".join(added[:_SHOWN]), more)
    return extend(model, characters, symbols, tags)


def missing_characters(model: Subwords, texts: Iterable[str], coverage: float) -> list[str]:
    """The characters of `texts` that `model` has no piece for, the most frequent first.

    The rarest are left out as far as a share of 1 - `coverage` of all characters goes. A model that spells
    unknown characters in bytes lacks none.
    """
    if model.has_bytes:
        return []
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(model.normalized(text))
    lacking = {character: count for character, count in counts.items() if not model.spells(character)}
    allowed = (1 - coverage) * counts.total()
    unspelled, found = sum(lacking.values()), []
    for character in sorted(lacking, key=lambda each: (-lacking[each], each)):
        if unspelled <= allowed:
            break
        found.append(character)
        unspelled -= lacking[character]
    return found


def extend(
    model: Subwords, characters: Sequence[str], symbols: Sequence[str], tags: Sequence[str]
) -> Subwords:
    """The model with these pieces too; all others keep id, score and type.

    A character gets the lowest score of the model, so that it is taken only where nothing else spells it. If
    it is a piece already that text never becomes, as those for translations alone in an imported model, then
    this piece is put to use.
    """
    lowest = min((score for _, score in model.plain_pieces().values()), default=0.0)
    dormant = {character for character in characters if model.has(character)}
    kept = []
    for number, body, raw in fields_of(model.model_bytes):
        text = read_piece(body)[0] if number == PIECE else ""
        kept.append(text_field(PIECE, made_piece(text, NORMAL, lowest)) if text in dormant else raw)
    added = [
        *(made_piece(tag, CONTROL) for tag in tags),
        *(made_piece(symbol, USER_DEFINED) for symbol in symbols),
        *(made_piece(character, NORMAL, lowest) for character in characters if character not in dormant),
    ]
    return Subwords(b"".join([*kept, *(text_field(PIECE, piece) for piece in added)]))
