"""The lines that `translate` reads, as they come, and where it writes."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol, cast

from mtkit.cli import console
from mtkit.documents.formats import PACKED
from mtkit.errors import MtkitError, UsageError
from mtkit.text.visible import visible

if TYPE_CHECKING:
    from mtkit.translate.windows import Pause

CHUNK = 1 << 16

Flush = Literal["auto", "line", "batch"]

_QUIT = ("exit", "quit", ":q", ":quit")
_HOW = "Type a line and press Enter to translate it. :help explains, exit ends."
_HELP = "exit, quit or Ctrl-D ends. To translate exit or quit, type a space before one of these words."


class Output(Protocol):
    """The destination of translations."""

    def write(self, data: bytes, /) -> object:
        """Takes the next bytes."""

    def flush(self) -> None:
        """Lets them be seen."""

    def isatty(self) -> bool:
        """Whether a person sees them."""


# ---------------------------------------------------------------- reading


def read_windows(
    path: Path | None,
    flush: Flush,
    languages: tuple[str, str] = ("", ""),
    *,
    src_lang: str = "",
) -> Iterator[list[bytes] | Pause]:
    """Lines with their ends, in windows that fit memory, and the pauses of their sender.

    Args:
        path: of the file; None is standard input.
        flush: auto is as lines arrive: of a file in full windows, of a sender that pauses or a terminal what
            there is; line is one by one; batch is in full windows.
        languages: for the prompt.
        src_lang: the language of typed lines; empty for any.
    """
    if path is not None:
        from mtkit.data.read.lines import raw_lines
        from mtkit.disk.opening import open_input

        if flush == "auto" and path.is_fifo():
            return _arriving(open_input(path, "pipe"), str(path))
        return timed_windows(raw_lines(path, "pipe", archives=True), flush)
    from mtkit.translate.input import STDIN

    if sys.stdin is None:
        raise UsageError("standard input is closed.", "Name a file with -i.")
    if is_typed(path) and flush != "batch":
        return _typed(languages, src_lang)
    stream = cast(BufferedReader, sys.stdin.buffer)
    if flush == "auto":
        return _arriving(stream, STDIN)
    from mtkit.data.read.lines import bounded_lines

    return timed_windows(bounded_lines(stream, STDIN), flush)


class Meter:
    """How many bytes of an input of lines are answered.

    Args:
        path: of the file; None is standard input.

    Attributes:
        total: all bytes, if their number is known before they are read.
        done: those of the answered lines.
    """

    def __init__(self, path: Path | None) -> None:
        self.total = _size(path)
        self.done = 0
        self._lengths: deque[int] = deque()

    def read(self, windows: Iterable[list[bytes] | Pause]) -> Iterator[list[bytes] | Pause]:
        """The lines as they come."""
        for window in windows:
            if isinstance(window, list):
                self._lengths.extend(map(len, window))
            yield window

    def answered(self, lines: int) -> None:
        """Counts the next lines as answered."""
        for _ in range(min(lines, len(self._lengths))):
            self.done += self._lengths.popleft()


def _size(path: Path | None) -> int | None:
    """The bytes of a file, or those that are left of it on standard input; None if that is not known."""
    try:
        if path is not None:
            status = path.stat()
            return status.st_size if stat.S_ISREG(status.st_mode) and path.suffix not in PACKED else None
        descriptor = sys.stdin.fileno()
        status = os.fstat(descriptor)
        is_file = stat.S_ISREG(status.st_mode)
        return status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR) if is_file else None
    except (OSError, ValueError, AttributeError):  # no real file
        return None


def is_typed(path: Path | None) -> bool:
    """Whether somebody types the lines."""
    return path is None and sys.stdin is not None and sys.stdin.isatty()


def timed_windows(lines: Iterable[bytes], flush: Flush) -> Iterator[list[bytes] | Pause]:
    """The lines of a file, in full windows unless `flush` is line."""
    from mtkit.translate.windows import PAUSE, windows

    if flush != "line":
        yield from windows(lines)
        return
    for line in lines:
        yield [line]
        yield PAUSE


def _typed(languages: tuple[str, str], src_lang: str) -> Iterator[list[bytes] | Pause]:
    """Lines that a person types, with history and keys of the line if the answers are seen there too."""
    from mtkit.translate.windows import PAUSE

    at_terminal = sys.stdout is not None and sys.stdout.isatty()
    if at_terminal:
        import readline  # `input` uses it

        # As which a Ctrl-D comes that was typed while a line was translated.
        readline.parse_and_bind(r'"\C-@": "\C-d"')
    console.say(_HOW)
    prompt = "" if console.state.quiet else f"{'→'.join(filter(None, languages))}> "
    answered = False
    while True:
        if answered:
            console.say()
        if not at_terminal:  # `input` would write it among the answers
            console.prompt(prompt)
        try:
            line = input(prompt if at_terminal else "")
        except EOFError:
            console.end_line()
            return
        if line in _QUIT:
            return
        if answered := line != ":help":
            _check_language(line, src_lang)
            yield [line.encode(errors="replace") + b"\n"]
            yield PAUSE
        else:
            console.say(_HELP)


def _check_language(line: str, src_lang: str) -> None:
    """Warns about a typed line that the model cannot understand."""
    from mtkit.data.read.identify import other_language
    from mtkit.text.languages import english_name

    if src_lang and (other := other_language(line, src_lang)):
        console.warn(f"this looks like {other}. The model translates from {english_name(src_lang)}.")


def _arriving(stream: BufferedReader, name: str) -> Iterator[list[bytes] | Pause]:
    """Lines as they come: all that have come, and a pause when there are no more for now.

    A sender that is slow gets each answer at once; while one is worked out, a fast one fills the next window.
    """
    from mtkit.translate.windows import PAUSE, WINDOW, WINDOW_CHARS

    lines, given = [bytearray()], 0  # the last line is not complete yet
    while chunk := stream.read1(CHUNK):
        first, *others = chunk.split(b"\n")
        lines[-1] += first
        for other in others:
            lines[-1] += b"\n"
            lines.append(bytearray(other))
        if len(lines[-1]) > WINDOW_CHARS:
            _check_length(lines[-1], name, given + len(lines))
        while len(lines) > WINDOW:
            yield [bytes(line) for line in lines[:WINDOW]]
            del lines[:WINDOW]
            given += WINDOW
        waiting = not _more_is_there(stream)
        if len(lines) > 1 and (waiting or sum(map(len, lines)) > WINDOW_CHARS):
            yield [bytes(line) for line in lines[:-1]]
            given += len(lines) - 1
            del lines[:-1]
        if waiting:
            yield PAUSE
    if not lines[-1]:
        lines.pop()
    if lines:
        yield [bytes(line) for line in lines]


def _check_length(line: bytearray, name: str, number: int) -> None:
    from mtkit.data.read.lines import MAX_LINE, too_long  # here, since few inputs need it

    if len(line) >= MAX_LINE:
        raise too_long(name, number)


def _more_is_there(stream: BufferedReader) -> bool:
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):  # not something that can be waited for
        return True


# ---------------------------------------------------------------- writing


@contextmanager
def open_output(path: Path | None) -> Iterator[Output]:
    """The file at `path`, written whole or not at all, or standard output."""
    from mtkit.disk.output import output_file

    with say_unwritable(path):
        if path is not None:
            with output_file(path) as file:
                yield file
        elif sys.stdout is None:
            raise UsageError("standard output is closed.", "Name a file with -o.")
        else:
            with _ending_with_the_reader(sys.stdout.buffer):
                yield _Terminal(sys.stdout.buffer) if sys.stdout.isatty() else sys.stdout.buffer


@contextmanager
def say_unwritable(path: Path | None) -> Iterator[None]:
    """Turns what goes wrong in writing into an error that names the file; None is standard output."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if path is None:
            console.forget_stdout()
        raise MtkitError(f"{path or 'standard output'}: cannot be written: {error.strerror}.") from error


class _Terminal:
    """A terminal, which control characters in answers and data do not drive."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """See `Output`."""
        lines = data.decode(errors="replace").split("\n")
        self._stream.write("\n".join(visible(line.removesuffix("\r")) for line in lines).encode())

    def flush(self) -> None:
        """See `Output`."""
        self._stream.flush()

    def isatty(self) -> bool:
        """See `Output`."""
        return True


@contextmanager
def _ending_with_the_reader(stream: IO[bytes]) -> Iterator[None]:
    """Within the block the process ends when nobody reads the pipe any more, whatever it is waiting for."""
    try:
        descriptor = stream.fileno()
        piped = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (OSError, ValueError):  # no real file
        piped = False
    if not piped or not hasattr(select, "poll"):
        yield
        return
    working = True

    def wait() -> None:
        watch = select.poll()
        watch.register(descriptor, 0)
        gone = any(event & select.POLLERR for _, event in watch.poll())
        if gone and working:
            os._exit(141)

    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        working = False
