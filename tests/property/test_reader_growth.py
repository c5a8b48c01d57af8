"""Reading takes time and memory in proportion to the file at most."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from mtkit.config.sources import (
    CsvSource,
    HuggingFaceSource,
    JsonlSource,
    PlainSource,
    PoSource,
    Source,
    TmxSource,
    XliffSource,
)
from mtkit.data.read.lines import expand, read_lines
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError
from mtkit.translate.term_files import read_glossary
from tests.support.growth import check_memory, check_time
from tests.support.writers import OF_READER, readers

SIZES = tuple(500 * 2**power for power in range(9))


def read(source: Source) -> None:
    """All of it, or up to what is refused."""
    try:
        for _ in read_pairs(source, "en", "fr", Repairs()):
            pass
    except InputError:
        pass


@pytest.mark.parametrize("reader", readers())
def test_twice_as_many_pairs_take_twice_the_time(reader: str, tmp_path: Path) -> None:
    def pairs(count: int) -> Source:
        return OF_READER[reader](tmp_path, ((f"text {n}", f"texte {n}") for n in range(count)))

    check_time(read, pairs, SIZES)
    check_memory(read, pairs, 800)


@pytest.mark.parametrize("reader", readers())
def test_a_text_of_twice_the_length_takes_twice_the_memory(reader: str, tmp_path: Path) -> None:
    def long(count: int) -> Source:
        return OF_READER[reader](tmp_path, [("<a &amp; 'b \\\" \u00e9" * count, "x")])

    check_memory(read, long, 20_000)


def written(name: str, text: bytes, folder: Path) -> Path:
    (folder / name).write_bytes(text)
    return folder / name


def unit(inside: bytes) -> bytes:
    return b'<tmx><tu><tuv xml:lang="en"><seg>a</seg></tuv>' + inside + b"</tu></tmx>"


HOSTILE: dict[str, Callable[[int, Path], Source]] = {
    "open quotes": lambda n, folder: CsvSource(
        reader="csv", path=written("a.csv", b'q","\n' * n, folder), on_error="skip"
    ),
    "line feeds in quotes": lambda n, folder: CsvSource(
        reader="csv", path=written("a.csv", (b'"' + b"a\n" * 500 + b'",b\n') * (n // 100), folder)
    ),
    "columns": lambda n, folder: CsvSource(reader="csv", path=written("a.csv", b"a," * n, folder)),
    "brackets": lambda n, folder: JsonlSource(reader="jsonl", path=written("a.jsonl", b"[" * n, folder)),
    "digits": lambda n, folder: JsonlSource(reader="jsonl", path=written("a.jsonl", b"1" * n, folder)),
    "keys": lambda n, folder: JsonlSource(
        reader="jsonl", path=written("a.jsonl", b"{" + b'"a":1,' * n + b'"b":2}', folder), src_field="a"
    ),
    "comment": lambda n, folder: TmxSource(
        reader="tmx", path=written("a.tmx", unit(b"<!--" + b"-x" * n + b"-->"), folder)
    ),
    "attribute": lambda n, folder: TmxSource(
        reader="tmx", path=written("a.tmx", unit(b"<tuv a='" + b"&lt;" * n + b"'/>"), folder)
    ),
    "attributes": lambda n, folder: TmxSource(
        reader="tmx",
        path=written("a.tmx", unit(b"<x " + b" ".join(b"a%d=''" % i for i in range(n)) + b"/>"), folder),
    ),
    "variants": lambda n, folder: TmxSource(
        reader="tmx",
        path=written(
            "a.tmx",
            unit(b"".join(b"<tuv lang='x%d'><seg>a</seg></tuv>" % i for i in range(n))),
            folder,
        ),
    ),
    "codes": lambda n, folder: TmxSource(
        reader="tmx", path=written("a.tmx", unit(b"<tuv><seg>" + b"<ph/>a" * n + b"</seg></tuv>"), folder)
    ),
    "bad bytes": lambda n, folder: TmxSource(
        reader="tmx", path=written("a.tmx", unit(b"<note>" + b"\xff\n" * n + b"</note>"), folder)
    ),
    "unclosed tag": lambda n, folder: XliffSource(
        reader="xliff", path=written("a.xlf", b"<xliff " + b"a " * n, folder)
    ),
    "states": lambda n, folder: XliffSource(
        reader="xliff",
        path=written(
            "a.xlf",
            b"<xliff>"
            + b"".join(
                b"<segment state='needs-%d'><source>a</source><target>b</target></segment>" % i
                for i in range(n)
            ),
            folder,
        ),
    ),
    "continued": lambda n, folder: PoSource(
        reader="po", path=written("a.po", b'msgid ""\n' + b'"a\\\\"\n' * n + b'msgstr "b"\n', folder)
    ),
    "no end": lambda n, folder: PoSource(
        reader="po", path=written("a.po", b'msgid "' + b"\\" * n + b"\n", folder)
    ),
    "unequal sides": lambda n, folder: PlainSource(
        reader="plain",
        src=written("a.src", b"some text\n" * n, folder),
        tgt=written("a.tgt", b"texte\n" * (n - 1), folder),
    ),
    "data files": lambda n, folder: HuggingFaceSource(
        reader="huggingface",
        path=written(
            "README.md", b"---\nconfigs:\n- {data_files: [" + b"a," * n + b"a]}\n---\n", folder
        ).parent,
    ),
}  # fmt: skip


OFTEN = {"open quotes", "brackets", "comment", "attribute", "attributes", "bad bytes", "continued", "no end"}
"""What is tried each time: it grew too fast once, or nearly."""


@pytest.mark.parametrize(
    "kind", [kind if kind in OFTEN else pytest.param(kind, marks=pytest.mark.slow) for kind in HOSTILE]
)
def test_what_is_hostile_grows_no_faster_than_the_file(kind: str, tmp_path: Path) -> None:
    check_time(read, lambda count: HOSTILE[kind](count, tmp_path), SIZES)


@pytest.mark.parametrize("kind", ["columns", "comment", "variants", "states", "continued"])
def test_what_is_hostile_takes_memory_in_proportion(kind: str, tmp_path: Path) -> None:
    check_memory(read, lambda count: HOSTILE[kind](count, tmp_path), 800)


@pytest.mark.slow
def test_a_compressed_file_takes_time_in_proportion(tmp_path: Path) -> None:
    def packed(count: int) -> Path:
        return written("a.gz", gzip.compress(b"some text\n" * count), tmp_path)

    check_time(lambda path: list(read_lines(path)), packed, SIZES)


@pytest.mark.slow
def test_a_glossary_takes_time_in_proportion(tmp_path: Path) -> None:
    def terms(count: int) -> Path:
        return written("a.tsv", b"".join(b"term %d\tterme\n" % n for n in range(count)), tmp_path)

    check_time(read_glossary, terms, SIZES)


def test_a_pattern_takes_time_in_proportion(tmp_path: Path) -> None:
    """However often it asks for folders at any depth."""
    folder, counter = tmp_path, itertools.count()
    for _ in range(60):
        folder /= f"d{next(counter)}"
    folder.mkdir(parents=True)
    (folder / "a.tsv").touch()
    assert expand(tmp_path / "**" / "**" / "**" / "**" / "**" / "*.tsv") == [folder / "a.tsv"]
    with pytest.raises(InputError, match=r"has \*\* more than 2 times"):
        expand(tmp_path / "**" / "d1" / "**" / "d2" / "**" / "*.tsv")
