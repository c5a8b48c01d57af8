from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.spans import PLACEHOLDERS, TAG, Cut, Markup, split_by
from tests.support.translators import TRANSLATORS

FINDER = re.compile(f"{TAG}|{PLACEHOLDERS}")
MARKUP = Markup(split_by(FINDER))
WORDS = st.sampled_from(["one", "Dog", "é", "好", "3", ".", "!", "(", " ", "  ", "\n", "a<b", "&"])
SPANS = st.sampled_from(
    ["<b>", "</b>", "<br>", "{name}", "%s", "%(n)d", "http://a.b/c", "<i a='>'>", "{{ x }}"]
)


@given(st.lists(WORDS | SPANS, max_size=12).map("".join), TRANSLATORS)
def test_spans_stay_in_their_order_whatever_the_translation(
    raw: str, translate: Callable[[str], str]
) -> None:
    cut = Cut(raw, MARKUP)
    assert FINDER.findall(cut.put([translate(text) for text in cut.texts])) == FINDER.findall(raw)
    assert cut.put(cut.texts) == raw
    assert not any("\n" in text for text in cut.texts)


@pytest.mark.parametrize(
    ("raw", "text", "answer", "expected"),
    [
        ("<b>Hello</b> brave world", "Hello brave world", "Hallo schöne Welt", "<b>Hallo</b> schöne Welt"),
        (
            "A <b>very</b> big dog.",
            "A very big dog.",
            "Ein sehr großer Hund.",
            "Ein <b>sehr</b> großer Hund.",
        ),
        ("Hello {name}!", "Hello!", "Hallo!", "Hallo {name}!"),
        ("{n} files of %s", "files of", "Dateien von", "{n} Dateien von %s"),
        ("Open {file} now", "Open now", "Jetzt öffnen", "Jetzt {file} öffnen"),
        ("Hello <b>big</b> world", "Hello big world", "你好大世界", "你好<b>大</b>世界"),
        ("one<br>two", "one two", "eins zwei", "eins<br>zwei"),
        ("12 <b>3</b>", "", "", "12 <b>3</b>"),
    ],
)
def test_where_spans_go(raw: str, text: str, answer: str, expected: str) -> None:
    cut = Cut(raw, MARKUP)
    assert cut.texts == [text] * bool(text)
    assert cut.put([answer] * bool(text)) == expected
