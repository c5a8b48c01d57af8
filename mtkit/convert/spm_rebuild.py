"""Rebuilds the SentencePiece model of another toolkit with mtkit's special ids, on the wire.

Pieces keep text, score and type, and the normaliser stays. Only the special pieces and their ids are new.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mtkit.errors import InputError
from mtkit.text.spm_wire import (
    CONTROL,
    FAULTS,
    PIECE,
    TRAINER,
    UNKNOWN,
    UNUSED,
    fields_of,
    made_piece,
    number_field,
    read_piece,
    text_field,
)
from mtkit.text.subwords import BOS, EOS, PAD, UNK

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""The pieces with the ids 0 to 3."""
_IDS = {*range(40, 44), *range(45, 49)}
"""Fields of the trainer's options with the ids and the spelling of special pieces."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A SentencePiece model with mtkit's special ids.

    Attributes:
        model_bytes: the model.
        pieces: the spelling of each id.
    """

    model_bytes: bytes
    pieces: tuple[str, ...]


def rebuild(model_bytes: bytes, where: Path, tags: Iterable[str] = (), unused: Iterable[str] = ()) -> Rebuilt:
    """The model with pad, unk, bos and eos as ids 0 to 3, then its other pieces in their order.

    Its own control pieces and its unknown piece are left out.

    Args:
        model_bytes: of a SentencePiece model.
        where: it comes from, for messages.
        tags: control pieces to add, in the form `<2fr>`.
        unused: pieces to add that can be decoded, but never occur when text is encoded.

    Raises:
        InputError: it is not a SentencePiece model.
    """
    try:
        fields = list(fields_of(model_bytes))
        own = [(*read_piece(body), body) for number, body, _ in fields if number == PIECE]
    except FAULTS:
        raise InputError(f"{where}: is not a SentencePiece model.", "Use another copy.") from None
    kept = [(text, raw) for text, kind, raw in own if kind not in (UNKNOWN, CONTROL)]
    taken = {*SPECIAL, *(text for text, _ in kept)}
    tags = [tag for tag in tags if tag not in taken]
    taken.update(tags)
    unused = [text for text in unused if text not in taken]
    special = [made_piece(text, UNKNOWN if number == UNK else CONTROL) for number, text in enumerate(SPECIAL)]
    pieces = [
        *special,
        *(made_piece(tag, CONTROL) for tag in tags),
        *(raw for text, raw in kept if text not in SPECIAL),
        *(made_piece(text, UNUSED) for text in unused),
    ]
    rest = [_trainer(body) if number == TRAINER else raw for number, body, raw in fields if number != PIECE]
    if not any(number == TRAINER for number, _, _ in fields):
        rest.append(_trainer(b""))
    texts = (*SPECIAL, *tags, *(text for text, _ in kept if text not in SPECIAL), *unused)
    return Rebuilt(b"".join(text_field(PIECE, piece) for piece in pieces) + b"".join(rest), texts)


def pieces_of(model_bytes: bytes, where: Path) -> list[str]:
    """The spelling of each piece, in the order of a model's own ids.

    Raises:
        InputError: it is not a SentencePiece model.
    """
    try:
        return [read_piece(body)[0] for number, body, _ in fields_of(model_bytes) if number == PIECE]
    except FAULTS:
        raise InputError(f"{where}: is not a SentencePiece model.", "Use another copy.") from None


def _trainer(body: bytes) -> bytes:
    """The trainer's options with mtkit's special ids."""
    kept = b"".join(raw for number, _, raw in fields_of(body) if number not in _IDS)
    ids = {40: UNK, 41: BOS, 42: EOS, 43: PAD}
    added = b"".join(number_field(number, value) for number, value in ids.items())
    return text_field(TRAINER, kept + added)
