"""Rebuilds the SentencePiece model of another toolkit with mtkit's special ids, on the wire.

The file is a protobuf message, src/sentencepiece_model.proto of https://github.com/google/sentencepiece. Its
fields are copied byte for byte: pieces keep text, score and type, and the normaliser stays. Only the special
pieces and their ids are new.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mtkit.errors import InputError
from mtkit.text.subwords import BOS, EOS, PAD, UNK

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""The pieces with the ids 0 to 3."""
_NORMAL, _UNKNOWN, _CONTROL, _UNUSED = 1, 2, 3, 5
_PIECE, _TRAINER = 1, 2
_IDS = {*range(40, 44), *range(45, 49)}
"""Fields of the trainer's options with the ids and the spelling of special pieces."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


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
        fields = list(_fields(model_bytes))
        own = [_piece(body) for number, body, _ in fields if number == _PIECE]
    except (ValueError, IndexError, struct.error):
        raise InputError(f"{where}: is not a SentencePiece model.", "Use another copy.") from None
    kept = [(text, raw) for text, kind, raw in own if kind not in (_UNKNOWN, _CONTROL)]
    taken = {*SPECIAL, *(text for text, _ in kept)}
    tags = [tag for tag in tags if tag not in taken]
    taken.update(tags)
    unused = [text for text in unused if text not in taken]
    special = [_made(text, _UNKNOWN if number == UNK else _CONTROL) for number, text in enumerate(SPECIAL)]
    pieces = [
        *special,
        *(_made(tag, _CONTROL) for tag in tags),
        *(raw for text, raw in kept if text not in SPECIAL),
        *(_made(text, _UNUSED) for text in unused),
    ]
    rest = [_trainer(body) if number == _TRAINER else raw for number, body, raw in fields if number != _PIECE]
    if not any(number == _TRAINER for number, _, _ in fields):
        rest.append(_trainer(b""))
    texts = (*SPECIAL, *tags, *(text for text, _ in kept if text not in SPECIAL), *unused)
    return Rebuilt(b"".join(_field(_PIECE, piece) for piece in pieces) + b"".join(rest), texts)


def pieces_of(model_bytes: bytes, where: Path) -> list[str]:
    """The spelling of each piece, in the order of a model's own ids.

    Raises:
        InputError: it is not a SentencePiece model.
    """
    try:
        return [_piece(body)[0] for number, body, _ in _fields(model_bytes) if number == _PIECE]
    except (ValueError, IndexError, struct.error):
        raise InputError(f"{where}: is not a SentencePiece model.", "Use another copy.") from None


def _trainer(body: bytes) -> bytes:
    """The trainer's options with mtkit's special ids."""
    kept = b"".join(raw for number, _, raw in _fields(body) if number not in _IDS)
    ids = {40: UNK, 41: BOS, 42: EOS, 43: PAD}
    added = b"".join(_varint(number << 3 | _VARINT) + _varint(value) for number, value in ids.items())
    return _field(_TRAINER, kept + added)


def _piece(body: bytes) -> tuple[str, int, bytes]:
    """Text and type of a piece, and its bytes."""
    text, kind = "", _NORMAL
    for number, content, _ in _fields(body):
        if number == 1:
            text = content.decode()
        elif number == 3:
            kind, _ = _read_varint(content, 0)
    return text, kind, body


def _made(text: str, kind: int) -> bytes:
    """A piece with the score 0."""
    score = _varint(2 << 3 | _FIXED32) + struct.pack("<f", 0.0)
    return _field(1, text.encode()) + score + _varint(3 << 3 | _VARINT) + _varint(kind)


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without an end")


def _fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content and whole bytes of each field of a message."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _read_varint(data, at)
        begin = at
        match tag & 7:
            case 0:
                _, end = _read_varint(data, at)
            case 1:
                end = at + 8
            case 2:
                size, begin = _read_varint(data, at)
                end = begin + size
            case 5:
                end = at + 4
            case _:
                raise ValueError("unknown kind of field")
        if end > len(data):
            raise ValueError("a field beyond the end")
        at = end
        yield tag >> 3, data[begin:end], data[start:end]
