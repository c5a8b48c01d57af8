"""Parallel text from its files, one pair at a time and as it stands there: nothing is cleaned here."""

from __future__ import annotations

import gzip
import importlib.util
import io
import logging
import lzma
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, assert_never

from mtkit.config.schema import PhrasebookSource, PlainSource, Source, TsvSource
from mtkit.data.pair import Pair
from mtkit.errors import InputError

logger = logging.getLogger(__name__)


def read_pairs(source: Source, src_lang: str, tgt_lang: str) -> Iterator[Pair]:
    """The pairs of `source`, in the order of its files and in constant memory.

    Raises:
        InputError: a file is missing or damaged, the two sides do not have equally many lines, or a line does
            not have its columns. Pairs before the fault have been given by then.
    """
    match source:
        case PlainSource():
            return _read_plain(source)
        case TsvSource():
            return _read_tsv(source)
        case PhrasebookSource():
            from mtkit.data.phrasebook.compose import compose

            pairs: Iterator[Pair] = compose(source.split, source.pairs, source.seed, src_lang, tgt_lang)
            return pairs
        case _:
            assert_never(source)


def source_name(source: Source) -> str:
    """A short name of `source` for tables and messages."""
    match source:
        case PlainSource():
            return f"{source.src.name} + {source.tgt.name}"
        case TsvSource():
            return source.path.name
        case PhrasebookSource():
            return f"phrasebook {source.split}"
        case _:
            assert_never(source)


def source_files(source: Source) -> list[Path]:
    """The files whose bytes decide what `source` gives."""
    match source:
        case PlainSource():
            return [source.src, source.tgt]
        case TsvSource():
            return [source.path]
        case PhrasebookSource():
            package = importlib.util.find_spec("mtkit.data.phrasebook")
            folders = package.submodule_search_locations if package else None
            files = (path for folder in folders or () for path in Path(folder).rglob("*"))
            return sorted(path for path in files if path.is_file() and path.parent.name != "__pycache__")
        case _:
            assert_never(source)


def _read_plain(source: PlainSource) -> Iterator[Pair]:
    both = zip_longest(read_lines(source.src), read_lines(source.tgt))
    for number, (src, tgt) in enumerate(both, start=1):
        if src is None or tgt is None:
            rest = number + sum(1 for _ in both)
            src_lines, tgt_lines = (number - 1, rest) if src is None else (rest, number - 1)
            raise InputError(
                f"{source.src}: has {src_lines:,} lines, but {source.tgt} has {tgt_lines:,}.",
                "Line N of one file must be the translation of line N of the other.",
            )
        yield Pair(src, tgt, f"{source.src}:{number}")


def _read_tsv(source: TsvSource) -> Iterator[Pair]:
    needed = max(source.src_column, source.tgt_column)
    for number, line in enumerate(read_lines(source.path), start=1):
        columns = line.split("\t")
        if source.columns not in (None, len(columns)):
            raise InputError(
                f"{source.path}:{number}: expected {source.columns} columns, found {len(columns)}.",
                "Set columns, or remove the extra tab."
                if len(columns) > needed
                else "Set columns, or repair the line.",
            )
        if len(columns) < needed:
            raise InputError(
                f"{source.path}:{number}: expected at least {needed} columns, found {len(columns)}.",
                "Set src_column and tgt_column, or repair the line.",
            )
        yield Pair(columns[source.src_column - 1], columns[source.tgt_column - 1], f"{source.path}:{number}")


# ---------------------------------------------------------------- lines of one file


def read_lines(path: Path) -> Iterator[str]:
    r"""The lines of a UTF-8 text file, decompressed if its name ends in .gz, .xz or .zst.

    Only `\n` ends a line; a `\r` before it and a byte order mark at the start of the file are dropped. Bytes
    that are not UTF-8 become U+FFFD, and a warning counts the lines that had some.

    Raises:
        InputError: the file is missing, cannot be decompressed, or is UTF-16.
    """
    repaired, first = 0, 0
    number = 0
    for number, raw in enumerate(_raw_lines(path), start=1):
        if number == 1:
            raw = _without_mark(path, raw)
        raw = raw.removesuffix(b"\n").removesuffix(b"\r")
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode(errors="replace")
            repaired, first = repaired + 1, first or number
        yield line
    if repaired:
        logger.warning(
            "%s:%d: bytes that are not UTF-8 were replaced by U+FFFD, in %d of %d lines.",
            path,
            first,
            repaired,
            number,
        )


def _without_mark(path: Path, raw: bytes) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16, expected UTF-8.", "Convert it: iconv -f UTF-16 -t UTF-8.")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with _open(path) as stream:
            yield from stream
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, expected a file.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        reason = str(error).rstrip(".") or "the data are damaged"
        raise InputError(
            f"{path}: cannot be decompressed: {reason}.", "Fetch or compress it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _open(path: Path) -> IO[bytes]:
    match path.suffix:
        case ".gz":
            return io.BufferedReader(gzip.open(path), 1 << 17)
        case ".xz":
            return io.BufferedReader(lzma.open(path), 1 << 17)
        case ".zst":
            return io.BufferedReader(_Zstd(path), 1 << 17)
        case _:
            return path.open("rb")


class _Zstd(io.RawIOBase):
    """The decompressed bytes of a .zst file of one or more frames.

    zstandard's own reader takes a truncated file for a short one; this one raises EOFError.
    """

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError:
            raise InputError(
                f"{path}: reading .zst needs zstandard.", 'Install it: pip install "mtkit[zstd]".'
            ) from None
        self._zstandard: Any = zstandard
        self._file = path.open("rb")
        self._chunks = self._decompress()
        self._rest = memoryview(b"")

    def _decompress(self) -> Iterator[bytes]:
        frame = None
        while packed := self._file.read(1 << 16):
            while packed:
                frame = frame or self._zstandard.ZstdDecompressor().decompressobj()
                try:
                    yield frame.decompress(packed)
                except self._zstandard.ZstdError as error:
                    raise EOFError(str(error)) from error
                packed = frame.unused_data
                if frame.eof:
                    frame = None
        if frame:
            raise EOFError("Compressed file ended before the end of its last frame")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()
