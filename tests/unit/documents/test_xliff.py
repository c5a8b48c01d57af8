from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from lxml import etree

from mtkit.documents.catalogues.xliff import open_xliff
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.translators import STAND_INS, TRANSLATORS

ONE = """<?xml version="1.0" encoding="utf-8"?>
<x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:1.2" version="1.2"><x:file original="a"><x:body>
  <x:trans-unit id="1">
    <x:source>Über <x:g id="1">two</x:g> &amp; <x:ph id="2">&lt;br/&gt;</x:ph> three</x:source>
  </x:trans-unit>
  <x:trans-unit id="2"><x:source><![CDATA[<b>Bold</b> & more]]></x:source><x:target/></x:trans-unit>
  <x:trans-unit id="3" translate="no"><x:source>Kept</x:source></x:trans-unit>
  <x:trans-unit id="4"><x:source>Done {n}</x:source><x:target>Fertig {n}</x:target></x:trans-unit>
  <x:trans-unit id="5"><x:source>You have {{ limit }} left</x:source>
    <x:alt-trans><x:source>no</x:source><x:target>nein</x:target></x:alt-trans></x:trans-unit>
</x:body></x:file></x:xliff>
"""
TWO = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
<file id="f"><unit id="1">
<segment><source>Hello <pc id="1">big</pc> world<ph id="2"/></source></segment>
<ignorable><source> x </source></ignorable>
<segment><source>Again</source><target></target></segment></unit></file></xliff>"""
DRAFT = ' state="needs-review-translation" state-qualifier="leveraged-mt"'
MEMOQ = '<trans-unit xmlns:q="MQXliff" '
DRAFT_2 = ' state="translated" subState="mtkit:draft"'

Code = tuple[str, dict[str, str], str]


def codes(part: etree._Element) -> list[Code]:
    """The inline elements of a source or a target but for its segments, with the text of code."""
    found = []
    for element in part.iterdescendants():
        name = etree.QName(element).localname
        if element.get("mtype") != "seg":
            found.append(
                (name, dict(element.attrib), element.text or "" if name in ("ph", "bpt", "ept") else "")
            )
    return found


def units(data: bytes) -> list[etree._Element]:
    return list(etree.fromstring(data).iter("{*}trans-unit", "{*}segment"))


def rest(data: bytes) -> list[tuple[str, dict[str, str], str]]:
    """All elements outside of targets, without states, and their text."""
    found = []
    for element in etree.fromstring(data).iter(etree.Element):
        if element.tag.endswith("}target") or any(a.tag.endswith("}target") for a in element.iterancestors()):
            continue
        states = ("state", "subState", "conf", "origin", "{MQXliff}status")
        attributes = {name: value for name, value in element.attrib.items() if name not in states}
        found.append((element.tag, attributes, (element.text or "").strip()))
    return found


def document(inside: str, before: str = "") -> str:
    return f'<xliff version="1.2"{before}><file><body>{inside}</body></file></xliff>'


def filled(source: str, translate: Callable[[str], str] = str.upper) -> str:
    found = open_xliff("a.xlf", source.encode())
    return found.render([translate(text) for text in found.texts]).decode()


def one(unit: str, translate: Callable[[str], str] = str.upper) -> str:
    """A unit of 1.2, translated."""
    return filled(document(unit), translate)[len(document("").partition("</body>")[0]) :].partition(
        "</body>"
    )[0]


@given(TRANSLATORS)
def test_targets_are_well_formed_and_have_the_inline_elements(translate: Callable[[str], str]) -> None:
    for source in (ONE, TWO):
        out = filled(source, translate).encode()
        assert rest(out) == rest(source.encode())
        for before, after in zip(units(source.encode()), units(out), strict=True):
            if etree.tostring(before) != etree.tostring(after):
                assert codes(after.find("{*}target")) == codes(after.find("{*}source"))


def test_what_is_filled() -> None:
    found = open_xliff("a.xlf", ONE.encode())
    assert found.texts == ["Über two & three", "Bold & more", "You have left"]
    out = found.render(["Über zwei & drei", "Fett & mehr", "Sie haben noch"]).decode()
    first = '>Über <x:g id="1">zwei</x:g> &amp; <x:ph id="2">&lt;br/&gt;</x:ph> drei</x:target>'
    assert f"<x:target{DRAFT}{first}\n  </x:trans-unit>" in out
    assert f"<x:target{DRAFT}>&lt;b&gt;Fett&lt;/b&gt; &amp; mehr</x:target></x:trans-unit>" in out
    assert f"</x:source><x:target{DRAFT}>Sie haben {{{{ limit }}}} noch</x:target>\n    <x:alt" in out
    found = open_xliff("a.xlf", TWO.encode())
    out = found.render(["Hallo große Welt", "Nochmal"]).decode()
    assert f'<segment{DRAFT_2}><source>Hello <pc id="1">big</pc> world<ph id="2"/></source>' in out
    assert '<target>Hallo <pc id="1">große</pc> Welt<ph id="2"/></target></segment>' in out
    assert "<source>Again</source><target>Nochmal</target></segment>" in out


@pytest.mark.parametrize(
    ("attributes", "is_open"),
    [
        ("<trans-unit><source>Text</source><target>{}</target>", (1, 1, 0)),
        ('<trans-unit><source>Text</source><target state="new">{}</target>', (1, 1, 1)),
        ('<trans-unit><source>Text</source><target state="needs-translation">{}</target>', (1, 1, 1)),
        ('<trans-unit><source>Text</source><target state="translated">{}</target>', (1, 0, 0)),
        ('<trans-unit><source>Text</source><target state="needs-review-translation">{}</target>', (1, 0, 0)),
        ('<trans-unit><source>Text</source><target state="final">{}</target>', (0, 0, 0)),
        ('<trans-unit><source>Text</source><target state="signed-off">{}</target>', (0, 0, 0)),
        ('<trans-unit approved="yes"><source>Text</source><target>{}</target>', (0, 0, 0)),
        ('<trans-unit translate="no"><source>Text</source><target>{}</target>', (0, 0, 0)),
        ('<trans-unit xmlns:m="m" m:locked="true"><source>Text</source><target>{}</target>', (0, 0, 0)),
        (MEMOQ + 'q:locked="locked"><source>Text</source><target>{}</target>', (0, 0, 0)),
        (MEMOQ + 'q:status="NotStarted"><source>Text</source><target>{}</target>', (1, 1, 0)),
        (MEMOQ + 'q:status="Proofread"><source>Text</source><target>{}</target>', (1, 0, 0)),
        ("<segment><source>Text</source><target>{}</target>", (1, 1, 0)),
        ('<segment state="initial"><source>Text</source><target>{}</target>', (1, 1, 1)),
        ('<segment state="translated"><source>Text</source><target>{}</target>', (1, 0, 0)),
        ('<segment state="reviewed"><source>Text</source><target>{}</target>', (1, 0, 0)),
        ('<segment state="final"><source>Text</source><target>{}</target>', (0, 0, 0)),
    ],
)  # fmt: skip
def test_states(attributes: str, is_open: tuple[int, int, int]) -> None:
    """Of a target that is empty, a copy of the source, and another text."""
    end = "</trans-unit>" if attributes.startswith("<trans-unit") else "</segment>"
    for target, expected in zip((" ", " Text", "Wort"), is_open, strict=True):
        unit = attributes.format(target) + end
        found = open_xliff("a.xlf", document(unit).encode())
        assert len(found.texts) == expected
        out = found.render(["Neu"] * expected)
        if not expected:
            assert out == document(unit).encode()
            continue
        [after] = units(out)
        assert after.find("target").text == "Neu"
        states = dict(after.attrib) | dict(after.find("target").attrib)
        if after.tag == "segment":
            assert states == {"state": "translated", "subState": "mtkit:draft"}
        elif "MQXliff" in unit:
            assert states == {"{MQXliff}status": "MachineTranslated"}
        else:
            assert states == {"state": "needs-review-translation", "state-qualifier": "leveraged-mt"}


@pytest.mark.parametrize(
    ("unit", "target"),
    [
        (
            '<source>One. Two.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> '
            '<mrk mtype="seg" mid="2">Two.</mrk></seg-source>',
            '<mrk mtype="seg" mid="1">ONE.</mrk> <mrk mtype="seg" mid="2">TWO.</mrk>',
        ),
        (
            '<source>One. Two.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> '
            '<mrk mtype="seg" mid="2">Two.</mrk></seg-source><target/>',
            '<mrk mtype="seg" mid="1">ONE.</mrk> <mrk mtype="seg" mid="2">TWO.</mrk>',
        ),
        (
            '<source>One. Two.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> '
            '<mrk mtype="seg" mid="2">Two.</mrk></seg-source>'
            '<target> <mrk mtype="seg" mid="1">Un.</mrk>, <mrk mtype="seg" mid="2" /></target>',
            ' <mrk mtype="seg" mid="1">Un.</mrk>, <mrk mtype="seg" mid="2">TWO.</mrk>',
        ),
        (
            '<source><g id="3">Two <x id="1"/>.</g></source>'
            '<seg-source><g id="3"> <mrk mtype="seg" mid="2">Two <x id="1"/>.</mrk> </g></seg-source>'
            '<target><g id="3"> <mrk mtype="seg" mid="2"><x id="1"/></mrk> </g></target>',
            '<g id="3"> <mrk mtype="seg" mid="2">TWO <x id="1"/>.</mrk> </g>',
        ),
        (
            '<source>One. Two.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> '
            '<mrk mtype="seg" mid="2">Two.</mrk></seg-source><target>One. Two.</target>',
            '<mrk mtype="seg" mid="1">ONE.</mrk> <mrk mtype="seg" mid="2">TWO.</mrk>',
        ),
        ("<source>One.</source><seg-source>One.</seg-source>", "ONE."),
    ],
)
def test_segments_of_a_unit_are_filled_one_by_one(unit: str, target: str) -> None:
    out = one(f"<trans-unit>{unit}</trans-unit>")
    assert f"<target{DRAFT}>{target}</target>" in out
    assert re.sub("<target.*(/>|</target>)", "", out) == re.sub(
        "<target.*(/>|</target>)", "", f"<trans-unit>{unit}</trans-unit>"
    )


def test_segments_of_trados_keep_their_own_states() -> None:
    segments = "".join(f'<mrk mtype="seg" mid="{mid}">{text}</mrk>' for mid, text in enumerate("ABCDE"))
    targets = "".join(
        f'<mrk mtype="seg" mid="{mid}">{text}</mrk>' for mid, text in enumerate(["", "", "C", "D", "x"])
    )
    states = ['origin="source" conf="Draft"', 'locked="true"', "", 'conf="Translated"', 'conf="Draft"']
    definitions = "".join(f'<s:seg id="{mid}" {state}/>' for mid, state in enumerate(states))
    out = one(
        f'<trans-unit xmlns:s="s"><source>ABCDE</source><seg-source>{segments}</seg-source><target>{targets}'
        f"</target><s:seg-defs>{definitions}</s:seg-defs></trans-unit>",
        lambda text: f"{text}{text}",
    )
    [unit] = units(document(out).encode())
    assert [mark.text for mark in unit.find("target")] == ["AA", None, "CC", "D", "x"]
    assert not unit.find("target").attrib
    assert [(seg.get("conf"), seg.get("origin")) for seg in unit.iter("{s}seg")] == [
        ("Draft", "mt"), (None, None), ("Draft", "mt"), ("Translated", None), ("Draft", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('Keep <mrk id="m" translate="no">The <mrk id="n">library</mrk></mrk> here.', ["Keep here."]),
        ('Keep <mrk mtype="protected">The library</mrk> here.', ["Keep here."]),
        ('Keep <mrk mtype="x-term">The library</mrk> here.', ["Keep The library here."]),
        ('Keep <sm id="m" translate="no"/>the library<em startRef="m"/> here.', ["Keep here."]),
        ("Press &lt;kbd&gt;Ctrl&lt;/kbd&gt; &lt;b&gt;now&lt;/b&gt;", ["Press now"]),
        ("One line&#10;Two lines", ["One line", "Two lines"]),
        ("Somebody<x id='1'/>clicked<ph id='2'>a<sub>b</sub></ph>there", ["Somebody clicked there"]),
        ("{N, plural, =1 {A <b>chair</b>.} other {# chairs &amp; more}}", ["A chair.", "chairs & more"]),
    ],
)
def test_what_is_protected(source: str, texts: list[str]) -> None:
    unit = f"<trans-unit><source>{source}</source></trans-unit>"
    assert open_xliff("a.xlf", document(unit).encode()).texts == texts
    out = one(unit)
    spans = r"<(?:m|s|e|x|ph).*?>|The library|the library|Ctrl|&.*?;|<ph.*?</ph>"
    if "x-term" not in source:
        assert re.findall(spans, out.partition("<target")[2].rpartition("</target>")[0]) == re.findall(
            spans, source
        )


def test_preserved_line_breaks_separate_texts() -> None:
    lines = "There is a red chair.\n  The library\n\nA line that is\nlonger <g id='1'>than\nthis.</g>"
    unit = f'<trans-unit xml:space="preserve"><source>{lines}</source></trans-unit>'
    joined = "A line that is longer than this."
    assert open_xliff("a.xlf", document(unit).encode()).texts == [
        "There is a red chair.",
        "The library",
        joined,
    ]
    [after] = units(document(one(unit)).encode())
    assert "".join(after.find("target").itertext()) == re.sub("<.*?>", "", lines).upper()
    unit = unit.replace(' xml:space="preserve"', "")
    assert len(open_xliff("a.xlf", document(unit).encode()).texts) == 1
    source = f'<trans-unit><source xml:space="preserve">{lines}</source></trans-unit>'
    assert '<target xml:space="preserve"' in one(source)


@pytest.mark.parametrize(
    ("declared", "encoding", "answer"),
    [
        ("UTF-16", "utf-16", "больница"),
        ("utf-16le", "utf-16-le", "больница"),
        ("ISO-8859-1", "iso-8859-1", "hôpital"),
        ("ISO-8859-1", "iso-8859-1", "больница"),
        ("Shift_JIS", "shift_jis", "病院 é"),
        ("utf-8", "utf-8-sig", "больница"),
    ],
)
def test_the_declared_encoding_stays(declared: str, encoding: str, answer: str) -> None:
    source = f'<?xml version="1.0" encoding="{declared}"?>\n'
    source += document("<trans-unit><source>hospital</source></trans-unit>")
    data = source.encode(encoding)
    found = open_xliff("a.xlf", data)
    assert found.render(found.texts) == data
    out = found.render([answer])
    out.decode(encoding)
    if encoding != "utf-16-le":  # which lxml wants a byte order mark for
        assert units(out)[0].find("target").text == answer
    assert out.startswith(data[:40])


def test_declared_languages() -> None:
    files = [f"<file {more}><trans-unit><source>a</source></trans-unit></file>" for more in (
        'source-language="en-US" target-language="fr"', 'source-language="en"', 'source-language="de"'
    )]  # fmt: skip
    assert open_xliff("a.xlf", f"<xliff>{files[0]}{files[1]}</xliff>".encode()).languages == ("en-US", "fr")
    assert open_xliff("a.xlf", TWO.replace('Lang="en"', 'Lang="en" trgLang="de"').encode()).languages == (
        "en",
        "de",
    )
    assert open_xliff("a.xlf", b"<xliff/>").languages == ("", "")
    with pytest.raises(InputError, match=r"a.xlf: is for en-US and for de\."):
        open_xliff("a.xlf", f"<xliff>{files[0]}{files[2]}</xliff>".encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]><xliff/>",
            "1: declares entities, attributes or elements, which is not allowed",
        ),
        ("<tmx/>", "1: the file is <tmx>, expected <xliff>"),
        ("<xliff>\n<a></xliff>", "2: is not well-formed XML: mismatched tag"),
        (
            '<?xml version="1.0" encoding="utf-16"?><xliff/>',
            "1: declares the encoding utf-16, but cannot be read",
        ),
        ('<?xml version="1.0" encoding="hex"?><xliff/>', "1: declares the encoding hex, but cannot be read"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^a.xlf:{message}"):
        open_xliff("a.xlf", text.encode())


# ---------------------------------------------------------------- real files


REAL = {
    "xliff/validators.ar.xlf": 8,
    "xliff/validators.de.xlf": 0,
    "xliff/validators.zh_CN.xlf": 8,
    "more/xliff2/example.xliff": 0,
    "more/xliff2/native-span.xliff": 0,
    "more/sdlxliff/simpleTest.sdlxliff": 9,
    "more/sdlxliff/test.txt_en-US_fr-FR.sdlxliff": 0,
    "more/memoq-xliff/MQ-12-Test01.xlf.gz": 118,
}
"""Texts without a translation."""
SLOW = ("xliff/validators.ar.xlf", "xliff/validators.de.xlf")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in REAL]
)
def test_real_files(name: str) -> None:
    """As they are, with their segments emptied, and without targets; read by lxml."""
    path = corpus("formats") / name
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    target = re.compile(rb"<target[^>]*>.*?</target>", re.DOTALL)
    emptied = target.sub(
        lambda found: (
            re.sub(rb"(<mrk[^>]*>).*?</mrk>", rb"\1</mrk>", found[0], flags=re.DOTALL)
            if b"<mrk" in found[0]
            else b"<target/>"
        ),
        data,
    )
    for number, source in enumerate((data, emptied, target.sub(b"", data))):
        source = re.sub(rb' locked="true"', b"", source) if number else source
        document = open_xliff(name, source)
        assert document.render(document.texts) == source
        assert len(document.texts) == REAL[name] if number == 0 else len(document.texts) >= max(REAL[name], 3)
        before, around = units(source), rest(source)
        for translate in STAND_INS:
            out = document.render([translate(text) for text in document.texts])
            assert rest(out) == around
            for old, new in zip(before, units(out), strict=True):
                if etree.tostring(old) != etree.tostring(new):
                    given, answer = new.find("{*}source"), new.find("{*}target")
                    assert codes(answer) == codes(given)
                    fields = [re.findall(r"{{ \w+ }}", "".join(part.itertext())) for part in (given, answer)]
                    assert fields[0] == fields[1]
                    cut = new.find("{*}seg-source")
                    segments = [
                        part.xpath("descendant::*[@mtype='seg']/@mid")
                        for part in (cut, answer)
                        if part is not None
                    ]
                    assert segments[0] == segments[-1]
