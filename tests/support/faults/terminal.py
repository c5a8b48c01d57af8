"""What comes to a terminal: a pseudo-terminal to run commands under, and what on it would be obeyed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import threading
from pathlib import Path

from tests.support.faults.server import ForkServer

PAYLOADS = (
    "\x1b[2J",  # clears the screen
    "\x1b[38;5;201m",  # colours what follows
    "\x1b[8m",  # hides it
    "\x1b[6n",  # types an answer
    "\x1b[?1049h",  # another screen
    "\x1b]0;owned\x07",  # the window's title
    "\x1b]2;owned\x1b\\",
    "\x1b]52;c;b3duZWQ=\x07",  # the clipboard
    "\x1b]8;;http:x\x1b\\",  # a link
    "\x1bP$q\x1b\\",
    "\x1b_Gx\x1b\\",  # a picture
    "\x1bc",  # resets
    "\x1b(0",  # another alphabet
    "\x0e",
    "\x05",  # answers back
    "\x07",  # rings
    "\x08\x08\x08",  # overwrites
    "\rdone: BLEU 99.9",
    "\x0b",
    "\x0c",
    "\x00",
    "\x7f",
    "\x85",
    "\x9b2J",  # as ESC [, in one character
    "\x9d0;owned\x9c",
    "\u202e",  # turns what follows round
    "\u2066\u2069\u061c\u200e\u200f",
    "\u2028",
    "[red]",
    "[bold red on white]",
    "[link=x]",
    "[/foo]",
    ":skull:",
    "x" * 4000,
)
HARMLESS = {"[red]", "[bold red on white]", "[link=x]", "[/foo]", ":skull:"}
"""What a terminal shows as it is, and rich would not."""

_OURS = re.compile(
    r"\x1b\[(?:\?25[lh]|2K|\d*A|0?m|[1239]m|3[1-6]m|9[0-7]m|38;5;(?!201)\d+m|1;(?:2|3\d)m)|\r+\n|\r(?=\x1b\[)"
)
"""What our own live views and colours are made of."""
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def marked(number: int) -> str:
    """A payload between marks that tell that it was shown at all."""
    return f"<{number}{PAYLOADS[number]}{number}>"


def under_terminal(server: ForkServer, *argv: str, cwd: Path, **hooks: object) -> tuple[int, str]:
    """The exit code of `mtkit ARGV` at a wide terminal, and all that the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 400, 0, 0))
    got = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # so Linux reports the end of a pseudo-terminal
            while part := os.read(ours, 1 << 16):
                got.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        hooks = {"set_environ": {"TERM": "xterm-256color"}} | hooks
        code = server.mtkit(*argv, log=Path(os.ttyname(theirs)), cwd=cwd, **hooks).wait()
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    return code, got.decode(errors="surrogateescape")


def obeyed(shown: str) -> list[str]:
    """The control characters that a terminal got and that are not our own, each with what is around it."""
    rest = _OURS.sub(lambda found: "\n" if "\n" in found.group() else "", shown)
    return [rest[max(0, at.start() - 20) : at.end() + 20] for at in _OBEYED.finditer(rest)]
