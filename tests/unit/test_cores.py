from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtkit.cores import SPINS, cpu_quota, num_cores, spin_briefly, usable_cores

HALF_OF_FIVE = {"cpu.cfs_quota_us": "250000\n", "cpu.cfs_period_us": "100000\n"}
NO_LIMIT = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("own", "quota", "omp", "cores"),
    [
        (8, None, "", 8),
        (8, 0.3, "", 1),
        (8, 2.5, "", 2),
        (2, 6.0, "", 2),
        (8, None, "3,2", 3),
        (8, 4.0, "x", 4),
        (8, None, "0", 1),
    ],
)
def test_the_least_bound_counts(own: int, quota: float | None, omp: str, cores: int) -> None:
    assert usable_cores(own, quota, omp) == cores


def machine(root: Path, groups: str, files: dict[str, dict[str, str]]) -> Path:
    """A file system with the `groups` of this process and files in folders under /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for folder, contents in files.items():
        path = root / "sys/fs/cgroup" / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            (path / name).write_text(text, "ascii")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("", {}, None),
        ("0::/\n", {"": {"cpu.max": "max 100000\n"}}, None),
        ("0::/\n", {"": {"cpu.max": "30000 100000\n"}}, 0.3),
        ("0::/\n", {"": {"cpu.max": "nonsense"}}, None),
        # Version 2: the least of the group and all above it.
        ("0::/a/b\n", {"a/b": {"cpu.max": "150000 100000"}, "a": {"cpu.max": "400000 100000"}}, 1.5),
        ("0::/a/b\n", {"a/b": {"cpu.max": "max 100000"}, "a": {"cpu.max": "400000 100000"}}, 4.0),
        ("0::/a\n", {"a": {}, "b": {"cpu.max": "100000 100000"}}, None),
        # Within a container without a name space of its own, the path is that of the host.
        ("0::/docker/0123\n", {"": {"cpu.max": "200000 100000"}}, 2.0),
        ("0::/../outside\n", {"": {"cpu.max": "200000 100000"}}, 2.0),
        # Version 1: the controller may share its folder with others.
        ("3:cpu,cpuacct:/\n", {"cpu,cpuacct": NO_LIMIT}, None),
        ("3:cpu,cpuacct:/a\n", {"cpu,cpuacct": NO_LIMIT, "cpu,cpuacct/a": HALF_OF_FIVE}, 2.5),
        ("3:cpu:/a/b\n4:memory:/c\n", {"cpu/a": HALF_OF_FIVE, "cpu/a/b": NO_LIMIT}, 2.5),
        ("3:cpuset:/a\n", {"cpuset/a": HALF_OF_FIVE}, None),
        ("5:cpu:/docker/0123\n0::/\n", {"cpu": HALF_OF_FIVE}, 2.5),
        ("nonsense\n:\n::::\n", {"cpu": HALF_OF_FIVE}, 2.5),
    ],
)
def test_quotas_of_control_groups_are_read(
    groups: str, files: dict[str, dict[str, str]], quota: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(machine(tmp_path, groups, files)) == quota


def test_a_part_of_a_core_is_one_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(8)}, raising=False)
    assert num_cores(tmp_path) == 8
    assert num_cores(machine(tmp_path, "0::/pod\n", {"pod": {"cpu.max": "30000 100000"}})) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (tmp_path / "sys/fs/cgroup/pod/cpu.max").write_text("550000 100000")
    assert num_cores(tmp_path) == 3


@pytest.mark.parametrize("given", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY", None])
def test_threads_spin_briefly_unless_the_user_chose_otherwise(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "7")  # so that it is as before in the end
        monkeypatch.delenv(name)
    if given:
        monkeypatch.setenv(given, "7")
    spin_briefly()
    chosen = {"GOMP_SPINCOUNT": str(SPINS)} if given is None else {given: "7"}
    assert os.environ.items() >= chosen.items()
    assert ("GOMP_SPINCOUNT" in os.environ) == ("GOMP_SPINCOUNT" in chosen)
