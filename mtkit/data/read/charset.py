"""The encoding of text files: recognised by a mark, named in the config, or guessed for a message."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, cast

from mtkit.data.read.repairs import CR_ONLY, NOT_ITS_ENCODING, UTF16, Repairs
from mtkit.errors import InputError
from mtkit.text.languages import language_of

_BUFFER = 1 << 17
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DOCUMENTS = (b"%PDF-", b"{\\rtf", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How PDF, RTF, and documents of Microsoft Office before 2007 begin."""
_HEAD = 1 << 12
"""Bytes at the start of a file in which UTF-16 without a mark is looked for."""

_LEGACY = {
    "cs sk pl hu hr sl bs ro sq": ("cp1250", "iso8859-2"),
    "ru uk be bg mk sr": ("cp1251", "koi8-r"),
    "el": ("cp1253",),
    "tr az": ("cp1254",),
    "he yi": ("cp1255",),
    "ar fa ur": ("cp1256",),
    "et lv lt": ("cp1257",),
    "vi": ("cp1258",),
    "th": ("cp874",),
    "ja": ("cp932", "euc_jp"),
    "zh": ("gb18030", "big5"),
    "ko": ("cp949",),
}
"""Encodings of old files, by language; for others it is that of western Europe."""
_WESTERN = "cp1252"


def as_utf8(stream: IO[bytes], path: Path, encoding: str | None, repairs: Repairs | None) -> IO[bytes]:
    """The bytes of a text file in UTF-8, with line feeds.

    Args:
        stream: the file.
        path: its name, for messages.
        encoding: of the file; without one, UTF-8 unless a mark says UTF-16 or UTF-32.
        repairs: counts what was converted.

    Raises:
        InputError: the file looks like UTF-16 without a mark, or is a document.
    """
    head = cast(io.BufferedReader, stream).peek(_BUFFER)
    if head.startswith(DOCUMENTS):
        raise is_document(path)
    codec = encoding or next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if codec and codecs.lookup(codec).name in ("utf-8", "utf-8-sig"):
        codec = None
    if codec is None and encoding is None and (guess := _unmarked(head[:_HEAD])):
        raise InputError(
            f"{path}: looks like UTF-16 without a byte order mark, expected UTF-8.",
            f"Set encoding: {guess} in its corpus, or convert it: iconv -f {guess.upper()} -t UTF-8.",
        )
    text = codecs.getincrementaldecoder(codec or "latin-1")("replace").decode(head)
    has_cr_only = "\r" in text.rstrip("\r") and "\n" not in text
    if codec is None and not has_cr_only:
        return stream
    if repairs is not None:
        if codec and encoding is None:
            repairs.repair(UTF16, path, 1)
        if has_cr_only:
            repairs.repair(CR_ONLY, path, 1)
    return io.BufferedReader(_Converted(stream, path, codec, has_cr_only, repairs), _BUFFER)


def is_document(path: Path) -> InputError:
    """The error for a document in the place of text."""
    return InputError(
        f"{path}: is a document, not text.",
        "Save its text in UTF-8: one sentence per line, and one file per language.",
    )


class _Converted(io.RawIOBase):
    """The bytes of a stream in UTF-8; undecodable ones become U+FFFD, with `has_cr_only` CR becomes LF."""

    def __init__(
        self, stream: IO[bytes], path: Path, codec: str | None, has_cr_only: bool, repairs: Repairs | None
    ) -> None:
        self._stream, self._path, self._repairs = stream, path, repairs
        self._decoder = codecs.getincrementaldecoder(codec)("replace") if codec else None
        self._has_cr_only = has_cr_only
        self._rest = b""
        self._line = 1
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while not self._rest and not self._ended:
            chunk = self._stream.read(_BUFFER)
            self._ended = not chunk
            self._rest = self._converted(chunk)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _converted(self, chunk: bytes) -> bytes:
        if self._decoder:
            text = self._decoder.decode(chunk, self._ended)
            if self._repairs is not None and "\ufffd" in text:
                for number, line in enumerate(text.split("\n"), self._line):
                    if "\ufffd" in line:
                        self._repairs.repair(NOT_ITS_ENCODING, self._path, number)
            self._line += text.count("\n")
            chunk = text.encode(errors="replace")
        return chunk.replace(b"\r", b"\n") if self._has_cr_only else chunk


def _unmarked(head: bytes) -> str | None:
    """The order of bytes if they look like UTF-16: every other one is mostly zero."""
    if len(head) < 4 or b"\0" not in head:
        return None
    shares = [head[side::2].count(0) / len(head[side::2]) for side in (0, 1)]
    if shares[0] < 0.1 and shares[1] > 0.3:
        return "utf-16-le"
    if shares[1] < 0.1 and shares[0] > 0.3:
        return "utf-16-be"
    return None


def guess_encoding(lines: Iterable[bytes], languages: Sequence[str]) -> str | None:
    """The encoding of lines that are not UTF-8, by the languages that they may be in; None if none fits."""
    data = b"\n".join(lines)
    codes = [language_of(code).code.partition("-")[0] for code in languages]
    candidates = [
        name for known, names in _LEGACY.items() if set(known.split()) & set(codes) for name in names
    ]
    for name in (*candidates, _WESTERN):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        special = [character for character in text if not character.isascii()]
        if special and sum(map(str.isalpha, special)) >= 0.8 * len(special):
            return name
    return None
