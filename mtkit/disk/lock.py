"""One process at a time writes into a run folder, and whoever comes second learns who the first is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from mtkit.disk.files import remove_own_file, write_text
from mtkit.disk.marks import claim, release
from mtkit.disk.reading import read_ordinary
from mtkit.errors import InputError, MtkitError, WriteError

LOCK, HOLDER = ".train.lock", ".train.holder"


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Within the block no other process holds this run folder; one that dies holds it no longer.

    Raises:
        UsageError: `open_run` has not opened it.
        MtkitError: another process holds it.
        WriteError: the folder cannot be written.
    """
    real = Path(os.path.realpath(run))
    try:
        claim(real, LOCK)
        lock = filelock.FileLock(run / LOCK)  # of the operating system: it ends with the process
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
        with suppress(OSError):  # a full disk: only the message to others suffers
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
    try:
        return read_ordinary(run / HOLDER).decode(errors="replace").strip()[:200] or "unknown"
    except (OSError, InputError):
        return "it has just started or ended"
