"""A process that has torch in memory and forks a child for each trial: starting torch is what costs.

Run as a script it answers requests, one JSON object a line: `{"call": "module:function", "args": {...},
"log": path}` starts a child and gives its pid; `{"wait": pid}` gives its exit code, -9 if it was killed.
If the log is a terminal, the child reads from it too.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.corpora import REPOSITORY

PATIENCE_S = 300.0
"""How long to wait for what must come: only a hang takes so long, however busy the machine is."""


class Child:
    """A trial that runs in a process of its own, in a new session."""

    def __init__(self, server: ForkServer, pid: int, log: Path) -> None:
        self._server = server
        self.pid = pid
        self.log = log
        self._code: int | None = None

    def wait(self) -> int:
        """Its exit code; the number of the signal that ended it, below zero."""
        if self._code is None:
            self._code = int(self._server.ask({"wait": self.pid}))
        return self._code

    def send(self, number: int) -> None:
        """A signal; it must not have been waited for."""
        assert self._code is None
        os.kill(self.pid, number)

    def kill_after(self, seconds: float) -> None:
        """SIGKILL, unless it has ended before."""
        time.sleep(seconds)
        os.kill(self.pid, signal.SIGKILL)  # a child that has ended stays known until it is waited for

    def said(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.log.read_text("utf-8", errors="replace")

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Returns as soon as `ready()`; fails after a while."""
        end = time.monotonic() + PATIENCE_S
        while not ready():
            assert time.monotonic() < end, f"waited in vain for {what}: {self.said()}"
            time.sleep(0.002)


class ForkServer:
    """Starts trials."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "TERM": "dumb"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.faults.server"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, call: str, log: Path, /, **args: Any) -> Child:
        """Calls `module:function` with these arguments in a child; what it returns is its exit code."""
        return Child(self, int(self.ask({"call": call, "args": args, "log": str(log)})), log)

    def mtkit(self, *argv: str, log: Path, cwd: Path, **hooks: Any) -> Child:
        """The command line `mtkit ARGV`, after each of `hooks`, functions of `trials`, was called."""
        return self.start("tests.support.faults.trials:command", log, argv=argv, cwd=str(cwd), hooks=hooks)

    def close(self) -> None:
        """Ends the server."""
        self._process.communicate(timeout=PATIENCE_S)


def _child(request: dict[str, Any]) -> int:
    os.setsid()
    log = os.open(request["log"], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log if os.isatty(log) else os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)  # none outlives the tests, or hangs in silence
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    module, _, name = request["call"].partition(":")
    try:
        code = getattr(importlib.import_module(module), name)(**request["args"])
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
        code = 99
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code or 0


def main() -> None:
    for module in (
        "mtkit.cli.app",
        "mtkit.cli.train_view",
        "mtkit.translate.translator",
        "mtkit.train.trainer",
    ):
        importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif not (answer := os.fork()):
            os._exit(_child(request))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
