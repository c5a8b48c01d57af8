"""Translation memories as people have them, and as they should not be."""

from __future__ import annotations

import gzip
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mtkit.errors import InputError
from mtkit.text.form import TextForm
from mtkit.translate.memory_files import read_memory
from mtkit.translate.translation_memory import TranslationMemory

TMX = '<?xml version="1.0"?><tmx version="1.4"><header srclang="en"/><body>{}</body></tmx>'
XLIFF = (
    '<xliff version="1.2"><file original="a" datatype="plaintext" source-language="{}" target-language="{}">'
    "<body>{}</body></file></xliff>"
)
Read = Callable[..., TranslationMemory]


def unit(src: str, tgt: str, codes: tuple[str, str] = ("en", "fr")) -> str:
    both = zip(codes, (src, tgt), strict=True)
    variants = [f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in both]
    return f"<tu>{''.join(variants)}</tu>"


def segment(src: str, tgt: str) -> str:
    return f'<trans-unit id="1"><source>{src}</source><target>{tgt}</target></trans-unit>'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(*files: tuple[str, str | bytes], languages: tuple[str, str] = ("en", "fr")) -> TranslationMemory:
        paths = []
        for name, content in files:
            path = tmp_path / name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return read_memory(paths, languages, TextForm().normalize)

    return read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tmx", TMX.format(unit("a cat", "un chat") + unit("a dog", "un chien"))),
        ("m.tmx", TMX.format(unit("un chat", "a cat", ("FR-FR", "EN-GB")) + unit("a dog", "un chien"))),
        (
            "m.tmx.gz",
            gzip.compress(TMX.format(unit("a cat", "un chat") + unit("a dog", "un chien")).encode()),
        ),
        ("m.tsv", "a cat\tun chat\na dog\tun chien\n"),
        ("m.tsv", "fr\ten\nun chat\ta cat\nun chien\ta dog\n"),
        ("m.txt", "source\ttarget\na cat\tun chat\na dog\tun chien\n"),
        ("m.csv", 'id,target,source\n1,"un chat","a cat"\n2,un chien,a dog\n'),
        ("m.csv", "a cat;un chat\na dog;un chien\n"),
        ("m.jsonl", '{"en": "a cat", "fr": "un chat"}\n{"en": "a dog", "fr": "un chien"}\n'),
        ("m.xlf", XLIFF.format("en", "fr", segment("a cat", "un chat") + segment("a dog", "un chien"))),
        ("m.sdlxliff", XLIFF.format("fr", "en", segment("un chat", "a cat") + segment("un chien", "a dog"))),
        ("m.po", 'msgid "a cat"\nmsgstr "un chat"\n\nmsgid "a dog"\nmsgstr "un "\n"chien"\n'),
    ],
)
def test_formats_columns_and_directions(read: Read, name: str, content: str | bytes) -> None:
    known = read((name, content))
    assert [known.find(src) for src in ("a cat", "a dog", "source", "un chat")] == [
        "un chat",
        "un chien",
        None,
        None,
    ]


def test_the_languages_of_a_file_are_taken_where_the_model_says_none(read: Read) -> None:
    assert read(("m.tmx", TMX.format(unit("a", "b"))), languages=("", "")).find("a") == "b"
    assert read(("m.tsv", "en\tde\na cat\teine Katze\n"), languages=("", "")).find("a cat") == "eine Katze"


@pytest.mark.parametrize("name", ["m.tmx", "m.xlf"])
def test_codes_are_a_part_of_the_text(read: Read, name: str) -> None:
    src = 'Delete <ph x="1">{0}</ph> <bpt i="1">&lt;b></bpt>now<ept i="1">&lt;/b></ept>?'
    tgt = '<bpt i="1">&lt;b></bpt>Supprimer<ept i="1">&lt;/b></ept> <ph x="1">{0}</ph>&#xA0;?'
    whole = TMX.format(unit(src, tgt)) if name == "m.tmx" else XLIFF.format("en", "fr", segment(src, tgt))
    known = read((name, whole))
    assert known.find("Delete {0} <b>now</b>?") == "<b>Supprimer</b> {0}\u00a0?"
    assert known.find("Delete now?") is None


def test_the_last_translation_of_the_last_file_counts(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    one, other = ("1.tsv", "a b\t1\na b\t2\nc d\t3\n"), ("2.tsv", "a b\t4\ne f\t5\n")
    with caplog.at_level(logging.WARNING):
        known = read(one, other)
    assert (known.find("a b"), known.find("c d"), len(known), known.num_changed) == ("4", "3", 5, 2)
    assert "another translation in a later entry, which counts: 2." in caplog.text
    caplog.clear()
    assert read(other, one).find("a b") == "2"
    assert read(("3.tsv", "a b\t1\na b\t1\n")).find("a b") == "1"


def test_bad_rows_are_skipped_and_reported(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    known = read(("m.tsv", "a b\t1\nc d\ne f\t2\n\ng h\t\n"))
    assert [known.find(src) for src in ("a b", "c d", "e f", "g h")] == ["1", None, "2", None]
    assert "m.tsv:2: expected at least 2 columns, found 1." in caplog.text


GERMAN = 'msgid ""\nmsgstr "Language: de\\n"\n\n'
BOMB = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + TMX.partition("?>")[2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tmx", TMX.format(unit("a", "b", ("en", "de"))), "none of its 1 units has both en and fr"),
        ("m.tmx", TMX.format(unit("a", " ")), "there is no translation in it"),
        ("m.tmx", TMX.format(""), "there is no translation in it"),
        ("m.tmx", TMX.format(unit("a", "b"))[:-20], "m.tmx"),
        ("m.tmx", BOMB.format(unit("&b;", "b")), "m.tmx"),
        ("m.tmx", "<html><body/></html>", "the file is <html>, expected <tmx>"),
        ("m.tmx", TMX.format("<tu>" * 100_000), "m.tmx"),
        ("m.tmx", b"PK\x03\x04 no memory", "m.tmx"),
        ("m.tmx.gz", b"\x1f\x8b\x08 no memory", "cannot be decompressed"),
        ("m.tmx", "", "m.tmx"),
        ("m.tsv", "", "m.tsv"),
        ("m.tsv", "de\tfr\neine Katze\tun chat\n", "is in de and fr, and the model translates en to fr"),
        (
            "m.po",
            f'{GERMAN}msgid "a cat"\nmsgstr "eine Katze"\n',
            "is in de, and the model translates en to fr",
        ),
        ("m.txt", "a cat\nun chat\n", "is plain, and a translation memory is one of tmx, tsv"),
        ("m.xliff", XLIFF.format("en", "fr", ""), "there is no translation in it"),
        (
            "m.xliff",
            XLIFF.format("en", "de", segment("a", "b")),
            "is in en and de, and the model translates en",
        ),
        ("m.tsv", "1\t2\t3\n4\t5\t6\n", "which of its 3 columns are translations of each other is not clear"),
        ("m.jsonl", "{}\n", "m.jsonl"),
        ("m.po", "no catalogue\n", "m.po"),
    ],
)
def test_what_is_no_memory_is_an_error_with_its_name(
    read: Read, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=name) as caught:
        read((name, content))
    assert message in caught.value.message
    assert "--columns" not in str(caught.value.hint)


def test_a_pipe_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tmx")
    for name, message in (
        ("pipe.tmx", "it is a pipe, expected a file"),
        ("no.tmx", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            read_memory([tmp_path / name], ("en", "fr"), TextForm().normalize)


def test_hostile_texts_come_out_as_one_line(read: Read) -> None:
    content = json.dumps({"en": "a b", "fr": "\x1b[31mx\u2028y\n\x00z \ud800"}) + "\n"
    assert read(("m.jsonl", content)).find("a b") == "[31mx y z \ufffd"
