"""Inputs that are no ordinary files, and files made to take all time or memory: one line, at once."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from mtkit.config.load import load_config
from mtkit.config.sources import CsvSource, MonoSource, PoSource, TmxSource, TsvSource, XliffSource
from mtkit.data.prepare.inputs import record_inputs
from mtkit.data.read.lines import MAX_XZ_MEMORY, count_lines, digest, read_lines
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.repairs import Repairs
from mtkit.data.read.xml import MAX_TOKEN
from mtkit.disk.opening import open_input
from mtkit.documents.catalogues.xliff import open_xliff
from mtkit.errors import ConfigError, InputError, listed, shortened
from mtkit.translate.term_files import read_glossary

READ: list[Callable[[Path], object]] = [
    lambda path: list(read_lines(path)),
    count_lines,
    digest,
    read_glossary,
    lambda path: list(read_pairs(MonoSource(reader="mono", path=path), "en", "fr")),
    lambda path: list(read_pairs(TmxSource(reader="tmx", path=path), "en", "fr")),
]


@pytest.fixture(params=["pipe", "device", "socket", "folder"])
def strange(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What is no file; nobody ever writes into the pipe."""
    path = tmp_path / str(request.param)
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "socket":
            with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
                server.bind(path.name)  # which may not be long
        case _:
            path.mkdir()
    return path


@pytest.mark.parametrize("read", READ, ids=["lines", "count", "digest", "glossary", "plain", "tmx"])
def test_what_is_no_file_is_refused_and_not_waited_for(read: Callable[[Path], object], strange: Path) -> None:
    with pytest.raises(
        InputError, match=f"{strange}: cannot be read: it is a {strange.name}, expected a file"
    ):
        read(strange)


def test_a_config_that_is_no_file_is_refused(strange: Path) -> None:
    with pytest.raises(ConfigError, match=f"{strange}: cannot be read: it is a {strange.name}, expected"):
        load_config([strange])


@pytest.fixture
def substituted() -> Iterator[Callable[[bytes], Path]]:
    """What a shell makes of `<(printf TEXT)`."""
    opened = []

    def path_of(text: bytes) -> Path:
        descriptor, writer = os.pipe()
        os.write(writer, text)
        os.close(writer)
        opened.append(descriptor)
        return Path(f"/dev/fd/{descriptor}")

    yield path_of
    for descriptor in opened:
        os.close(descriptor)


def test_process_substitution_is_read(
    substituted: Callable[[bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(read_lines(substituted(b"one\ntwo\n"))) == ["one", "two"]
    assert len(read_glossary(substituted(b"Bank\tbanque\n"))) == 1
    monkeypatch.chdir(tmp_path)  # where its paths start, since it lies in no folder
    data = b"src_lang: en, tgt_lang: fr, train: [{reader: phrasebook}], valid: {reader: phrasebook}"
    text = b"run: here\ndata: {%s}\n" % data
    assert load_config([substituted(text)]).config.run == tmp_path / "here"


@pytest.mark.parametrize("read", [count_lines, digest])
def test_process_substitution_is_refused_where_it_is_read_twice(
    read: Callable[[Path], object], substituted: Callable[[bytes], Path]
) -> None:
    with pytest.raises(InputError, match="it is a pipe, which cannot be read twice, expected a file"):
        read(substituted(b"one\n"))


def test_a_corpus_that_is_a_pipe_is_refused_before_any_work(
    substituted: Callable[[bytes], Path], tmp_path: Path
) -> None:
    text = """
run: here
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: tsv, path: %s}]
  valid: {reader: phrasebook}
"""
    (tmp_path / "c.yaml").write_text(text % substituted(b"a\tb\n"))
    with pytest.raises(InputError, match="cannot be read twice"):
        record_inputs(load_config([tmp_path / "c.yaml"]).config)


def test_a_named_pipe_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"text"))
    writer.start()
    with open_input(tmp_path / "pipe", "pipe") as file:
        assert file.read() == b"text"
    writer.join()


def test_nothing_is_read_from_the_null_device() -> None:
    assert list(read_lines(Path(os.devnull))) == []
    assert count_lines(Path(os.devnull)) == 0


# ---------------------------------------------------------------- XML


UNIT = '<tu><tuv xml:lang="en"><seg>a</seg></tuv><tuv xml:lang="fr"><seg>b</seg></tuv></tu>'
REFUSED = [
    ('<!DOCTYPE tmx [<!ATTLIST tu x CDATA "yyy">]><tmx/>', "declares entities, attributes or elements"),
    ("<!DOCTYPE tmx [<!ELEMENT tmx ANY>]><tmx/>", "declares entities, attributes or elements"),
    ("<!DOCTYPE tmx SYSTEM 'a.dtd' [<!NOTATION n PUBLIC 'x'>]><tmx/>", "declares entities, attributes or"),
    (
        "<tmx><!--" + "y" * (MAX_TOKEN + 200_000) + "--></tmx>",
        "a tag or comment has more than 1,048,576 bytes",
    ),
    (
        "<tmx><?x " + "y" * (MAX_TOKEN + 200_000) + "?></tmx>",
        "a tag or comment has more than 1,048,576 bytes",
    ),
    ("<tmx a='" + "y" * (MAX_TOKEN + 200_000) + "'/>", "a tag or comment has more than 1,048,576 bytes"),
    ("<tmx><a" + "y" * (MAX_TOKEN + 200_000), "a tag or comment has more than 1,048,576 bytes"),
    ("<tmx " + " ".join(f"a{n}=''" for n in range(257)) + "/>", "an element has more than 256 attributes"),
    ("<tmx>" + "<a>" * 300, "elements are nested more than 256 deep"),
    ("<tmx>" * 2 + "<seg>" + "y" * (1 << 22) + "y", "a text has more than 4,194,304 characters"),
    ('<?xml version="1.0" encoding="shift_jis"?><tmx/>', "declares an encoding that is not supported"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_xml_that_would_grow_or_is_no_text_is_refused(text: str, message: str, tmp_path: Path) -> None:
    for name in ("tmx", "xliff"):
        path = tmp_path / f"a.{name}"
        content = text.replace("tmx", name).replace("seg>", "seg>" if name == "tmx" else "source>")
        path.write_text(content)
        source = (
            TmxSource(reader="tmx", path=path) if name == "tmx" else XliffSource(reader="xliff", path=path)
        )
        with pytest.raises(InputError, match=f"{path}:1: {message}") as caught:
            list(read_pairs(source, "en", "fr"))
        assert len(str(caught.value)) < 300
    # A document is in memory as a whole, and decoded by Python.
    if "text has" not in message and "encoding" not in message:
        with pytest.raises(InputError, match=f"^a.xliff:1: {message}"):
            open_xliff("a.xliff", content.encode())


def test_four_kilobytes_of_xml_take_no_gigabytes(tmp_path: Path) -> None:
    default = "y" * 4_000_000
    text = f'<!DOCTYPE tmx [<!ATTLIST tu x CDATA "{default}">]><tmx><body>{"<tu/>" * 12_000}</body></tmx>'
    path = tmp_path / "a.tmx.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert path.stat().st_size < 5000
    with pytest.raises(InputError, match="declares entities, attributes or elements, which is not allowed"):
        list(read_pairs(TmxSource(reader="tmx", path=path), "en", "fr"))


@pytest.mark.parametrize(
    "doctype",
    [
        "",
        '<!DOCTYPE tmx SYSTEM "tmx14.dtd">',
        '<!DOCTYPE tmx PUBLIC "-//LISA OSCAR:1998//DTD for Translation Memory eXchange//EN" "tmx14.dtd">',
    ],
)
@pytest.mark.parametrize("encoding", ["", "utf-8", "UTF8", "us-ascii", "iso-8859-1", "windows-1252"])
def test_usual_heads_of_xml_are_read(doctype: str, encoding: str, tmp_path: Path) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding else ""
    comment = f"<!--{'y' * 900_000}-->"
    (tmp_path / "a.tmx").write_text(f"{head}{doctype}<tmx>{comment}<body>{UNIT}</body></tmx>")
    pairs = list(read_pairs(TmxSource(reader="tmx", path=tmp_path / "a.tmx"), "en", "fr"))
    assert [(pair.src, pair.tgt) for pair in pairs] == [("a", "b")]


# ---------------------------------------------------------------- compression, tables, messages


def test_an_xz_file_may_not_ask_for_all_memory(tmp_path: Path) -> None:
    """Its head names the size of the dictionary, which a damaged or hostile file chooses."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2 * MAX_XZ_MEMORY, "mf": lzma.MF_HC3, "nice_len": 4}]
    path = tmp_path / "a.xz"
    path.write_bytes(lzma.compress(b"text\n", filters=filters))
    with pytest.raises(InputError, match=r"a\.xz: cannot be decompressed: Memory usage limit"):
        list(read_lines(path))


def test_after_a_quote_that_nothing_closes_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"c,d\n' + "e,f\n" * 5000 + 'g,"h\n' + "i,j\n" * 10)
    repairs = Repairs()
    source = CsvSource(reader="csv", path=path, on_error="skip")
    pairs = list(read_pairs(source, "en", "fr", repairs))
    assert [len([pair for pair in pairs if pair.src == src]) for src in "acegi"] == [1, 0, 5000, 0, 10]
    assert pairs[1].origin == f"{path}:3"
    (fault,) = repairs.skipped.values()
    assert fault.count == 2
    assert fault.places[0].startswith(f"{path}:2: not a row of CSV: a quote is not closed within 1,000 lines")
    assert fault.places[1].startswith(f"{path}:5003: not a row of CSV: a quote is never closed.")
    with pytest.raises(InputError, match=f"{path}:2: not a row of CSV: a quote is not closed within"):
        list(read_pairs(source.model_copy(update={"on_error": "stop"}), "en", "fr"))


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r", "\0", "", ";;"])
def test_a_delimiter_that_no_table_has_is_refused(delimiter: str) -> None:
    with pytest.raises(ValidationError, match="delimiter"):
        CsvSource(reader="csv", path=Path("a.csv"), delimiter=delimiter)


def test_many_quotes_that_nothing_closes_stop_the_reading(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('q","\n' * 10_000)
    source = CsvSource(reader="csv", path=tmp_path / "a.csv", on_error="skip")
    with pytest.raises(InputError, match=r":101: .* as on 100 lines before\. Check the delimiter"):
        list(read_pairs(source, "en", "fr"))


def test_names_are_shortened_and_texts_are_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\t".join(f"c{number}" for number in range(1_000_000)) + "\n")
    with pytest.raises(
        InputError, match=r"no column zz\. It has c0, c1, .*, c19 and 999,980 more\.$"
    ) as caught:
        list(read_pairs(TsvSource(reader="tsv", path=path, src_column="zz"), "en", "fr"))
    assert len(str(caught.value)) < 500
    path.write_text("private\tb\tprivate\n")
    with pytest.raises(InputError, match=r"the score, in column 3, is not a number") as caught:
        list(read_pairs(TsvSource(reader="tsv", path=path, score_column=3), "en", "fr"))
    assert "private" not in str(caught.value)
    (tmp_path / "a.po").write_text("private\n")
    with pytest.raises(InputError, match=r"a\.po:1: is not a line of a PO file\.") as caught:
        list(read_pairs(PoSource(reader="po", path=tmp_path / "a.po"), "en", "fr"))
    assert "private" not in str(caught.value)
    assert shortened("x" * 81) == "x" * 80 + "…"
    assert shortened("a\nb") == "a b"
    assert listed(["y" * 50]) == "y" * 40 + "…"
