from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.translators import TRANSLATORS

ONE = """<?xml version="1.0" encoding="utf-8"?>
<x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:1.2" version="1.2"><x:file original="a"><x:body>
  <x:trans-unit id="1">
    <x:source>Über <x:g id="1">two</x:g> &amp; <x:ph id="2">&lt;br/&gt;</x:ph> three</x:source>
  </x:trans-unit>
  <x:trans-unit id="2"><x:source><![CDATA[<b>Bold</b> & more]]></x:source><x:target/></x:trans-unit>
  <x:trans-unit id="3" translate="no"><x:source>Kept</x:source></x:trans-unit>
  <x:trans-unit id="4"><x:source>Done {n}</x:source><x:target>Fertig {n}</x:target></x:trans-unit>
  <x:trans-unit id="5"><x:source>You have {{ limit }} left</x:source>
    <x:seg-source>You</x:seg-source>
    <x:alt-trans><x:source>no</x:source><x:target>nein</x:target></x:alt-trans></x:trans-unit>
</x:body></x:file></x:xliff>
"""
TWO = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
<file id="f"><unit id="1">
<segment><source>Hello <pc id="1">big</pc> world<ph id="2"/></source></segment>
<ignorable><source> x </source></ignorable>
<segment><source>Again</source><target></target></segment></unit></file></xliff>"""


def inline(text: str) -> list[tuple[str, str]]:
    root = ElementTree.fromstring(text)
    return [
        (element.tag, element.get("id", ""))
        for unit in root.iter()
        if unit.tag.endswith(("}trans-unit", "}segment"))
        for part in unit
        if part.tag.endswith("}target")
        for element in part.iter()
        if element is not part
    ]


@given(TRANSLATORS)
def test_targets_are_well_formed_and_have_the_inline_elements(translate: Callable[[str], str]) -> None:
    for source in (ONE, TWO):
        document = open_document("xliff", "a.xlf", source.encode())
        out = document.render([translate(text) for text in document.texts]).decode()
        names = [name.rpartition("}")[2] for name, _ in inline(out)]
        assert names == (["g", "ph"] if source is ONE else ["pc", "ph"])
        target = r"\s*<((?:x:)?)target>.*?</\1target>|<x:target/>|<target></target>"
        assert re.sub(target, "", out) == re.sub(target, "", source)


def test_what_is_filled() -> None:
    document = open_document("xliff", "a.xlf", ONE.encode())
    assert list(document.texts) == ["Über two & three", "Bold & more", "You have left"]
    out = document.render(["Über zwei & drei", "Fett & mehr", "Sie haben noch"]).decode()
    first = '<x:target>Über <x:g id="1">zwei</x:g> &amp; <x:ph id="2">&lt;br/&gt;</x:ph> drei</x:target>'
    assert f"{first}\n  </x:trans-unit>" in out
    assert "<x:target>&lt;b&gt;Fett&lt;/b&gt; &amp; mehr</x:target></x:trans-unit>" in out
    assert "</x:seg-source><x:target>Sie haben {{ limit }} noch</x:target>" in out
    document = open_document("xliff", "a.xlf", TWO.encode())
    out = document.render(["Hallo große Welt", "Nochmal"]).decode()
    assert '<target>Hallo <pc id="1">große</pc> Welt<ph id="2"/></target></segment>' in out
    assert "<source>Again</source><target>Nochmal</target></segment>" in out


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TRANSLATORS)
def test_a_real_file(translate: Callable[[str], str]) -> None:
    source = (corpus("formats") / "xliff" / "validators.de.xlf").read_text(encoding="utf-8")
    document = open_document("xliff", "a.xlf", source.encode())
    assert not document.texts
    assert document.render([]).decode() == source
    empty = re.sub(r"\s*<target.*?</target>", "", source)
    document = open_document("xliff", "a.xlf", empty.encode())
    assert len(document.texts) == 116
    out = document.render([translate(text) for text in document.texts]).decode()
    units = list(ElementTree.fromstring(out).iter("{urn:oasis:names:tc:xliff:document:1.2}trans-unit"))
    assert len(units) == 116
    for unit in units:
        given, answer = (re.findall(r"{{ \w+ }}", "".join(part.itertext())) for part in unit)
        assert answer == given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]><xliff/>",
            "1: declares entities, attributes or elements, which is not allowed",
        ),
        ("<tmx/>", "1: the file is <tmx>, expected <xliff>"),
        ("<xliff>\n<a></xliff>", "2: is not well-formed XML: mismatched tag"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^a.xlf:{message}"):
        open_document("xliff", "a.xlf", text.encode())
