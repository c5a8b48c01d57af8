"""The numbers of workers and threads that decode fastest, measured once for each machine and model.

Small matrix products are slower with a second thread; large ones may be faster. Free of torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from mtkit.disk.files import write_text
from mtkit.disk.reading import WRONG_VALUES, read_object, user_cache
from mtkit.errors import InputError, UsageError


class Layout(NamedTuple):
    """The number of batches that are decoded concurrently, and the number of threads for each."""

    workers: int
    threads: int

    def __str__(self) -> str:
        return f"{_counted(self.workers, 'worker')} of {_counted(self.threads, 'thread')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def layouts(cores: int) -> list[Layout]:
    """The layouts worth trying, starting with the one that is usually fastest."""
    return [Layout(cores // threads, threads) for threads in (1, 2, 4) if threads <= cores]


def cpu_flags() -> list[str]:
    """The processor's flags as Linux lists them; empty on other systems."""
    return _cpu("flags").split()


def _cpu(name: str) -> str:
    """A field of the first core in Linux's /proc/cpuinfo; empty if there is none."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith(name)), "")
    except OSError:
        return ""


def machine_key(model: str, cores: int) -> str:
    """The key of a measurement, which holds for one model on so many cores of one kind of machine."""
    cpu = _cpu("model name") or _cpu("CPU part")
    if not cpu:
        import platform

        cpu = platform.processor()
    return hashlib.sha256(f"{cpu} {cores} {model}".encode()).hexdigest()[:16]


def recall(key: str, cores: int) -> Layout | None:
    """The layout that `remember` stored, if there is one and it suits this number of cores."""
    try:
        workers, threads = read_object(_memory())[key]
        found = Layout(int(workers), int(threads))
    except (OSError, InputError, *WRONG_VALUES):
        return None
    return found if found in layouts(cores) else None


def remember(key: str, layout: Layout) -> None:
    """Stores a layout in the user's cache. Errors are ignored: it is then measured again."""
    try:
        known = read_object(_memory())
    except (OSError, InputError):
        known = {}
    with contextlib.suppress(OSError, UsageError, *WRONG_VALUES):
        write_text(_memory(), json.dumps({**known, key: layout}, indent=1) + "\n")


def _memory() -> Path:
    return user_cache() / "threads.json"
