"""Every trial is counted: whether its fault struck, and whether a promise broke; see `scripts/faults`."""

from __future__ import annotations

import json
import os
from pathlib import Path

VARIABLE = "MTKIT_FAULTS"
"""Names the file to which trials are added, if it is set."""


def trial(promise: str, *, struck: bool, kept: bool, detail: object = "") -> None:
    """Counts a trial.

    Args:
        promise: as docs/reliability.md names it.
        struck: the fault really came, and came where it was meant to; a trial without it proves nothing.
        kept: the promise held.
        detail: for the message of a failure.
    """
    if path := os.environ.get(VARIABLE):
        line = json.dumps({"promise": promise, "struck": struck, "kept": kept}) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.write(descriptor, line.encode())  # in one call, since several processes write
        os.close(descriptor)
    assert struck, f"{promise}: the fault did not strike: {detail}"
    assert kept, f"{promise}: broken: {detail}"


def read_trials(path: Path) -> dict[str, tuple[int, int, int]]:
    """Trials, faults that struck and violations, by promise."""
    found: dict[str, tuple[int, int, int]] = {}
    for line in path.read_text("utf-8").splitlines():
        values = json.loads(line)
        trials, struck, violations = found.get(values["promise"], (0, 0, 0))
        found[values["promise"]] = (
            trials + 1,
            struck + values["struck"],
            violations + (values["struck"] and not values["kept"]),
        )
    return found
