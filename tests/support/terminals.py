"""Commands at a terminal."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

SECONDS = 90
CTRL_C, CTRL_D = b"\x03", b"\x04"


def session(folder: Path, command: list[str], steps: Sequence[tuple[bytes, bytes]]) -> tuple[str, int]:
    """What stands on the terminal in the end, and the exit code.

    Args:
        folder: where the command runs.
        command: its words.
        steps: what is waited for on the terminal, after the last step's; and what is typed then.
    """
    import pty  # not on every system

    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which tests that run in the background ignore
        os.execvp(command[0], command)
    shown, seen, alive = b"", 0, True

    def look() -> None:
        nonlocal shown, alive
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # the other end is closed
                data = b""
            shown, alive = shown + data, bool(data)

    end = time.monotonic() + SECONDS
    for wanted, typed in steps:
        while alive and wanted not in shown[seen:] and time.monotonic() < end:
            look()
        seen = len(shown)
        if typed == CTRL_C:  # which Python misses after it has shown a key and before it waits for the next
            time.sleep(1)
        os.write(terminal, typed)
    while alive and time.monotonic() < end:
        look()
    if alive:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return shown.decode(errors="replace").replace("\r\n", "\n"), code
