"""Parts of an input: each line is in one of them, with its number, whatever the bytes and the parts."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from mtkit.disk import partial
from mtkit.disk.partial import Job, partial_file, partial_paths
from mtkit.errors import InputError, InputsError
from mtkit.translate import divided
from mtkit.translate.divided import FilePart, PartLines, is_finished, join_parts, parts_of, write_record
from tests.support.corpora import REPOSITORY
from tests.support.faults.shim import Before, watched

REAL = (REPOSITORY / "docs" / "translate.md").read_bytes()[:4000]
HOSTILE = {
    "empty": b"",
    "one line feed": b"\n",
    "no line feed": b"the cat",
    "blank lines": b"\n\n\n\n\n",
    "real text": REAL,
    "carriage returns": b"the cat\r\na dog\r\r\n\r\nran\r",
    "not ended": b"the cat\na dog",
    "one line larger than a part": b"the cat\n" + b"dog " * 500 + b"\na mat\n",
    "other separators": "the\u2028cat\u2029\x0b\x0c\x85\x1ca dog\u2028\nran\n".encode(),
    "invalid bytes": b"\xff\xfe\n\x80\n\xc3\n\xe2\x80\n\xf0\x9f\n",
    "NUL and marks": b"\xef\xbb\xbf\0\n\0\0\n\xef\xbb\xbfa",
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("name", HOSTILE)
def test_each_line_is_in_the_part_in_which_it_begins(
    name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divided, "_BLOCK", block)
    data = HOSTILE[name]
    begins = [0, *(place + 1 for place, byte in enumerate(data) if byte == ord("\n"))]
    begins = [place for place in begins if place < len(data)]
    for suffix, pack in PACKED.items():
        path = tmp_path / f"in.txt{suffix}"
        path.write_bytes(pack(data))
        for count in (1, 2, 3, 7, len(begins) + 5, len(data) + 2 if len(data) < 50 else 50):
            for number in range(1, count + 1):
                low, high = (len(data) * k // count for k in (number - 1, number))
                own = [k for k, begin in enumerate(begins) if low <= begin < high]
                expected = [data[begins[k] : [*begins, len(data)][k + 1]] for k in own]
                lines = PartLines(path, FilePart(number, count))
                assert list(lines) == expected
                assert lines.size == len(data)
                assert lines.before == sum(begin < low for begin in begins)
                assert lines.end - lines.begin == sum(map(len, expected))
                assert (lines.begin == begins[own[0]]) if own else not expected


def test_a_line_that_is_too_long_is_named_by_its_number_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divided, "MAX_LINE", 100)
    path = tmp_path / "in.txt"
    path.write_bytes(b"cat\n" * 40 + b"d" * 100 + b"\n" + b"mat\n" * 50)
    assert len(list(PartLines(path, FilePart(1, 3)))) == 39
    with pytest.raises(InputError, match=r"in\.txt:41: the line has more"):
        list(PartLines(path, FilePart(2, 3)))
    lines = PartLines(path, FilePart(3, 3))
    assert lines.before == 53
    assert list(lines) == [b"mat\n"] * 38


# ---------------------------------------------------------------- joining


class Division:
    """An input whose lines are answered in capitals, in parts."""

    def __init__(self, folder: Path, data: bytes, count: int) -> None:
        self.source, self.target = folder / "in.txt", folder / "out.txt"
        self.source.write_bytes(data)
        self.parts = parts_of(count)
        self.asked: dict[str, str | bool] = {"the input": "in.txt 1234", "--json": False}
        self.more: dict[str, str] = {"the engine": "echo"}

    def job(self, part: FilePart) -> Job:
        return {**self.asked, **self.more, "--part": str(part)}

    def translate(self, *chosen: int) -> None:
        for number in chosen or range(1, len(self.parts) + 1):
            part = self.parts[number - 1]
            lines = PartLines(self.source, part)
            with partial_file(part.output(self.target), self.job(part)) as file:
                kept = list(islice(lines, file.lines))
                assert len(kept) == file.lines
                for line in lines:
                    file.add(1, line.upper())
                write_record(part, self.target, lines, file, self.job(part))

    def join(self) -> tuple[int, int]:
        return join_parts(self.source, self.target, self.parts, self.asked)

    def refused(self) -> list[str]:
        """What a join says, which leaves everything as it is."""
        before = files(self.target.parent)
        with pytest.raises(InputError) as caught:
            self.join()
        assert files(self.target.parent) == before
        return caught.value.lines()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def division(tmp_path: Path) -> Division:
    return Division(tmp_path, REAL, 5)


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("name", HOSTILE)
def test_the_joined_file_is_that_of_one_run(name: str, count: int, tmp_path: Path) -> None:
    division = Division(tmp_path, HOSTILE[name], count)
    order = list(range(1, count + 1))
    random.Random(count).shuffle(order)
    division.translate(*order)
    lines = HOSTILE[name].count(b"\n") + (not HOSTILE[name].endswith(b"\n") and bool(HOSTILE[name]))
    assert division.join() == (lines, len(HOSTILE[name]))
    assert files(tmp_path) == {"in.txt": HOSTILE[name], "out.txt": HOSTILE[name].upper()}


def test_missing_parts_are_named_with_the_command_that_makes_them(division: Division) -> None:
    division.translate(1, 3, 5)
    part = division.parts[3]
    partial_paths(part.output(division.target))[0].write_bytes(b"THE")
    second, fourth = division.refused()
    assert (
        "out.txt.part-2-of-5: part 2/5 is missing. Run, with the options of the other parts: mtkit" in second
    )
    assert second.endswith(f"translate -i {division.source} -o {division.target} --part 2/5")
    assert "part 4/5 is not finished." in fourth
    division.target.write_bytes(b"")
    assert "delete the parts left" in division.refused()[-1]


def test_a_part_of_another_job_is_named(division: Division) -> None:
    division.translate(1, 2, 3)
    division.asked["the input"] = "in.txt 5678"
    division.translate(4, 5)
    said = division.refused()
    assert [line[: line.index("Run")].partition(": ")[2] for line in said] == [
        f"part {number}/5 belongs to another job: the input was in.txt 1234, now in.txt 5678. "
        for number in (1, 2, 3)
    ]
    division.translate(1, 2, 3)
    division.more["the engine"] = "another"
    division.translate(2)
    (line,) = division.refused()
    assert "part 2/5 belongs to another job: the engine was another, now echo." in line


def test_damage_is_found(division: Division) -> None:
    division.translate()
    second = division.parts[1].output(division.target)
    good, record = second.read_bytes(), second.with_name(f"{second.name}.json")
    second.write_bytes(good[:-1])
    assert f"part 2/5 has {len(good) - 1:,} bytes, expected {len(good):,}." in division.refused()[0]
    second.write_bytes(good.replace(b"E", b"F", 1))
    assert "part 2/5 has changed since it was written." in division.refused()[0]
    second.write_bytes(good)
    raw = record.read_bytes()
    record.write_bytes(raw.replace(b'"lines": ', b'"lines": 1', 1))
    assert "is damaged, or was written by another version" in division.refused()[0]
    record.write_bytes(raw)
    third, fourth = (division.parts[place].output(division.target) for place in (2, 3))
    third.rename(second)
    third.with_name(f"{third.name}.json").rename(record)
    assert "part 2/5 belongs to another job: --part was 3/5, now 2/5." in division.refused()[0]
    fourth.unlink()
    fourth.symlink_to(division.source)
    assert "is a link or not a regular file" in division.refused()[2]


def test_a_gap_between_parts_is_found(division: Division) -> None:
    division.translate(1, 2, 3, 5)
    whole = division.source.read_bytes()
    division.source.write_bytes(b"\n" + whole)  # as if the input had been the same
    division.translate(4)
    assert "begins at byte" in division.refused()[0]
    division.source.write_bytes(whole)
    division.translate(4)
    assert division.join()[1] == len(whole)


def test_a_finished_part_is_known_and_one_of_another_job_is_not(division: Division) -> None:
    part = division.parts[1]
    assert not is_finished(part, division.target, division.job(part))
    division.translate(2)
    assert is_finished(part, division.target, division.job(part))
    assert not is_finished(part, division.target, {**division.job(part), "--json": True})
    part.output(division.target).write_bytes(b"")
    assert not is_finished(part, division.target, division.job(part))


def test_what_cannot_be_read_is_said_for_each_part(division: Division) -> None:
    division.translate()
    for part in division.parts:
        part.record(division.target).write_bytes(b"{}")
    with pytest.raises(InputsError) as caught:
        division.join()
    assert len(caught.value.problems) == 5


# ---------------------------------------------------------------- kills


class KilledError(OSError):
    """Stands for a process that is no more: whatever it does to the disk fails."""


def killed_from(at: int) -> Before:
    def before(call: object, number: int, write: object) -> None:
        if number >= at:
            raise KilledError

    return before


def test_killed_at_any_call_that_changes_the_disk_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "SECONDS_BETWEEN_SAVES", -1.0)
    data = b"the cat\r\n\na dog\nran"
    (tmp_path / "0").mkdir()
    division = Division(tmp_path / "0", data, 2)
    with watched() as calls:
        division.translate(1)
    alone = len(calls)
    division.translate(2)
    with watched() as calls:
        division.join()
    joining = len(calls)
    assert [call.name for call in calls[-4:]] == ["remove_file"] * 4
    assert min(alone, joining) > 8
    for at in range(1, max(alone, joining) + 1):
        (tmp_path / str(at)).mkdir()
        division = Division(tmp_path / str(at), data, 2)
        for number in (2, 1):
            with suppress(KilledError), watched(killed_from(at)):
                division.translate(number)
            part = division.parts[number - 1]
            if not is_finished(part, division.target, division.job(part)):
                assert not part.output(division.target).exists()
                division.translate(number)
        with suppress(KilledError), watched(killed_from(at)):
            division.join()
        if not division.target.exists():
            division.join()
            left = {path.name for path in division.target.parent.iterdir()}
            assert {name for name in left if not name.startswith(".tmp-")} == {"in.txt", "out.txt"}
        assert division.target.read_bytes() == data.upper()
