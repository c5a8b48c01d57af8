"""A full or read-only disk costs no checkpoint; training goes on where it can, and says what is missing."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import is_prepared, verify_prepared
from mtkit.model.checkpoint import newest_checkpoint
from tests.faults.test_stop import UPDATE
from tests.support.faults.bench import CONFIG, copy_prepared, outcome
from tests.support.faults.figures import trial
from tests.support.faults.server import Child, ForkServer
from tests.support.faults.trials import fill_disk

FULL = "a full or read-only disk or a lost log costs no checkpoint; training goes on, what is missing is told"
MISSING = re.compile(r"([\d,]+) bytes are needed, ([\d,]+) are free, ([\d,]+) are missing")
OUT = "previous translations\n"


class Disk:
    """A small file system of its own in memory: what can be filled, and made read-only even for root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, option: str) -> None:
        command = ["mount", "-o", f"remount,{option}", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)

    def free(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and the data of a run `prepared`."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "c.yaml").write_text(CONFIG.replace("tensorboard: false", "tensorboard: true"), "utf-8")
    prepare(load_config([folder / "c.yaml"], [f"run={folder / 'prepared'}"]).config)
    return folder


Start = Callable[..., Child]


@pytest.fixture
def train(server: ForkServer, prepared: Path) -> Start:
    def start(run: Path, **hooks: Any) -> Child:
        if not run.exists():
            copy_prepared(prepared / "prepared", run)
        log = prepared / f"{run.parent.parent.name}-{run.name}.log"
        log.unlink(missing_ok=True)
        return server.mtkit("train", "c.yaml", f"run={run}", log=log, cwd=prepared, **hooks)

    return start


@pytest.fixture(scope="module")
def whole(server: ForkServer, prepared: Path) -> dict[str, Any]:
    """What an undisturbed run leaves."""
    run = prepared / "whole"
    copy_prepared(prepared / "prepared", run)
    child = server.mtkit("train", "c.yaml", f"run={run}", log=prepared / "whole.log", cwd=prepared)
    assert child.wait() == 0, child.said()
    return outcome(run)


@pytest.mark.parametrize("left", [0, 30_000])
def test_the_disk_fills_while_training(left: int, disk: Disk, train: Start, whole: dict[str, Any]) -> None:
    """After the save of step 3: no checkpoint, no best model, no record and no TensorBoard find room."""
    run = disk.folder / "run"
    fill = {"target": UPDATE, "at": 5, "folder": str(disk.folder), "left": left}
    child = train(run, fill_disk_at_call=fill)
    code, said = child.wait(), child.said()
    newest, reasons = newest_checkpoint(run)
    told = [tuple(int(n.replace(",", "")) for n in found.groups()) for found in MISSING.finditer(said)]
    kept = code == 1 and newest is not None and newest.name == "step-00000003" and not reasons
    kept &= bool(told) and all(need - free == missing for need, free, missing in told)
    kept &= "Training goes on" in said and "step 12  valid" in said and "Traceback" not in said
    kept &= not list(run.rglob(".tmp-*"))
    disk.free()
    again = train(run)
    ended = again.wait()
    trial(
        FULL,
        struck="No space left on device" in said,
        kept=kept and ended == 0 and outcome(run) == whole,
        detail=(code, newest, told, said, again.said()),
    )


def test_a_disk_that_is_read_only(disk: Disk, train: Start, whole: dict[str, Any]) -> None:
    run = disk.folder / "run"
    hook = {"target": UPDATE, "at": 9, "number": 15, "marker": str(disk.folder / "struck")}
    assert train(run, signal_at_call=hook).wait() == 75
    disk.remount("ro")
    child = train(run)
    code, said = child.wait(), child.said()
    kept = code == 1 and "Read-only file system" in said and "Traceback" not in said
    kept &= newest_checkpoint(run)[0] is not None
    disk.remount("rw")
    ended = train(run).wait()
    trial(FULL, struck="Read-only" in said, kept=kept and ended == 0 and outcome(run) == whole, detail=said)


def test_files_that_may_not_grow(train: Start, whole: dict[str, Any], tmp_path: Path) -> None:
    """The same by a limit of the process, for which nobody has to be root."""
    run = tmp_path / "disk" / "run"
    child = train(run, limit_file_size={"size": 20_000})
    code, said = child.wait(), child.said()
    kept = code == 1 and "Training continues without this checkpoint" in said and "Traceback" not in said
    kept &= newest_checkpoint(run) == (None, [])
    ended = train(run).wait()
    trial(
        FULL, struck="File too large" in said, kept=kept and ended == 0 and outcome(run) == whole, detail=said
    )


@pytest.mark.parametrize("left", [0, 8_000, 30_000])
def test_the_disk_fills_while_preparing(left: int, disk: Disk, prepared: Path, server: ForkServer) -> None:
    """What was prepared before stays whole, what is half made goes, and the same command makes it good."""
    run = disk.folder / "run"
    copy_prepared(prepared / "prepared", run)
    config = load_config([prepared / "c.yaml"], [f"run={run}"]).config
    fill_disk(disk.folder, left)
    log = prepared / f"prepare-{left}.log"
    argv = ("prepare", "c.yaml", f"run={run}", "--force")
    code = server.mtkit(*argv, log=log, cwd=prepared).wait()
    said = log.read_text()
    kept = code == 1 and said.count("\n") == 1 and verify_prepared(config) > 0
    kept &= not list(run.rglob(".tmp-data*"))
    disk.free()
    ended = server.mtkit(*argv, log=log, cwd=prepared).wait()
    same = files_of(run / "data") == files_of(prepared / "prepared" / "data")
    trial(
        FULL,
        struck="No space left on device" in said,
        kept=kept and ended == 0 and is_prepared(config) and same,
        detail=(code, said, ended),
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".mtkit"
    }


@pytest.mark.parametrize("before", [None, OUT])
def test_the_disk_fills_while_translating(
    before: str | None, disk: Disk, model: Path, server: ForkServer, tmp_path: Path
) -> None:
    """Nothing is left that looks like translations; what was there before is there still."""
    source, target, log = tmp_path / "in", disk.folder / "out", tmp_path / "log"
    source.write_text("a b c\n" * 50, "utf-8")
    if before is not None:
        target.write_text(before, "utf-8")
    for folder, option, said in ((disk.folder, "rw", "No space left"), (disk.folder, "ro", "Read-only")):
        if option == "rw":
            fill_disk(folder, 0)
        else:
            disk.free()
            disk.remount("ro")
        argv = ("translate", "-m", str(model), "-i", str(source), "-o", str(target), "--beam-size", "1")
        log.unlink(missing_ok=True)
        code = server.mtkit(*argv, log=log, cwd=tmp_path).wait()
        told = log.read_text()
        left = sorted(path.name for path in folder.iterdir() if path.name != "filler")
        kept = code == 1 and left == ([] if before is None else ["out"]) and "Traceback" not in told
        trial(
            FULL,
            struck=said in told,
            kept=kept and (before is None or target.read_text() == before),
            detail=(code, left, told),
        )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY  # of the child alone
