from __future__ import annotations

import gzip
import logging
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mtkit.data.readers import read_lines
from mtkit.errors import InputError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
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
    assert record.message.endswith(
        "text:2: bytes that are not UTF-8 were replaced by U+FFFD, in 2 of 4 lines."
    )


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_line_of_a_megabyte(suffix: str, tmp_path: Path) -> None:
    long = "x" * 1_000_000
    assert lines(tmp_path / f"text{suffix}", COMPRESS[suffix](f"a\n{long}\nb\n".encode())) == ["a", long, "b"]


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_several_compressed_parts_in_one_file(suffix: str, tmp_path: Path) -> None:
    data = COMPRESS[suffix](MANY) + COMPRESS[suffix](b"end\n")
    found = lines(tmp_path / f"text{suffix}", data)
    assert len(found) == 50_001
    assert found[-1] == "end"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["truncated", "junk"])
def test_a_damaged_archive_names_the_file(suffix: str, damage: str, tmp_path: Path) -> None:
    whole = COMPRESS[suffix](MANY)
    with pytest.raises(InputError, match=rf"text{suffix}: cannot be decompressed: .*[^.]\.$"):
        lines(
            tmp_path / f"text{suffix}", whole[: len(whole) // 2] if damage == "truncated" else b"not packed\n"
        )


def test_a_missing_file_a_folder_and_utf16(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: there is no such file"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(InputError, match="is a folder"):
        list(read_lines(tmp_path))
    with pytest.raises(InputError, match="is UTF-16, expected UTF-8"):
        lines(tmp_path / "wide", "text\n".encode("utf-16"))


def test_zst_without_zstandard_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"reading \.zst needs zstandard") as caught:
        lines(tmp_path / "text.zst", b"")
    assert "mtkit[zstd]" in caught.value.hint
