"""The lines that `translate` reads, as they come, and where it writes."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from mtkit.cli import console
from mtkit.errors import MtkitError, UsageError

CHUNK = 1 << 16


def read_windows(path: Path | None) -> Iterator[list[bytes]]:
    """Lines with their ends: of a file in windows that fit memory, of standard input as they arrive."""
    if path is not None:
        from mtkit.data.lines import raw_lines
        from mtkit.engine.translator import windows

        return windows(raw_lines(path))
    if sys.stdin is None:
        raise UsageError("standard input is closed.", "Name a file by -i.")
    if sys.stdin.isatty():
        console.say("Type a line to translate and press Enter; Ctrl-D ends.")
    return _arriving(cast(BufferedReader, sys.stdin.buffer))


def _arriving(stream: BufferedReader) -> Iterator[list[bytes]]:
    """Lines as they come: all that have come, and an empty window when there are no more for now.

    A sender that is slow gets each answer at once; while one is worked out, a fast one fills the next window.
    """
    from mtkit.engine.translator import WINDOW, WINDOW_CHARS

    lines = [bytearray()]  # the last one is not complete yet
    while chunk := stream.read1(CHUNK):
        first, *others = chunk.split(b"\n")
        lines[-1] += first
        for other in others:
            lines[-1] += b"\n"
            lines.append(bytearray(other))
        while len(lines) > WINDOW:
            yield [bytes(line) for line in lines[:WINDOW]]
            del lines[:WINDOW]
        if len(lines) > 1 and (sum(map(len, lines)) > WINDOW_CHARS or not _more_is_there(stream)):
            yield [bytes(line) for line in lines[:-1]]
            yield []
            del lines[:-1]
    if not lines[-1]:
        lines.pop()
    if lines:
        yield [bytes(line) for line in lines]


def _more_is_there(stream: BufferedReader) -> bool:
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):  # not something that can be waited for
        return True


@contextmanager
def open_output(path: Path | None) -> Iterator[IO[bytes]]:
    """The file at `path`, written whole or not at all, or standard output; a terminal obeys nothing of it."""
    from mtkit.files import atomic_file

    try:
        if path is not None:
            with atomic_file(path) as file:
                yield file
        elif sys.stdout is not None:
            yield cast(IO[bytes], console.TerminalWriter()) if sys.stdout.isatty() else sys.stdout.buffer
        else:
            raise UsageError("standard output is closed.", "Name a file by -o.")
    except BrokenPipeError:
        raise
    except OSError as error:
        if path is None:
            console.forget_stdout()
        raise MtkitError(f"{path or 'standard output'}: cannot be written: {error.strerror}.") from error
