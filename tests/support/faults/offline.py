"""Refuses the network to a process, and to the Python processes that it starts; imports next to nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

VARIABLE = "MTKIT_TRIED"
_EVENTS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"}
_OWN = ("127.0.0.1", 9)


def refuse(tried: Path) -> None:
    """Refuses every attempt to find or to reach another machine, and writes it down, with one of its own."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _EVENTS and not (event.endswith(("connect", "bind")) and isinstance(args[-1], str)):
            with tried.open("a") as file:
                file.write("refused\n" if args[-1] == _OWN else f"{event} {args}\n")
            raise OSError(f"blocked: {event}")

    sys.addaudithook(hook)
    with contextlib.suppress(OSError), socket.socket() as one:
        one.connect(_OWN)


def refuse_to_children(tried: Path, folder: Path) -> None:
    """Every Python process that is started from here on begins with the same, by `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "from tests.support.faults import offline\n"
        "offline.refuse(pathlib.Path(os.environ[offline.VARIABLE]))\n"
    )
    os.environ[VARIABLE] = str(tried)
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"
