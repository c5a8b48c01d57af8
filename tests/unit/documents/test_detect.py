from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mtkit.documents.formats import FORMATS, SUFFIXES
from mtkit.errors import InputError, UsageError
from mtkit.translate.input import AUTO, Input


def settled(path: Path, data: bytes, kind: str = AUTO) -> Input:
    path.write_bytes(data)
    return Input(path, kind, encoding=AUTO).settled()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("a.MD", "md"), ("b.c.html", "html"), ("a.srt.gz", "srt"), ("messages.pot", "po"), ("a", "text")),
        *(("test.en", "text"), ("test.zh-Hans", "text"), ("eng_Latn.dev", ""), ("dev.eng_Latn", "text")),
        *(
            ("x.2016", "text"),
            ("x.src", "text"),
            ("page.rst", ""),
            ("paper.tex", ""),
            ("x.sdlxliff", "xliff"),
        ),
    ],
)
def test_the_format_follows_from_the_name(tmp_path: Path, name: str, kind: str) -> None:
    data = gzip.compress(b"text") if name.endswith(".gz") else b"text"
    if kind:
        assert settled(tmp_path / name, data).kind == kind
    else:
        with pytest.raises(UsageError, match=r"files is unknown\. Set --format"):
            settled(tmp_path / name, data)
    assert settled(tmp_path / name, data, "tsv").kind == "tsv"


def test_each_format_that_a_name_can_say_exists() -> None:
    assert set(SUFFIXES.values()) == set(FORMATS)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)


def test_standard_input_is_text() -> None:
    assert Input(kind=AUTO, encoding=AUTO).settled() == Input()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text_is_recognised_whatever_its_name(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    assert settled(tmp_path / "a.md", pack(b"# text")).kind == "md"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\nabc", "is a PDF. Convert it first, for instance with pdftotext"),
        (zipped(), "is a zip archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "is an image"),
        (bytes(range(256)) * 8, "is not text in UTF-8"),
        ("no mark at the beginning".encode("utf-16-le"), "set --encoding utf-16-le"),
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.srt", "a.pdf"])
def test_binaries_are_refused_with_advice(tmp_path: Path, data: bytes, said: str, name: str) -> None:
    with pytest.raises(InputError, match=r"^[^:]*a\.\w+: .*\.") as caught:
        settled(tmp_path / name, data)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "looks"),
    [
        ("a.txt", b"1\n00:00:01,000 --> 00:00:02,000\nThe cat.\n", "srt"),
        ("a.md", b"\xef\xbb\xbf<!DOCTYPE html>\n<p>The cat.</p>", "html"),
        ("a.txt", "\ufeff<?xml version='1.0'?>\n<xliff version='1.2'>".encode("utf-16-le"), "xliff"),
        ("a.en", b'# Translators\nmsgid ""\nmsgstr ""\n', "po"),
    ],
)
def test_a_file_of_another_format_than_its_name_says(
    tmp_path: Path, name: str, data: bytes, looks: str
) -> None:
    with pytest.raises(InputError, match=f"looks like {looks}, but its name says"):
        settled(tmp_path / name, data)
    assert settled(tmp_path / name, data, "text").kind == "text"


@pytest.mark.parametrize("data", [b"", b"\x00\n", b"a\x1b[31mred\x1b[0m", b"One <html> tag.", "好".encode()])
def test_odd_text_is_text(tmp_path: Path, data: bytes) -> None:
    assert settled(tmp_path / "a.txt", data).kind == "text"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-8"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert settled(tmp_path / "a.txt", "\ufeffThe cat.\n".encode(encoding)).encoding == encoding
