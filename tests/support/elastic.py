"""Runs of several processes of which one is killed while they train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def last_step(run: Path) -> int:
    """The last step in the metrics of a run; 0 if there is none."""
    try:
        lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return 0
    return int(json.loads(lines[-1])["step"]) if lines else 0


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if parent == pid:
            children.append(int(stat.parent.name))
    return [one for child in children for one in (child, *below(child))]


def named(pid: int, words: str) -> list[int]:
    """Those of `below` whose command line has some words."""
    found = []
    for one in below(pid):
        try:
            line = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if words in line:
            found.append(one)
    return sorted(found)


def kill_when(process: subprocess.Popen[str], condition: Callable[[], bool], words: str) -> int:
    """Kills the last process below one whose command line has some words, once the condition holds."""
    while not condition():
        assert process.poll() is None, "it ended before"
        time.sleep(0.02)
    victim = named(process.pid, words)[-1]
    os.kill(victim, signal.SIGKILL)
    return victim
