"""Lets only one process at a time write to a run folder; the others are told which process it is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from mtkit.disk.files import recover, remove_own_file, write_text
from mtkit.disk.marks import claim, release
from mtkit.disk.reading import read_ordinary
from mtkit.errors import InputError, MtkitError, WriteError

LOCK, HOLDER = ".train.lock", ".train.holder"


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Locks the run folder within the block; the lock ends with the process at the latest.

    Raises:
        UsageError: the folder was not opened by `open_run`.
        MtkitError: another process has locked it.
        WriteError: the folder cannot be written.
    """
    real = Path(os.path.realpath(run))
    try:
        claim(real, LOCK)
        lock = filelock.FileLock(run / LOCK)  # the operating system releases it when the process ends
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise MtkitError(
            f"{run}: another process is training here: {holder_of(run)}.",
            "Wait for it, stop it, or choose another `run`.",
        ) from None
    except OSError as error:
        raise WriteError(
            f"{run}: cannot be written: {error.strerror or error}.", "Choose another `run`."
        ) from error
    try:
        with suppress(OSError):  # on a full disk: only affects the message to other processes
            recover(real, HOLDER)  # of a process that was killed while it wrote its name
            claim(real, HOLDER)
            began = time.strftime("%Y-%m-%d %H:%M:%S %z")
            write_text(run / HOLDER, f"process {os.getpid()} on {socket.gethostname()} since {began}\n")
        yield
    finally:
        remove_own_file(run / HOLDER)
        with suppress(OSError):
            release(real, HOLDER)
        lock.release()


def holder_of(run: Path) -> str:
    """The process that has locked the run folder, for messages."""
    try:
        return read_ordinary(run / HOLDER).decode(errors="replace").strip()[:200] or "unknown"
    except (OSError, InputError):
        return "it has just started or ended"
