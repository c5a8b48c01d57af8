"""The file of a SentencePiece model, field by field.

It is a protobuf message, src/sentencepiece_model.proto of https://github.com/google/sentencepiece. Fields are
copied byte for byte, so that what nobody means to change stays as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

PIECE, TRAINER = 1, 2
"""Fields of a model: each of its pieces, and the options that it was trained with."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = range(1, 6)
"""Types of pieces. Text is never cut inside of user-defined ones, and never becomes control or unused."""

_TEXT, _SCORE, _TYPE = 1, 2, 3
"""Fields of a piece."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Kinds of fields."""

FAULTS = (ValueError, IndexError)
"""What reading raises if the bytes are no such message."""


def fields_of(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content and whole bytes of each field of a message."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        begin = at
        match tag & 7:
            case 0:
                _, end = _read_varint(message, at)
            case 1:
                end = at + 8
            case 2:
                size, begin = _read_varint(message, at)
                end = begin + size
            case 5:
                end = at + 4
            case _:
                raise ValueError("unknown kind of field")
        if end > len(message):
            raise ValueError("a field beyond the end")
        at = end
        yield tag >> 3, message[begin:end], message[start:end]


def read_piece(body: bytes) -> tuple[str, int]:
    """Text and type of a piece."""
    text, kind = "", NORMAL
    for number, content, _ in fields_of(body):
        if number == _TEXT:
            text = content.decode()
        elif number == _TYPE:
            kind, _ = _read_varint(content, 0)
    return text, kind


def made_piece(text: str, kind: int, score: float = 0.0) -> bytes:
    """The content of a piece."""
    scored = _varint(_SCORE << 3 | _FIXED32) + struct.pack("<f", score)
    return text_field(_TEXT, text.encode()) + scored + number_field(_TYPE, kind)


def text_field(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """A field of a whole number."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """A number and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without an end")
