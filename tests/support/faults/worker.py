"""A prefetch worker with faults; apart from the other trials, since it needs no torch and starts faster."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from mtkit.data.feed import loader, prefetch


def broken_work(kind: str, at: int, times: int, marker: Path, *args: Any) -> None:
    arrays = loader.Steps.arrays

    def faulty(self: loader.Steps, cursor: loader.Cursor) -> Any:
        for step in arrays(self, cursor):
            struck = len(marker.read_text().splitlines()) if marker.exists() else 0
            if step.cursor.step == at and struck < times:
                with marker.open("a") as file:
                    file.write(f"{os.getpid()} {kind} {at}\n")
                if kind == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                if kind == "fail":
                    raise ValueError("a batch that cannot be made")
                signal.pause()
            yield step

    loader.Steps.arrays = faulty  # type: ignore[method-assign]
    prefetch.work(*args)
