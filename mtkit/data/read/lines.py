"""The bytes and lines of files: patterns, compression, encoding. Knows nothing of pairs."""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import IO, Any, cast

from mtkit.data.read.charset import as_utf8, is_document
from mtkit.data.read.repairs import BAD_UTF8, BYTE_ORDER_MARK, CARRIAGE_RETURN, Repairs
from mtkit.disk.opening import Accept, open_input
from mtkit.errors import InputError

MAX_LINE = 1 << 26
"""Most bytes of a line, which must fit in memory; no real text has longer ones."""

MAX_RATIO = 200
MAX_UNCHECKED = 1 << 28
"""A compressed file is refused once its content exceeds both this size and `MAX_RATIO` times its own."""

DEEP = "**"
MAX_DEEP = 2
"""How often a pattern may contain `**`: each one multiplies the number of folders to search."""

_BUFFER = 1 << 17
_PACKED_AT_ONCE = 1 << 10
"""Bytes to decompress at once; few, because they may expand to 30,000 times as many."""

MAX_XZ_MEMORY = 1 << 28
"""Most bytes of memory that an .xz file may require; `xz -9` requires 65 MiB."""

_BUNDLES = {".zip", ".tar", ".tgz", ".7z", ".rar"}
_MAGIC = (
    (b"\x1f\x8b\x08", ".gz"),
    *((b"BZh%d1AY&SY" % level, ".bz2") for level in range(1, 10)),
    (b"\xfd7zXZ\0", ".xz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"PK\x03\x04", ".zip"),
)
"""How compressed files begin, whatever they are called."""


def expand(path: Path) -> list[Path]:
    """The files that `path` names: itself, or the matches of its `*`, `?` and `[…]`, sorted by name.

    A path that matches nothing is returned itself; opening it then fails.

    Raises:
        InputError: it contains `**` more often than can be searched.
    """
    if not glob.has_magic(str(path)) or os.path.lexists(path):
        return [path]
    folder = Path(path.anchor)
    for part in path.relative_to(folder).parts:  # a folder may be called `d [v2]`
        if glob.has_magic(part) and not os.path.lexists(folder / part):
            break
        folder /= part
    found = folder.glob(_bounded_pattern(path, folder))
    return sorted(file for file in found if file.is_file()) or [path]


def _bounded_pattern(path: Path, folder: Path) -> str:
    """The parts of `path` below a folder, as a pattern that can be searched quickly."""
    parts = path.relative_to(folder).parts
    parts = tuple(
        part for part, before in zip(parts, ("", *parts), strict=False) if (part, before) != (DEEP, DEEP)
    )
    if parts.count(DEEP) > MAX_DEEP or any(DEEP in part != DEEP for part in parts):
        raise InputError(
            f"{path}: has {DEEP} more than {MAX_DEEP} times, or beside other characters.",
            f"Write {DEEP} for folders at any depth, between slashes and at most {MAX_DEEP} times.",
        )
    return str(PurePath(*parts))


def read_lines(path: Path, repairs: Repairs | None = None, encoding: str | None = None) -> Iterator[str]:
    r"""The lines of a text file, decompressed if it is a .gz, .bz2, .xz or .zst file.

    Only `\n` ends a line, or `\r` in a file without any `\n`; a `\r` before it and a byte order mark at the
    start of the file are dropped, and bytes that are not in the encoding become U+FFFD. All are counted in
    `repairs`, or logged at the end without it.

    Args:
        path: the file.
        repairs: counts what was repaired.
        encoding: of the file; without one, UTF-8 unless a mark at the start says UTF-16.

    Raises:
        InputError: the file is missing, damaged, explodes when decompressed, looks like UTF-16 without a
            mark, or has a line of more than `MAX_LINE` bytes.
    """
    found = Repairs() if repairs is None else repairs
    for number, raw in enumerate(_text_lines(path, encoding, found), start=1):
        if number == 1:
            raw = _without_mark(path, raw, found)
        yield _repaired(raw, path, number, found)
    if repairs is None:
        found.log()


def _text_lines(path: Path, encoding: str | None, repairs: Repairs | None) -> Iterator[bytes]:
    with open_text(path, encoding, repairs) as stream:
        yield from bounded_lines(stream, path)


@contextmanager
def open_text(
    path: Path, encoding: str | None = None, repairs: Repairs | None = None, accept: Accept = "stream"
) -> Iterator[IO[bytes]]:
    """Opens a text file as UTF-8 with line feeds, see `as_utf8` and `open_bytes`."""
    with open_bytes(path, accept) as stream:
        yield as_utf8(stream, path, encoding, repairs)


def read_texts(path: Path, repairs: Repairs, count: int, encoding: str | None = None) -> Iterator[str]:
    """The lines of `read_lines`, `count` at a time in one text, each ended by a line feed.

    The length of lines is not checked here, because `count_lines` has done so.
    """
    number = 1
    with open_text(path, encoding, repairs) as stream:
        while lines := list(islice(stream, count)):
            if number == 1:
                lines[0] = _without_mark(path, lines[0], repairs)
            data = b"".join(lines)
            try:
                text = "" if b"\r\n" in data or data.endswith(b"\r") else data.decode()
            except UnicodeDecodeError:
                text = ""
            if text:
                yield text if text.endswith("\n") else f"{text}\n"
            else:
                repaired = (_repaired(line, path, place, repairs) for place, line in enumerate(lines, number))
                yield "".join(f"{line}\n" for line in repaired)
            number += len(lines)


def _repaired(raw: bytes, path: Path, number: int, repairs: Repairs) -> str:
    """A line without its line ending."""
    raw = raw.removesuffix(b"\n")
    if raw.endswith(b"\r"):
        raw = raw[:-1]
        repairs.repair(CARRIAGE_RETURN, path, number)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        repairs.repair(BAD_UTF8, path, number)
        repairs.keep(raw)
        return raw.decode(errors="replace")


def _without_mark(path: Path, raw: bytes, repairs: Repairs) -> bytes:
    if raw.startswith(b"\xef\xbb\xbf"):
        repairs.repair(BYTE_ORDER_MARK, path, 1)
        return raw[3:]
    return raw


def raw_lines(path: Path, accept: Accept = "stream", archives: bool = False) -> Iterator[bytes]:
    """The decompressed lines of a file, with their line feeds; see `open_bytes`.

    Raises:
        InputError: as `read_lines`, except that the encoding is not checked.
    """
    with open_bytes(path, accept, archives) as stream:
        yield from bounded_lines(stream, path)


def bounded_lines(stream: IO[bytes], name: Path | str) -> Iterator[bytes]:
    """The lines of a stream called `name`, with their line feeds.

    Raises:
        InputError: a line is too long.
    """
    for number, line in enumerate(iter(partial(stream.readline, MAX_LINE), b""), start=1):
        if len(line) == MAX_LINE:
            raise too_long(name, number)
        yield line


def too_long(name: Path | str, number: int) -> InputError:
    """The error for a line that is too long."""
    return InputError(
        f"{name}:{number}: the line has more than {MAX_LINE:,} bytes, the maximum.",
        "Check that the file is text with one sentence per line.",
    )


def count_lines(path: Path, encoding: str | None = None) -> int:
    """The number of lines of `read_lines`, counted as fast as the file can be decompressed.

    Raises:
        InputError: as `read_lines`; or the file cannot be read a second time.
    """
    lines, begun = 0, 0
    with open_text(path, encoding, accept="file") as stream:
        while block := stream.read(_BUFFER):
            ended = block.count(b"\n")
            lines += ended
            begun = len(block) - block.rfind(b"\n") - 1 if ended else begun + len(block)
            if begun >= MAX_LINE:
                raise too_long(path, lines + 1)
    return lines + (begun > 0)


@contextmanager
def open_bytes(path: Path, accept: Accept = "stream", archives: bool = False) -> Iterator[IO[bytes]]:
    """Opens a file, decompressed by its suffix or first bytes; errors in the block are reported for `path`.

    Args:
        path: the file.
        accept: the kinds of files that are allowed, see `Accept`.
        archives: whether the file may be a zip archive, as office documents are; its bytes stay packed.

    Raises:
        InputError: the file is missing, cannot be read or decompressed, or expands too much.
    """
    if path.suffix in _BUNDLES:
        raise _bundle(path)
    try:
        with open_input(path, accept, _BUFFER) as file:
            yield _unpacked(path, file, archives)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, _DamagedError) as error:
        reason = str(error).rstrip(".") or "the data are damaged"
        raise InputError(
            f"{path}: cannot be decompressed: {reason}.", "Download or compress it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _bundle(path: Path) -> InputError:
    match path.suffix.lower():
        case ".xlsx" | ".ods":
            return InputError(f"{path}: is a spreadsheet.", "Save it as CSV in UTF-8.")
        case ".docx" | ".odt" | ".pptx" | ".odp" | ".epub":
            return is_document(path)
        case _:
            return InputError(f"{path}: is an archive of files.", "Unpack it, and use the files in it.")


def digest(path: Path) -> tuple[str, os.stat_result]:
    """The SHA-256 of a file's bytes, in hex, and the file's status before they were read.

    Raises:
        InputError: the file cannot be read, or not a second time.
    """
    try:
        with open_input(path, "file") as file:
            status = os.fstat(file.fileno())
            return hashlib.file_digest(file, "sha256").hexdigest(), status
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file.", "Check data.root and the paths in data."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


# ---------------------------------------------------------------- decompression


class _DamagedError(Exception):
    """Compressed data that is invalid."""


class _Bounded(io.RawIOBase):
    """The bytes of a decompressing stream; fails if they are far too many for the size of the file."""

    def __init__(self, stream: Any, path: Path, size: int) -> None:
        self._stream = stream
        self._path = path
        self._given = 0
        self._allowed = max(MAX_UNCHECKED, MAX_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = cast(int, self._stream.readinto(buffer))
        self._given += count
        if self._given > self._allowed:
            raise InputError(
                f"{self._path}: its size grows more than {MAX_RATIO} times when decompressed.",
                "Text does not compress that well. If you trust the file, decompress it first.",
            )
        return count


class _Members(io.RawIOBase):
    """The decompressed bytes of a file of one or more compressed members; only zeros may lie between them.

    The readers of the standard library ignore anything after the last member, and the reader of zstandard
    does not detect truncated files.

    Args:
        file: the compressed bytes.
        start: returns a decompressor for the next member.
        error: the exception that it raises for damaged bytes.
    """

    def __init__(self, file: IO[bytes], start: Callable[[], Any], error: type[Exception]) -> None:
        self._start, self._error = start, error
        self._chunks = self._decompress(file)
        self._rest = memoryview(b"")

    def _decompress(self, file: IO[bytes]) -> Iterator[bytes]:
        member = self._start()
        while packed := file.read(_PACKED_AT_ONCE):
            while packed := packed if member else packed.lstrip(b"\0"):
                member = member or self._start()
                try:
                    yield member.decompress(packed)
                except self._error as error:
                    raise _DamagedError(str(error)) from error
                packed, member = (member.unused_data, None) if member.eof else (b"", member)
        if member:
            raise EOFError("Compressed file ended before the end of its last member")

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


def _unpacked(path: Path, file: io.BufferedReader, archives: bool) -> IO[bytes]:
    """The content of a file, decompressed by its suffix, or else by its first bytes."""
    suffix = path.suffix
    if suffix not in (".gz", ".bz2", ".xz", ".zst"):
        head = file.peek(16)
        suffix = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    match suffix:
        case ".gz":
            stream: Any = gzip.GzipFile(fileobj=file)
        case ".bz2":
            stream = _Members(file, bz2.BZ2Decompressor, OSError)
        case ".xz":
            stream = _Members(file, partial(lzma.LZMADecompressor, memlimit=MAX_XZ_MEMORY), lzma.LZMAError)
        case ".zst":
            zstandard = _zstandard(path)
            stream = _Members(file, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError)
        case ".zip" if not archives:
            raise _bundle(path)
        case _:
            return file
    return io.BufferedReader(_Bounded(stream, path, os.fstat(file.fileno()).st_size), _BUFFER)


def _zstandard(path: Path) -> Any:
    try:
        import zstandard
    except ImportError:
        raise InputError(
            f"{path}: reading .zst requires zstandard.", "Install it: pip install zstandard."
        ) from None
    return zstandard
