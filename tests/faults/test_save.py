"""A checkpoint is whole and verified, or absent, whatever strikes at whichever call of a save."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mtkit.disk.files import recover
from mtkit.errors import WriteError
from mtkit.model.checkpoint import load_model, load_train_state, newest_checkpoint, step_folders
from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer
from tests.support.faults.shim import Call, Replay, failing, watched
from tests.support.faults.trials import save

WHOLE = "a checkpoint is whole and verified, or absent"
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)


@pytest.fixture(scope="module")
def before(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints 1 and 2, of which 2 stays when 3 is saved."""
    run = tmp_path_factory.mktemp("before")
    for step in (1, 2):
        save(str(model), str(run), step)
    return run


@pytest.fixture(scope="module")
def calls(model: Path, before: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """The calls of a save that nothing disturbs."""
    run = tmp_path_factory.mktemp("calls") / "run"
    shutil.copytree(before, run)
    with watched() as calls:
        save(str(model), str(run), 3)
    assert [folder.name for folder in step_folders(run / "checkpoints")] == ["step-00000002", "step-00000003"]
    return calls


def is_committed(calls: list[Call], done: int) -> bool:
    """Whether the save's first `done` calls are enough for the new checkpoint to stay."""
    renames = [index for index, call in enumerate(calls) if call.name == "rename"]
    return done > renames[0] + 1  # the rename, and then the parent is flushed


def state_of(run: Path) -> tuple[int, list[str]]:
    """The newest checkpoint's step, every number of it read; and why others were passed over."""
    newest, reasons = newest_checkpoint(run)
    if newest is None:
        return 0, reasons
    load_model(newest)
    tensors, progress = load_train_state(newest)
    step = int(progress["step"])
    assert newest.name == f"step-{step:08d}"
    assert all(bool((tensor == step).all()) for tensor in tensors.values())
    return step, reasons


def next_save_works(model: Path, run: Path) -> bool:
    """Whether the same save succeeds afterwards, and leaves nothing else behind."""
    with watched():
        recover(run / "checkpoints", "step-*")
        save(str(model), str(run), 3)
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    return state_of(run) == (3, []) and names == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("error", mostly_slow(ERRORS, [errno.ENOSPC]), ids=errno.errorcode.get)
def test_an_error_at_every_call(
    error: int, model: Path, before: Path, calls: list[Call], tmp_path: Path
) -> None:
    def fail() -> None:
        raise OSError(error, os.strerror(error))

    for at in range(1, len(calls) + 1):
        run = tmp_path / f"{at}"
        shutil.copytree(before, run)
        struck: list[Call] = []
        with watched(failing(at, fail, struck)):
            try:
                save(str(model), str(run), 3)
            except WriteError as failure:
                said = str(failure)
                assert os.strerror(error) in said
                assert error != errno.ENOSPC or "are missing" in said
        step, reasons = state_of(run)
        good = not reasons and step in (2, 3) and (step == 3) >= is_committed(calls, at - 1)
        trial(
            WHOLE,
            struck=[call.name for call in struck] == [calls[at - 1].name],
            kept=good and next_save_works(model, run),
            detail=(at, calls[at - 1], step, reasons),
        )


@pytest.mark.parametrize("first", mostly_slow((1, 2, 3, 4), [1]))
def test_killed_at_every_call(
    first: int, server: ForkServer, model: Path, before: Path, calls: list[Call], tmp_path: Path
) -> None:
    for at in range(first, len(calls) + 1, 4):
        run, marker = tmp_path / f"{at}", tmp_path / f"{at}.struck"
        shutil.copytree(before, run)
        args = {"model": str(model), "run": str(run), "step": 3, "at": at, "marker": str(marker)}
        child = server.start("tests.support.faults.trials:killed_save", tmp_path / "log", **args)
        code = child.wait()
        step, reasons = state_of(run)
        good = not reasons and step in (2, 3) and (step == 3) >= is_committed(calls, at - 1)
        trial(
            WHOLE,
            struck=code == -signal.SIGKILL and marker.read_text() == calls[at - 1].name,
            kept=good and next_save_works(model, run),
            detail=(at, calls[at - 1], step, reasons, child.said()),
        )


@pytest.mark.parametrize("names_survive", [False, True])
def test_a_power_cut_after_every_call(names_survive: bool, before: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(before, run)
    replay = Replay(run)
    with watched() as calls:
        save(str(model), str(run), 3)
    for done in range(len(calls) + 1):
        if done:
            replay.apply(calls[done - 1])
        left = tmp_path / f"{done}"
        replay.after_power_cut(left, names_survive=names_survive)
        step, reasons = state_of(left)
        good = not reasons and step in (2, 3) and (step == 3) >= is_committed(calls, done)
        lost = sum(file.stat().st_size for file in left.rglob("*") if file.is_file())
        trial(WHOLE, struck=True, kept=good, detail=(done, step, reasons, lost))
    whole = {path.relative_to(run) for path in run.rglob("*")}
    assert {path.relative_to(left) for path in left.rglob("*")} >= whole, "the replay lost what was flushed"


def test_without_flushing_the_power_cut_would_be_noticed(before: Path, model: Path, tmp_path: Path) -> None:
    """The proof of the proof: a save that flushes nothing fails the replay."""
    run = tmp_path / "run"
    shutil.copytree(before, run)
    replay = Replay(run)
    with watched() as calls:
        save(str(model), str(run), 3)
    for call in calls:
        if call.name != "sync":
            replay.apply(call)
    replay.after_power_cut(tmp_path / "left", names_survive=True)
    assert state_of(tmp_path / "left")[1], "unflushed files were taken for whole"
    replay.after_power_cut(tmp_path / "none", names_survive=False)
    assert state_of(tmp_path / "none") == (2, [])


def test_every_call_is_seen(
    server: ForkServer, model: Path, before: Path, calls: list[Call], tmp_path: Path
) -> None:
    """Python's own audit sees no other change of the disk than those that the shim counts."""
    run, seen = tmp_path / "run", tmp_path / "seen"
    shutil.copytree(before, run)
    args = {"model": str(model), "run": str(run), "step": 3, "seen": str(seen)}
    child = server.start("tests.support.faults.trials:audited_save", tmp_path / "log", **args)
    assert child.wait() == 0, child.said()
    expected = sorted(call.name for call in calls if call.name not in ("write", "sync"))
    assert sorted(seen.read_text().split()) == expected


INJECTED = [
    *((name, when, fault) for name in ("fsync", "write") for when in (1, 2, 3) for fault in ("EIO", "KILL")),
    *((name, 1, fault) for name in ("mkdir", "rename", "unlink", "rmdir") for fault in ("EROFS", "KILL")),
    *(("write", when, "ENOSPC") for when in (1, 2, 4, 6)),
]


QUICK = [("fsync", 1, "EIO"), ("fsync", 2, "KILL"), ("write", 1, "ENOSPC"), ("rename", 1, "KILL")]


@pytest.mark.parametrize(("name", "when", "fault"), mostly_slow(INJECTED, QUICK))
def test_the_kernel_says_no(
    name: str, when: int, fault: str, server: ForkServer, model: Path, before: Path, tmp_path: Path
) -> None:
    """The same by strace, which lets the system call itself fail, whoever makes it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    run, trace = tmp_path / "run", tmp_path / "trace"
    shutil.copytree(before, run)
    args = {"model": str(model), "run": str(run), "step": 3}
    child = server.start("tests.support.faults.trials:stopped_save", tmp_path / "log", **args)
    state = Path(f"/proc/{child.pid}/stat")
    child.wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the child to stop")
    what = "signal=SIGKILL" if fault == "KILL" else f"error={fault}"
    inject = f"inject={name}:{what}:when={when}"
    command = ["strace", "-f", "-o", str(trace), "-e", f"trace={name}", "-e", inject, "-p", str(child.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    if "attached" not in (said := tracer.stderr.readline()):
        child.send(signal.SIGKILL)
        pytest.skip(f"strace is not allowed here: {said}")
    child.send(signal.SIGCONT)
    code = child.wait()
    tracer.communicate()
    step, reasons = state_of(run)
    told = trace.read_text()
    trial(
        WHOLE,
        struck="killed by SIGKILL" in told if fault == "KILL" else "(INJECTED)" in told,
        kept=not reasons and step in (2, 3) and next_save_works(model, run) and code in (0, 7, -9),
        detail=(name, when, fault, code, step, reasons, child.said()),
    )
