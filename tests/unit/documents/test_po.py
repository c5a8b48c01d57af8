from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from babel.messages.pofile import read_po
from hypothesis import HealthCheck, given, settings

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.translators import TRANSLATORS

HEAD = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=n != 1;\n"

"""
SAMPLE = (
    HEAD
    + r"""#: a.py:1
#, python-format
msgid "Open %s, 100%% of :term:`it <x>`\n"
msgstr ""

#, python-format
msgctxt "menu"
msgid ""
"A \"long\" file of {name}\n"
"and a second line\n"
msgstr ""

# done
msgid "Done"
msgstr "Fertig"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
msgid "Nearly"
msgstr "Fast"

#~ msgid "Gone"
#~ msgstr ""
"""
)
SPAN = re.compile(r"%%|%[sd]|\{name\}|:term:`[^`]*`|\n")


def messages(data: bytes) -> dict[Any, Any]:
    return {(message.id, message.context): message.string for message in read_po(BytesIO(data)) if message.id}


@given(TRANSLATORS)
def test_babel_reads_what_was_filled(translate: Callable[[str], str]) -> None:
    document = open_document("po", "a.po", SAMPLE.encode())
    assert len(document.texts) == 4
    data = document.render([translate(text) for text in document.texts])
    before, after = messages(SAMPLE.encode()), messages(data)
    assert list(before) == list(after)
    for (msgid, _), text in after.items():
        if isinstance(msgid, tuple):
            assert [SPAN.findall(form) for form in text] == [["%d"], ["%d"]]
        elif msgid not in ("Done", "Nearly"):
            assert SPAN.findall(str(text)) == SPAN.findall(str(msgid))
    assert after["Done", None] == "Fertig"
    kept = [line for line in SAMPLE.split("\n") if line.startswith(("#", "msgid", "msgctxt"))]
    assert [line for line in data.decode().split("\n") if line.startswith(("#", "msgid", "msgctxt"))] == kept


def test_texts_forms_and_wrapping() -> None:
    document = open_document("po", "a.po", SAMPLE.encode())
    assert list(document.texts) == ["Open, of", 'A "long" file of and a second line', "file", "files"]
    answers = ["Öffne, 100 von", 'Eine "lange" Datei von und eine zweite Zeile', "Datei", "Dateien"]
    after = messages(document.render(answers))
    assert after[("%d file", "%d files"), None] == ("%d Datei", "%d Dateien")
    for line in document.render(["word " * 60] * 4).decode().split("\n"):
        assert len(line) <= 90


@pytest.mark.parametrize("name", ["fr/glossary", "zh/library-argparse"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TRANSLATORS)
def test_real_catalogues(name: str, translate: Callable[[str], str]) -> None:
    data = gzip.decompress((corpus("formats") / "po" / f"{name}.po.gz").read_bytes())
    document = open_document("po", name, data)
    empty = [message for message in read_po(BytesIO(data)) if message.id and not message.string]
    assert 0 <= len(empty) - len(document.texts) <= 3, "but for messages without a letter of text"
    out = document.render([translate(text) for text in document.texts])
    assert list(messages(out)) == list(messages(data))
    for message in empty:
        answer = messages(out)[message.id, message.context]
        assert re.findall(r"``[^`]+``|:\w+:`[^`]+`", str(answer)) in (
            [],
            re.findall(r"``[^`]+``|:\w+:`[^`]+`", str(message.id)),
        )


@pytest.mark.skipif(not which("msgfmt"), reason="gettext is not installed")
def test_msgfmt_accepts_it(tmp_path: Path) -> None:
    document = open_document("po", "a.po", SAMPLE.encode())
    path = tmp_path / "a.po"
    path.write_bytes(document.render([text[::-1] for text in document.texts]))
    subprocess.run(["msgfmt", "-c", "-o", str(tmp_path / "a.mo"), str(path)], check=True)


def test_a_catalogue_without_gaps_stays_and_a_bad_line_is_told_of() -> None:
    whole = HEAD + 'msgid "a"\r\nmsgstr "b"\r\n'
    document = open_document("po", "a.po", whole.encode())
    assert not document.texts
    assert document.render([]) == whole.encode()
    with pytest.raises(InputError, match=r"a\.po:2: is not a line of a PO file\."):
        open_document("po", "a.po", b'msgid "a"\nnonsense\n')
