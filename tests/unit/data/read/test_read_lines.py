from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mtkit.data.read import lines as module
from mtkit.data.read.lines import count_lines, expand, read_lines
from mtkit.data.read.repairs import BAD_UTF8, BYTE_ORDER_MARK, CARRIAGE_RETURN, Repairs
from mtkit.errors import InputError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
MANY = b"".join(b"line %d of some text\n" % number for number in range(50_000))


def lines(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    return list(read_lines(path))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\nb\n", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\n", ["a\rb"]),
        ("a\u2028b\x85c\x0bd\x0ce\x1cf\x00g\n".encode(), ["a\u2028b\x85c\x0bd\x0ce\x1cf\x00g"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("\U0001f600 \u05e9\u05dc\u05d5\u05dd\n".encode(), ["\U0001f600 \u05e9\u05dc\u05d5\u05dd"]),
    ],
)
@pytest.mark.parametrize("suffix", COMPRESS)
def test_only_line_feeds_separate(suffix: str, data: bytes, expected: list[str], tmp_path: Path) -> None:
    assert lines(tmp_path / f"text{suffix}", COMPRESS[suffix](data)) == expected


def test_bad_bytes_are_replaced_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = b"good\nlone surrogate \xed\xa0\x80\nlatin \xe9t\xe9\nlast\n"
    assert lines(tmp_path / "text", data) == [
        "good",
        "lone surrogate \ufffd\ufffd\ufffd",
        "latin \ufffdt\ufffd",
        "last",
    ]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith("text:2: bytes that are not UTF-8, replaced by U+FFFD (2 times).")


def test_repairs_are_counted_and_their_first_places_kept(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n" + b"\xff\r\n" * 7)
    repairs = Repairs()
    assert len(list(read_lines(path, repairs))) == 8
    assert {kind: fault.count for kind, fault in repairs.repaired.items()} == {
        BYTE_ORDER_MARK: 1,
        CARRIAGE_RETURN: 8,
        BAD_UTF8: 7,
    }
    assert repairs.repaired[BAD_UTF8].places == [f"{path}:{number}" for number in range(2, 7)]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\nb", b"a\n\nb\n", MANY])
def test_lines_are_counted_as_they_are_read(suffix: str, data: bytes, tmp_path: Path) -> None:
    assert len(lines(tmp_path / f"text{suffix}", COMPRESS[suffix](data))) == count_lines(
        tmp_path / f"text{suffix}"
    )


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_file_that_explodes_is_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNCHECKED", 1_000_000)
    packed = COMPRESS[suffix](b"0" * 79 + b"\n")
    assert lines(tmp_path / f"small{suffix}", packed) == ["0" * 79]
    bomb = COMPRESS[suffix]((b"0" * 79 + b"\n") * 200_000)
    assert len(bomb) < 80_000
    with pytest.raises(InputError, match=rf"bomb{suffix}: its size grows more than 200 times"):
        lines(tmp_path / f"bomb{suffix}", bomb)


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINE", 1000)
    assert lines(tmp_path / "text", b"x" * 998 + b"\n") == ["x" * 998]
    with pytest.raises(InputError, match=r"text:2: the line has more than 1,000 bytes"):
        lines(tmp_path / "text", b"a\n" + b"x" * 1001)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
def test_an_archive_of_files_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name}: is an archive of files"):
        lines(tmp_path / name, b"PK")


def test_patterns_stand_for_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b-1.en", "a-2.en", "a-1.en", "a-1.fr", "odd[1].en"):
        (tmp_path / name).touch()
    (tmp_path / "dir.en").mkdir()
    assert [path.name for path in expand(tmp_path / "[ab]-*.en")] == ["a-1.en", "a-2.en", "b-1.en"]
    assert [path.name for path in expand(tmp_path / "?-1.en")] == ["a-1.en", "b-1.en"]
    assert expand(tmp_path / "odd[1].en") == [tmp_path / "odd[1].en"]
    assert expand(tmp_path / "none*.en") == [tmp_path / "none*.en"]
    with pytest.raises(InputError, match=r"none\*\.en: there is no such file"):
        list(read_lines(tmp_path / "none*.en"))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_line_of_a_megabyte(suffix: str, tmp_path: Path) -> None:
    long = "x" * 1_000_000
    assert lines(tmp_path / f"text{suffix}", COMPRESS[suffix](f"a\n{long}\nb\n".encode())) == ["a", long, "b"]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_several_compressed_parts_in_one_file(suffix: str, tmp_path: Path) -> None:
    data = COMPRESS[suffix](MANY) + COMPRESS[suffix](b"end\n")
    found = lines(tmp_path / f"text{suffix}", data)
    assert len(found) == 50_001
    assert found[-1] == "end"


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["truncated", "junk"])
def test_a_damaged_archive_names_the_file(suffix: str, damage: str, tmp_path: Path) -> None:
    whole = COMPRESS[suffix](MANY)
    with pytest.raises(InputError, match=rf"text{suffix}: cannot be decompressed: .*[^.]\.$"):
        lines(
            tmp_path / f"text{suffix}", whole[: len(whole) // 2] if damage == "truncated" else b"not packed\n"
        )


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: there is no such file"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(InputError, match="is a folder"):
        list(read_lines(tmp_path))


def test_zst_without_zstandard_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"reading \.zst requires zstandard") as caught:
        lines(tmp_path / "text.zst", b"")
    assert "pip install zstandard" in caught.value.hint
