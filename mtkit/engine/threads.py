"""How many workers of how many threads decode fastest here: measured once for each machine and model.

Small products gain nothing from a second thread and lose much to it; large ones may gain. Free of torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from mtkit.disk.files import write_text
from mtkit.disk.reading import WRONG_VALUES, read_object, user_cache
from mtkit.errors import InputError, UsageError


class Layout(NamedTuple):
    """Batches that are decoded at once, and the threads that work at each."""

    workers: int
    threads: int

    def __str__(self) -> str:
        return f"{_counted(self.workers, 'worker')} of {_counted(self.threads, 'thread')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def layouts(cores: int) -> list[Layout]:
    """The layouts worth trying, the likeliest first."""
    return [Layout(cores // threads, threads) for threads in (1, 2, 4) if threads <= cores]


def cpu_flags() -> list[str]:
    """What the processor can do, in the words of Linux; nothing elsewhere."""
    return _cpu("flags").split()


def _cpu(name: str) -> str:
    """What Linux says of the first core; empty if nothing."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith(name)), "")
    except OSError:
        return ""


def machine_key(model: str) -> str:
    """What a measurement holds for: a model on this kind of machine."""
    cpu = _cpu("model name") or _cpu("CPU part")
    if not cpu:
        import platform

        cpu = platform.processor()
    return hashlib.sha256(f"{cpu} {num_cores()} {model}".encode()).hexdigest()[:16]


def recall(key: str) -> Layout | None:
    """The layout that was found fastest before, if any."""
    try:
        workers, threads = read_object(_memory())[key]
        found = Layout(int(workers), int(threads))
    except (OSError, InputError, *WRONG_VALUES):
        return None
    return found if found in layouts(num_cores()) else None


def remember(key: str, layout: Layout) -> None:
    """Keeps a layout for later; where nothing can be kept, it is measured again."""
    try:
        known = read_object(_memory())
    except (OSError, InputError):
        known = {}
    with contextlib.suppress(OSError, UsageError, *WRONG_VALUES):
        write_text(_memory(), json.dumps({**known, key: layout}, indent=1) + "\n")


def _memory() -> Path:
    return user_cache() / "threads.json"
