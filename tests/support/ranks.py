"""Starts several processes that train together, as torchrun would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.corpora import REPOSITORY


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_ranks(count: int, args: Sequence[str], cwd: Path) -> list[subprocess.Popen[str]]:
    """`count` processes `python args…`, each with its RANK; stderr is captured."""
    port = free_port()
    started = []
    for rank in range(count):
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        env = os.environ | {name: str(value) for name, value in told.items()}
        env |= {
            "MASTER_ADDR": "127.0.0.1",
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "TERM": "dumb",
        }
        process = subprocess.Popen(
            [sys.executable, *args],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
    return started


def run_ranks(count: int, args: Sequence[str], cwd: Path) -> list[subprocess.CompletedProcess[str]]:
    """What each of the processes said, once all have ended; by rank."""
    started = start_ranks(count, args, cwd)
    try:
        return [wait(process) for process in started]
    finally:
        for process in started:  # those that wait for one that did not end
            if process.poll() is None:
                process.kill()
                process.communicate()


def wait(process: subprocess.Popen[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """What a process said, once it has ended; it is killed if it does not in time."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
