from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mtkit.disk import files
from mtkit.disk.output import check_not_read, is_ordinary, output_file
from mtkit.errors import UsageError
from tests.support.corpora import REPOSITORY

TEXT = b"le chat\n"


def put(path: Path) -> None:
    with output_file(path) as file:
        file.write(TEXT)


def test_a_device_is_written_into_and_stays_one() -> None:
    ours, theirs = os.openpty()
    path = Path(os.ttyname(theirs))
    put(path)
    assert os.read(ours, 100) == TEXT.replace(b"\n", b"\r\n")
    assert stat.S_ISCHR(path.stat().st_mode)
    os.close(ours)
    os.close(theirs)


def test_a_pipe_gets_the_text_and_stays_one(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    put(pipe)
    reader.join()
    assert got == [TEXT]
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_descriptor_is_written_into_where_it_stands(name: str, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from mtkit.disk.output import output_file
with output_file(Path({name!r})) as file:
    file.write({TEXT!r})
"""
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    inode = log.stat().st_ino
    with log.open("ab") as stdout:
        subprocess.run([sys.executable, "-c", code], stdout=stdout, check=True, cwd=REPOSITORY)
    assert log.read_bytes() == b"before\n" + TEXT
    assert log.stat().st_ino == inode


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    for name, there in (("kept", True), ("fresh", False)):
        target, link = tmp_path / name, tmp_path / f"link-{name}"
        if there:
            target.write_bytes(b"old")
        link.symlink_to(target)
        put(link)
        assert link.is_symlink()
        assert target.read_bytes() == TEXT


def test_rights_and_owner_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 1234, 5678)
    before = path.stat()
    put(path)
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o026)
    try:
        put(tmp_path / "out")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_second_name_of_the_old_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_bytes(b"old")
    (tmp_path / "out").hardlink_to(tmp_path / "thesis")
    put(tmp_path / "out")
    assert (tmp_path / "thesis").read_bytes() == b"old"


@pytest.mark.parametrize("kind", ["hard link", "link", "pipe", "folder"])
def test_a_temporary_name_that_is_taken_is_never_written_to(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "new_id", lambda: "0" * 32)
    trap, thesis = tmp_path / f".tmp-out-{'0' * 32}", tmp_path / "thesis"
    thesis.write_bytes(b"old")
    match kind:
        case "hard link":
            trap.hardlink_to(thesis)
        case "link":
            trap.symlink_to(thesis)
        case "pipe":
            os.mkfifo(trap)
        case _:
            trap.mkdir()
    with pytest.raises(FileExistsError):
        put(tmp_path / "out")
    assert thesis.read_bytes() == b"old"
    assert os.path.lexists(trap)
    assert not (tmp_path / "out").exists()


def test_temporary_names_differ_each_time(tmp_path: Path) -> None:
    assert len({files.temporary_path(tmp_path / "out") for _ in range(100)}) == 100


def test_a_name_as_long_as_possible(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    put(path)
    assert path.read_bytes() == TEXT
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")

    def fail() -> None:
        with output_file(tmp_path / "out") as file:
            file.write(TEXT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out": b"old"}


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder, expected a file"):
        put(tmp_path)


def test_what_is_being_read_is_no_output(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(TEXT)
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    for name in ("in", "link", "hard"):
        with pytest.raises(UsageError, match="is also the input"):
            check_not_read(tmp_path / name, {"the input": source})
    check_not_read(tmp_path / "other", {"the input": source})
    code = """
import sys
from pathlib import Path
from mtkit.disk.output import check_not_read
check_not_read(Path(sys.argv[1]), {"the input": None})
"""
    command = [sys.executable, "-c", code, str(source)]
    with source.open("rb") as stream:
        done = subprocess.run(command, stdin=stream, cwd=REPOSITORY, capture_output=True, check=False)
    assert b"is also the input" in done.stderr


def test_what_can_be_written_in_several_attempts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert is_ordinary(tmp_path / "new")
    assert not is_ordinary(tmp_path / "pipe")
    assert not is_ordinary(Path("/dev/stdout"))
