"""Everything that the commands write: results to stdout, all else to stderr.

Text is never interpreted: markup stays as it is, control characters are shown instead of obeyed.
Colours have one meaning each, and are shown on terminals only, unless NO_COLOR is set.
rich is imported when it is first needed, since it would slow every start.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from mtkit.errors import MtkitError
from mtkit.text.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

    from mtkit.data.prepare.stages import ReportProgress

    console: Console

SECONDS_BETWEEN_LINES = 10.0
"""Seconds between progress reports without a terminal."""

_COLOURS = ("cyan", "yellow", "magenta", "green", "red", "blue")
ERROR, WARNING, NEXT, STRONG = "1;31", "1;33", "32", "1"
"""The styles of text, as terminals know them."""


class _State:
    """The verbosity, and whether the process may end while threads still work."""

    quiet = False
    debug = False
    in_a_hurry = False


state = _State()


def __getattr__(name: str) -> Any:
    """`console`, the rich Console on stderr, made at its first use."""
    if name == "console":
        return _rich_console()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _rich_console() -> Console:
    from rich.console import Console

    return Console(
        stderr=True,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
        color_system="auto" if has_colours(sys.stderr) else None,
    )


def set_up(*, quiet: bool, debug: bool) -> None:
    """Sets how much is said, and lets the library's log messages be said too."""
    state.quiet, state.debug = quiet, debug
    logger = logging.getLogger("mtkit")
    logger.handlers = [_SayHandler()]
    logger.setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO)
    logger.propagate = False


def silence() -> None:
    """Says nothing from here on but how the command failed: another process speaks for this one."""
    state.quiet = True
    logging.getLogger("mtkit").setLevel(logging.ERROR)


class _SayHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = ERROR if record.levelno >= logging.ERROR else WARNING
        prefix = (
            [] if record.levelno <= logging.INFO else [Styled(f"{record.levelname.lower()}:", style), " "]
        )
        _write_prose(*prefix, record.getMessage())


def is_interactive() -> bool:
    """Whether something that moves may be drawn on stderr."""
    at_terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return at_terminal and not state.quiet


class Styled(str):
    """Text with a style of its own, where colours are shown."""

    style: str

    def __new__(cls, text: str, style: str) -> Styled:
        styled = super().__new__(cls, text)
        styled.style = style
        return styled


def strong(text: str) -> Styled:
    """A number that matters most."""
    return Styled(text, STRONG)


def has_colours(stream: TextIO | None) -> bool:
    """Whether text written to the stream may have colours."""
    allowed = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return allowed and stream is not None and stream.isatty()


def say(*parts: str) -> None:
    """A sentence for the person at the terminal, on stderr, broken at words; nothing with `--quiet`."""
    if not state.quiet:
        _write_prose(*parts)


def say_next(command: str) -> None:
    """The command that is usually run next, on stderr, in one line to be copied; nothing with `--quiet`."""
    if not state.quiet:
        _write(sys.stderr, Styled("Next:", NEXT), " ", Styled(command, NEXT))


def warn(text: str) -> None:
    """Something that is probably not as it should be, on stderr; nothing with `--quiet`."""
    say(Styled("warning:", WARNING), " ", text)


def prompt(text: str) -> None:
    """The beginning of a line that somebody is to type, on stderr."""
    _write(sys.stderr, text, end="")


def is_answerable() -> bool:
    """Whether somebody at a terminal can read a question and answer it."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def confirm(warning: str) -> bool:
    """Whether the person at the terminal wants what the warning says. Anything but `y` or `yes` is no."""
    _write_prose(Styled("warning:", WARNING), " ", warning)
    prompt("Continue? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def end_line() -> None:
    """Ends what somebody began to type, on stderr, so that what follows begins a line."""
    _write(sys.stderr, "")


def out(*parts: str) -> None:
    """A line of the command's result, on stdout."""
    _write(sys.stdout, *parts)


def out_prose(*parts: str, indent: int = 0) -> None:
    """A line of the result for people, on stdout, broken between words on a terminal.

    Args:
        parts: of the line.
        indent: spaces before its second line and the next ones.
    """
    _write(sys.stdout, *parts, width=width_on(sys.stdout), indent=indent)


def out_lines(text: str) -> None:
    """Several lines of the command's result, on stdout."""
    for line in text.split("\n"):
        out(line)


def out_coloured(cells: Sequence[tuple[str, int | None]]) -> None:
    """A line of the result, on stdout; what has a number has a colour if stdout is a terminal."""
    if sys.stdout is None or not sys.stdout.isatty():
        out("".join(text for text, _ in cells).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    line = Text()
    for text, number in cells:
        line.append(visible(text), None if number is None else _COLOURS[number % len(_COLOURS)])
    Console(highlight=False, soft_wrap=True).print(line)


def forget_stdout() -> None:
    """Lets what is still buffered go nowhere, so that Python does not fail on it when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(error: MtkitError) -> None:
    """Prints an error and its hint on stderr, even with `--quiet`."""
    for line in error.lines():
        _write_prose(Styled("error:", ERROR), " ", line)


def pass_on(text: str) -> None:
    """What another process of the command has written to its stderr, as it is."""
    if text and sys.stderr is not None:
        with contextlib.suppress(OSError):  # as in `_write`
            sys.stderr.write(text)
            sys.stderr.flush()


def trace(error: BaseException) -> None:
    """Prints the traceback on stderr."""
    import traceback

    for line in "".join(traceback.format_exception(error)).rstrip("\n").split("\n"):
        _write(sys.stderr, line)


def terminal_width() -> int:
    """The columns of the terminal; 80 if there is none."""
    if given := os.environ.get("COLUMNS"):
        return int(given)
    for stream in (sys.__stderr__, sys.__stdout__, sys.__stdin__):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            return os.get_terminal_size(stream.fileno()).columns or 80  # type: ignore[union-attr]
    return 80


def filled(text: str, width: int, indent: int = 0) -> str:
    """The text with some spaces replaced by line breaks, such that lines have at most `width` characters.

    With `indent`, there is room for so many spaces before all lines but the first.
    """
    begin = 0
    while len(text) - begin > width - (indent if begin else 0):
        spaces = len(text) - begin - len(text[begin:].lstrip())
        room = width - (indent if begin else 0)
        at = text.rfind(" ", begin + spaces, begin + room + 1)
        if at < 0 and (at := text.find(" ", begin + room)) < 0:
            break
        text = f"{text[:at]}\n{text[at + 1 :]}"
        begin = at + 1
    return text


def _from_here(text: str) -> str:
    """The text with paths below this folder as a person at the terminal would type them."""
    with contextlib.suppress(OSError):  # the folder is gone
        here = f"{Path.cwd()}/"
        if here in text:
            return re.sub(rf"(?<![\w./-]){re.escape(here)}", "", text)
    return text


def _write_prose(*parts: str) -> None:
    """A line on stderr, which on a terminal breaks between words only."""
    _write(sys.stderr, *parts, width=width_on(sys.stderr))


def _write(
    stream: TextIO | None, *parts: str, end: str = "\n", width: int | None = None, indent: int = 0
) -> None:
    if stream is None:
        return
    texts = [visible(part) for part in parts]
    if width is not None:
        texts = [_from_here(text) for text in texts]
        broken = filled("".join(texts), width, indent)  # of the same length
        ends = list(accumulate(map(len, texts)))
        texts = [broken[begin:stop] for begin, stop in pairwise([0, *ends])]
        texts = [text.replace("\n", f"\n{' ' * indent}") for text in texts]
    if has_colours(stream):
        texts = [
            f"\x1b[{part.style}m{text}\x1b[0m" if isinstance(part, Styled) else text
            for part, text in zip(parts, texts, strict=True)
        ]
    text = "".join(texts)
    try:
        stream.write(text + end)
        stream.flush()
    except OSError:
        if stream is not sys.stderr:  # a terminal that is gone ends no work
            raise


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    to_stdout: bool = False,
    strong: Collection[str] = (),
) -> None:
    """Aligned columns under their names, numbers to the right; on stderr unless it is the result.

    On a terminal, texts are broken to fit its width. The columns named in `strong` stand out there.
    """
    from mtkit.cli.columns import aligned

    stream = sys.stdout if to_stdout else sys.stderr
    if to_stdout or not state.quiet:
        for line in aligned(head, rows, width_on(stream), strong):
            _write(stream, *line)


def width_on(stream: TextIO | None) -> int | None:
    """The columns that a line on the stream may take: those of the terminal; None if it is none."""
    return terminal_width() if stream is not None and stream.isatty() else None


@contextmanager
def working(what: str) -> Iterator[None]:
    """Shows within the block what is going on: with something that moves on a terminal, elsewhere a line."""
    if not is_interactive():
        say(f"{what} …")
        yield
        return
    with _rich_console().status(f"{what} …", spinner="line"):
        yield


@contextmanager
def progress() -> Iterator[ReportProgress]:
    """A callable that shows how far the work is: a bar on a terminal, elsewhere a line now and then."""
    if not is_interactive():
        yield _PlainProgress()
        return
    from mtkit.cli.bars import bars

    with bars(_rich_console()) as report:
        yield report


class _PlainProgress:
    """A line for each thing that takes long, at most every `SECONDS_BETWEEN_LINES`."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._begun: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        began, first = self._begun.setdefault(what, (now, done))
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        line = f"{what}: {done:,}"
        if total is not None:
            line += f" of {total:,} ({100 * done // max(total, 1)} %)"
            if done > first:
                line += f", about {rough_time((total - done) * (now - began) / (done - first))} left"
        elif done > first:
            line += f", {(done - first) / (now - began):,.0f}/s"
        say(line)


def rough_time(seconds: float) -> str:
    """A duration in the one unit that tells enough: `40 s`, `12 min`, `3 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def size(number: float) -> str:
    """A readable number of bytes, such as `1.2 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:,.1f} {unit}"
    return f"{number / 1e3:,.1f} kB"
