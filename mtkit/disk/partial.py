"""An output file that may be written in several attempts.

Finished output is kept beside it: `OUT.partial` has the bytes so far, and `OUT.partial.json` the job that
they belong to and its progress. Both are removed when `OUT` is complete.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.disk import calls as disk
from mtkit.disk.files import PRIVATE, make_folders, recover, remove_own_file, write_text
from mtkit.disk.manifest import manifest_bytes
from mtkit.disk.output import give_rights
from mtkit.disk.reading import WRONG_VALUES, ordinary_file, read_ordinary
from mtkit.errors import InputError, MtkitError, UsageError

FORMAT, VERSION = "mtkit-partial", 1
SECONDS_BETWEEN_SAVES = 5.0

Job = Mapping[str, str | int | float | bool | list[Any] | None]
"""Everything that decides the content of the file, by names that the user knows."""


@dataclass(slots=True)
class _Reached:
    """The progress of a job: `lines` of input were answered, in `bytes` of output with this hash."""

    lines: int
    bytes: int
    sha256: str


class PartialFile:
    """The open file; see `partial_file`.

    Attributes:
        path: file of the bytes so far.
        lines: lines of input answered so far, in this attempt and earlier ones.
    """

    def __init__(self, target: Path, job: Job) -> None:
        self.path, self._state = partial_paths(target)
        self._job = dict(job)
        before = _read_state(self._state, self.path, self._job)
        self._hash = hashlib.sha256()
        self.lines, self._bytes = 0, 0
        if before is None:
            if os.path.lexists(self.path):
                raise UsageError(
                    f"{self.path}: cannot be resumed, because there is no {self._state.name} for it.",
                    "Move it or remove it.",
                )
            self._save()
        self._descriptor = disk.extend(self.path, PRIVATE)
        try:
            _lock(self._descriptor, self.path)
            recover(target.parent, glob.escape(self._state.name))
            if before is not None:
                self._take(before)
            disk.truncate(self._descriptor, self._bytes)
            os.lseek(self._descriptor, self._bytes, os.SEEK_SET)
        except BaseException:
            self.close()
            raise
        self._saved = time.monotonic()

    def add(self, lines: int, answer: bytes) -> None:
        """Writes the answer to the next lines; saves now and then."""
        rest = memoryview(answer)
        while rest:
            rest = rest[disk.write(self._descriptor, rest) :]
        self._hash.update(answer)
        self.lines += lines
        self._bytes += len(answer)
        if time.monotonic() - self._saved > SECONDS_BETWEEN_SAVES:
            self.save()

    @property
    def fingerprint(self) -> tuple[int, str]:
        """Size and SHA-256 of the output so far."""
        return self._bytes, self._hash.hexdigest()

    def save(self) -> None:
        """Flushes everything to disk; a later attempt can resume from here."""
        disk.sync(self.path)
        self._save()
        self._saved = time.monotonic()

    def finish(self, target: Path) -> None:
        """Renames the complete file to `target`."""
        disk.truncate(self._descriptor, self._bytes)
        disk.sync(self.path)
        give_rights(self.path, target)
        disk.rename(self.path, target)
        disk.sync(target.parent)
        remove_own_file(self._state)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def _take(self, before: _Reached) -> None:
        """Resumes after the output of an earlier attempt, after comparing it with its hash."""
        with self.path.open("rb") as file:
            rest = before.bytes
            while rest and (block := file.read(min(rest, 1 << 20))):
                self._hash.update(block)
                rest -= len(block)
        if rest or self._hash.hexdigest() != before.sha256:
            raise InputError(
                f"{self.path}: has changed since it was written: expected {before.bytes:,} bytes for "
                f"{before.lines:,} lines.",
                f"It is damaged. Delete it and {self._state.name} to start over.",
            )
        self.lines, self._bytes = before.lines, before.bytes

    def _save(self) -> None:
        state = {
            "format": FORMAT,
            "version": VERSION,
            "lines": self.lines,
            "bytes": self._bytes,
            "sha256": self._hash.hexdigest(),
            "job": self._job,
        }
        write_text(self._state, manifest_bytes(state).decode(), PRIVATE)


@contextmanager
def partial_file(target: Path, job: Job) -> Iterator[PartialFile]:
    """A file that becomes `target` if the block succeeds, and otherwise is kept for the next attempt.

    Args:
        target: the name of the complete file; if it is a link, its target is written.
        job: an attempt resumes only if all of this is unchanged.

    Raises:
        UsageError: the partial file belongs to another or an unknown job.
        InputError: the partial file is damaged.
        MtkitError: another process is writing it.
    """
    if target.is_symlink():
        target = Path(os.path.realpath(target))
    make_folders(target.parent)
    file = PartialFile(target, job)
    try:
        yield file
        file.finish(target)
    except BaseException:
        with suppress(OSError):  # the disk may be full; what was saved before is still valid
            file.save()
        raise
    finally:
        file.close()


def partial_paths(target: Path) -> tuple[Path, Path]:
    """The files of the finished output of `target`, and of its progress."""
    return target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.partial.json")


def _read_state(path: Path, data: Path, job: dict[str, Any]) -> _Reached | None:
    """The progress of an earlier attempt at the same job; None if there was none."""
    try:
        raw = read_ordinary(path)
    except FileNotFoundError:
        return None
    try:
        state = json.loads(raw)
        if manifest_bytes({key: value for key, value in state.items() if key != "digest"}) != raw:
            raise ValueError
        if (state["format"], state["version"]) != (FORMAT, VERSION):
            raise ValueError
        reached = _Reached(state["lines"], state["bytes"], state["sha256"])
        before = dict(state["job"])
        if not all(type(count) is int and count >= 0 for count in (reached.lines, reached.bytes)):
            raise ValueError
    except WRONG_VALUES:
        raise InputError(
            f"{path}: is damaged, or was written by another version of mtkit.",
            f"Delete it and {data.name} to start over.",
        ) from None
    if not os.path.lexists(data):  # stopped before anything was written
        return None
    ordinary_file(data)
    changed = differences(before, job)
    if changed:
        raise UsageError(
            f"{data}: was started for another job: {changed}.",
            f"Use the same options, or delete it and {path.name} to start over.",
        )
    _compare_lines(path, data, reached, job.get("--n-best", 1))
    return reached


def differences(before: Job, now: Job) -> str:
    """What was decided otherwise, for people; empty if the two jobs are the same."""
    now = json.loads(json.dumps(now))
    changed = [
        f"{name} was {_short(before.get(name))}, now {_short(now.get(name))}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    return "; ".join(changed)


def _compare_lines(path: Path, data: Path, reached: _Reached, n_best: int) -> None:
    """Checks that there are 1 to `n_best` lines for each answered line; the last may have no line feed."""
    ended, rest = 0, reached.bytes
    with data.open("rb") as file:
        while rest and (block := file.read(min(rest, 1 << 20))):
            ended += block.count(b"\n")
            rest -= len(block)
    if not reached.lines - 1 <= ended <= reached.lines * n_best:
        raise InputError(
            f"{path}: says {reached.lines:,} lines, but {data.name} has {ended:,} of them.",
            f"It is damaged. Delete it and {data.name} to start over.",
        )


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _lock(descriptor: int, path: Path) -> None:
    """Locks the file while it is open, where the system supports locks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise MtkitError(
            f"{path}: another process is writing it.", "Wait for it, stop it, or choose another output."
        ) from None
    except OSError:  # a file system without locks
        return
