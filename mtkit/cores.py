"""The processor cores that this process may use, and how its threads share them with other processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SPINS = 5_000
"""Rounds for which an OpenMP thread waits before it gives up its core; libgomp's own number is 300,000."""


def spin_briefly() -> None:
    """Lets OpenMP threads that wait for another one give up their core soon, unless the user chose otherwise.

    A thread that waits in a loop for one that has no core, because other processes compute too, keeps it
    waiting. Has an effect only before torch is loaded, and none on results.
    """
    if not os.environ.keys() & {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}:
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def num_cores(root: Path = Path("/")) -> int:
    """The cores for this process by its affinity, its control groups and OMP_NUM_THREADS; at least 1.

    Args:
        root: where `proc` and `sys` are.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable_cores(own, cpu_quota(root), os.environ.get("OMP_NUM_THREADS", ""))


def usable_cores(own: int, quota: float | None, omp: str) -> int:
    """The least of these bounds, but at least 1: 0.3 of a core is one worker.

    Args:
        own: cores that the process may run on.
        quota: of processor time, in cores; None if there is none.
        omp: OMP_NUM_THREADS, such as `4` or `4,2`; empty or invalid if it is not set.
    """
    asked = omp.partition(",")[0].strip()
    bounds = [own, *([int(quota)] if quota else []), *([int(asked)] if asked.isdecimal() else [])]
    return max(1, min(bounds))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The least quota of this process's control groups, version 1 or 2, in cores; None if there is none."""
    return min((quota for folder in _groups(root) if (quota := _quota(folder)) is not None), default=None)


def _groups(root: Path) -> Iterator[Path]:
    """The control groups of this process that may bound its processor time, and all that contain them.

    Within a container the group's path may be that of the host; then only the container's root is found.
    """
    mounted = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in ("0::/", "0:cpu:/", *lines):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        names = controllers.split(",")
        if controllers and "cpu" not in names:
            continue
        group = PurePosixPath("/", path).relative_to("/")
        if ".." in group.parts:  # outside of what can be seen here
            continue
        for mount in dict.fromkeys((controllers, "cpu" if controllers else "")):
            yield from (mounted / mount / part for part in (group, *group.parents))


def _quota(group: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        most, period = (group / "cpu.max").read_text("ascii").split()
        return None if most == "max" else int(most) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        time, each = (int((group / f"cpu.cfs_{name}_us").read_text("ascii")) for name in ("quota", "period"))
        return time / each if time > 0 else None
    return None
