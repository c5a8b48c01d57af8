"""A folder of sentence pairs made by a command: written in several attempts if need be, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mtkit.disk.files import marked_folder, write_text
from mtkit.disk.marks import claim
from mtkit.disk.partial import Job, PartialFile, partial_file, partial_paths
from mtkit.disk.reading import read_object
from mtkit.errors import UsageError

KIND = "mtkit-pairs"
JOB = "job.json"
PAIRS_AT_ONCE = 1024
"""Pairs made together. A file is only continued after that many, so batches and bytes stay the same."""

Row = Sequence[str]
"""The cells of a line."""
Report = Callable[[str, int, int | None], None]
_FLAT = str.maketrans("\t\n\r", "   ")


class PairFolder:
    """Tables of tab-separated pairs, and the job that they were made for.

    Args:
        path: the folder; it is created.
        job: everything that decides the pairs.

    Raises:
        UsageError: the folder belongs to another job, or mtkit did not make it.
        InputError: the record of the job is damaged.
    """

    def __init__(self, path: Path, job: Job) -> None:
        self.path, self._job = path, job
        marked_folder(path, KIND)
        now = json.loads(json.dumps(job))
        try:
            before = read_object(path / JOB)
        except FileNotFoundError:
            claim(path, JOB)
            write_text(path / JOB, json.dumps(now, indent=1, ensure_ascii=False) + "\n")
            return
        if changed := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
            raise UsageError(
                f"{path}: was made by another job: {', '.join(changed)} changed.",
                "Use the same options, or name another folder.",
            )

    def has(self, name: str) -> bool:
        """Whether a table is finished."""
        return (self.path / name).is_file()

    @contextmanager
    def table(self, name: str) -> Iterator[PartialFile]:
        """A table that is finished if the block succeeds, and otherwise kept for the next attempt."""
        target = self.path / name
        claim(self.path, name, *(path.name for path in partial_paths(target)))
        with partial_file(target, self._job) as file:
            yield file

    def fill(self, name: str, make: Callable[[int], Iterator[Sequence[Row]]], report: Report) -> None:
        """Writes a table, or the rest of it; nothing if it is finished.

        Args:
            name: of the table.
            make: gives its rows in groups, from a row on that is a multiple of `PAIRS_AT_ONCE`.
            report: called with the rows made so far.
        """
        if self.has(name):
            return
        with self.table(name) as file:
            for rows in make(file.lines):
                file.add(len(rows), b"".join(map(_line, rows)))
                report(f"{name}: pairs made", file.lines, None)

    def count(self, name: str) -> tuple[int, int]:
        """The rows of a finished table, and those without an empty cell."""
        rows = usable = 0
        with (self.path / name).open("rb") as file:
            for line in file:
                rows += 1
                usable += all(line.rstrip(b"\n").split(b"\t"))
        return rows, usable


def _line(row: Row) -> bytes:
    return "\t".join(cell.translate(_FLAT) for cell in row).encode(errors="replace") + b"\n"
