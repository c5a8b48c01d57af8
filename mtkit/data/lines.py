"""The bytes and the lines of files: globs, compression, encoding. Nothing here knows of pairs."""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from mtkit.data.repairs import BAD_UTF8, BYTE_ORDER_MARK, CARRIAGE_RETURN, Repairs
from mtkit.errors import InputError

MAX_LINE = 1 << 26
"""Bytes of the longest line; there is no such text, and it has to fit in memory."""

MAX_RATIO = 200
MAX_UNCHECKED = 1 << 28
"""A compressed file is refused when it has grown beyond these bytes and `MAX_RATIO` times its size."""

_BUFFER = 1 << 17
_BUNDLES = {".zip", ".tar", ".tgz", ".7z", ".rar"}


def expand(path: Path) -> list[Path]:
    """The files that `path` stands for, sorted by name: itself, or what its `*`, `?` and `[…]` match.

    A path that matches nothing stands for itself, and is then missed by who opens it.
    """
    if not glob.has_magic(str(path)) or path.exists():
        return [path]
    found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return sorted(file for file in found if file.is_file()) or [path]


def read_lines(path: Path, repairs: Repairs | None = None) -> Iterator[str]:
    r"""The lines of a UTF-8 text file, decompressed if its name ends in .gz, .bz2, .xz or .zst.

    Only `\n` ends a line; a `\r` before it and a byte order mark at the start of the file are dropped, and
    bytes that are not UTF-8 become U+FFFD. Both are counted in `repairs`, or logged at the end without it.

    Raises:
        InputError: the file is missing, damaged, explodes when decompressed, is UTF-16, or has a line of more
            than `MAX_LINE` bytes.
    """
    found = Repairs() if repairs is None else repairs
    for number, raw in enumerate(raw_lines(path), start=1):
        if number == 1:
            raw = _without_mark(path, raw, found)
        yield _mended(raw, path, number, found)
    if repairs is None:
        found.log()


def read_texts(path: Path, repairs: Repairs, count: int) -> Iterator[str]:
    """What `read_lines` gives, `count` lines at a time in one text, each ended by a line feed.

    Lines are not bounded here: `count_lines` has refused those that are too long.
    """
    number = 1
    with open_bytes(path) as stream:
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
                mended = (_mended(line, path, place, repairs) for place, line in enumerate(lines, number))
                yield "".join(f"{line}\n" for line in mended)
            number += len(lines)


def _mended(raw: bytes, path: Path, number: int, repairs: Repairs) -> str:
    """A line without its end."""
    raw = raw.removesuffix(b"\n")
    if raw.endswith(b"\r"):
        raw = raw[:-1]
        repairs.repair(CARRIAGE_RETURN, path, number)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        repairs.repair(BAD_UTF8, path, number)
        return raw.decode(errors="replace")


def _without_mark(path: Path, raw: bytes, repairs: Repairs) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16, expected UTF-8.", "Convert it: iconv -f UTF-16 -t UTF-8.")
    if raw.startswith(b"\xef\xbb\xbf"):
        repairs.repair(BYTE_ORDER_MARK, path, 1)
        return raw[3:]
    return raw


def raw_lines(path: Path) -> Iterator[bytes]:
    """The decompressed lines of a file, with their line feeds.

    Raises:
        InputError: as `read_lines`, but for the encoding.
    """
    with open_bytes(path) as stream:
        yield from bounded_lines(stream, path)


def bounded_lines(stream: IO[bytes], name: Path | str) -> Iterator[bytes]:
    """The lines of a stream called `name`, with their line feeds.

    Raises:
        InputError: one is too long.
    """
    for number, line in enumerate(iter(partial(stream.readline, MAX_LINE), b""), start=1):
        if len(line) == MAX_LINE:
            raise too_long(name, number)
        yield line


def too_long(name: Path | str, number: int) -> InputError:
    """What to raise at a line of more bytes than fit."""
    return InputError(
        f"{name}:{number}: has more than {MAX_LINE:,} bytes, the most that a line may have.",
        "Check that the file is text with one sentence a line.",
    )


def count_lines(path: Path) -> int:
    """How many lines `read_lines` would give, found as fast as the file can be decompressed.

    Raises:
        InputError: as `read_lines`.
    """
    lines, begun = 0, 0
    with open_bytes(path) as stream:
        while block := stream.read(_BUFFER):
            ended = block.count(b"\n")
            lines += ended
            begun = len(block) - block.rfind(b"\n") - 1 if ended else begun + len(block)
            if begun >= MAX_LINE:
                raise too_long(path, lines + 1)
    return lines + (begun > 0)


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to read, decompressed by its suffix; what goes wrong inside the block is said of `path`.

    Raises:
        InputError: the file is missing, cannot be read or decompressed, or explodes.
    """
    try:
        with _open(path) as stream:
            yield stream
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, expected a file.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, _Bz2Error) as error:
        reason = str(error).rstrip(".") or "the data are damaged"
        raise InputError(
            f"{path}: cannot be decompressed: {reason}.", "Fetch or compress it again."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def _open(path: Path) -> IO[bytes]:
    if path.suffix in _BUNDLES:
        raise InputError(f"{path}: is an archive of files.", "Unpack it, and name the files in it.")
    unpack = _UNPACK.get(path.suffix)
    if unpack is None:
        return path.open("rb", _BUFFER)
    return io.BufferedReader(_Bounded(unpack(path), path), _BUFFER)


class _Bounded(io.RawIOBase):
    """The bytes of a decompressing stream until they are far too many for the size of the file."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._given = 0
        self._allowed = max(MAX_UNCHECKED, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = cast(int, self._stream.readinto(buffer))
        self._given += count
        if self._given > self._allowed:
            raise InputError(
                f"{self._path}: grows to more than {MAX_RATIO} times its size when decompressed.",
                "Text does not; if you trust the file, decompress it first.",
            )
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self, "_stream"):
            self._stream.close()
        super().close()


class _Bz2Error(Exception):
    """Bytes that are not what bzip2 writes."""


class _Bz2(bz2.BZ2File):
    """A .bz2 file whose damage can be told from a failing disk: bz2 raises OSError for both."""

    def readinto(self, buffer: Any, /) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            if error.errno is None:
                raise _Bz2Error(str(error)) from error
            raise


class _Zstd(io.RawIOBase):
    """The decompressed bytes of a .zst file of one or more frames.

    zstandard's own reader takes a truncated file for a short one; this one raises EOFError.
    It takes little at a time, since a few bytes may stand for very many.
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
        while packed := self._file.read(1 << 12):
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


_UNPACK: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": _Bz2,
    ".xz": lzma.LZMAFile,
    ".zst": _Zstd,
}
