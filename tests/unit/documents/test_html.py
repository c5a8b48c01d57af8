from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.pages import installed_pages, tags, tree
from tests.support.translators import NASTY, TRANSLATORS

PAGE = """<!DOCTYPE html>
<html><head><title>A page &amp; more</title><style>p > a { color: red }</style></head>
<body><!-- note --><p class="a>b">Click <a href='x?a=1&amp;b'>here</a> to <b>open</b> {name}.<br>Next</p>
<ul><li>One<li>Two &nbsp; dogs</ul><pre>keep  me</pre><p>Use <code>x &lt; y</code> now</p>
<script>if (a < b) { document.write("<p>no</p>") }</script>
<div translate="no">Brand <div>name</div> inc</div><p>by <span translate="no">The Firm</span> today</p>
<img src="a.png" alt="A hill"><hr>5 > 4 and so on
</body></html>
"""
BLOCKS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "one ",
        "&lt;i&gt;",
        "<b>",
        "</b>",
        "two",
        "\n",
        "<pre>",
        "</pre>",
        "<br/>",
        "&",
        "<",
        "{x}",
        "<!-- c -->",
    ]
)


@given(TRANSLATORS)
def test_tags_and_what_stays(translate: Callable[[str], str]) -> None:
    document = open_document("html", "a.html", PAGE.encode())
    assert document.render(document.texts) == PAGE.encode()
    out = document.render([translate(text) for text in document.texts]).decode()
    assert tags(out) == tags(PAGE)
    for kept in (
        "<pre>keep  me</pre>",
        "<code>x &lt; y</code>",
        "if (a < b)",
        "Brand <div>name</div> inc",
        "The Firm",
        "{name}",
    ):
        assert kept in out


@given(st.lists(BLOCKS, max_size=12).map("".join), TRANSLATORS)
def test_any_page_keeps_its_tags(page: str, translate: Callable[[str], str]) -> None:
    document = open_document("html", "a.html", page.encode())
    assert document.render(document.texts) == page.encode()
    out = document.render([translate(text) for text in document.texts]).decode()
    assert tags(out) == tags(page)


def test_texts() -> None:
    document = open_document("html", "a.html", PAGE.encode())
    assert list(document.texts) == [
        "A page & more",
        "Click here to open.",
        "Next",
        "One",
        "Two \xa0 dogs",
        "Use now",
        "by today",
        "A hill",
        "5 > 4 and so on",
    ]
    latin = b'<meta charset="iso-8859-1"><p>Good</p>'
    assert (
        open_document("html", "a", latin).render(["Süß <"])
        == b'<meta charset="iso-8859-1"><p>S&#252;&#223; &lt;</p>'
    )


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("<p>Hello <a <b", ["Hello"]),
        ('<p>Hello <a b="x> you</a></p>', ["Hello you"]),
        ("<p>Hello</p><![![", ["Hello"]),
        ("<p>Hello</p><![CDATA[ <p>a</p>", ["Hello"]),
        ("<p>Hello<!-- <p>a</p>", ["Hello"]),
        ("<p>Hello<!--><p>a", ["Hello", "a"]),
        ("<script>a</scripts><p>b</script ><p>c", ["c"]),
        ("<p class='notranslate'>a</p><p class=x>b<p TRANSLATE = NO>c", ["b"]),
        ("1 < 2 and 3 <= 4", ["1 < 2 and 3 <= 4"]),
        ("<p>Hello &#" + "9" * 5000 + ";", ["Hello \ufffd"]),
    ],
)
def test_what_is_broken_is_read_as_the_standard_says(page: str, texts: list[str]) -> None:
    document = open_document("html", "a.html", page.encode())
    assert list(document.texts) == texts
    assert document.render(texts) == page.encode()


def texts(page: str) -> list[str]:
    document = open_document("html", "a.html", page.encode())
    assert document.render(document.texts) == page.encode()
    return [*document.texts]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            "<nav><a href=/a>The library</a><a href=/b>There is a chair.</a></nav>",
            ["The library", "There is a chair."],
        ),
        ("<a><span>One</span></a>\n <a><span>Two</span></a>", ["One", "Two"]),
        ("<a>home</a><a><i class=icon></i> about</a>", ["home", "about"]),
        ("<a>One</a> | <a>Two</a> · <a>Three</a>", ["One", "Two", "Three"]),
        ("<span>Name</span><span>Value</span>", ["Name", "Value"]),
        ("<p><span>Name</span> <span>Value</span></p>", ["Name", "Value"]),
        ("<span>This is </span><span>a house.</span>", ["This is a house."]),
        ("<span>W</span><span>elcome</span>", ["Welcome"]),
        ("<p>The <span>Red</span> <span>Cross</span> came.", ["The Red Cross came."]),
        ("<p>See <a>the house</a> <a>Ann built</a>.", ["See the house Ann built."]),
        ("<p>See <a>the house</a> and <a>the garden</a>.", ["See the house and the garden."]),
        ("<p>A red chair.<br>The library", ["A red chair.", "The library"]),
        ("<p>Ann<br><br>Munich", ["Ann", "Munich"]),
        ("<p>Ann and<br>Bob", ["Ann and Bob"]),
        ("<p>A chair<sup>1</sup> is here.", ["A chair is here."]),
        ("<select><option>One<option>Two</select><button>Go</button>", ["One", "Two", "Go"]),
        ("<title>A <b> & c</title><p>d", ["A <b> & c", "d"]),
    ],
)
def test_where_a_text_ends(page: str, expected: list[str]) -> None:
    assert texts(page) == expected


def test_links_keep_their_texts() -> None:
    page = '<nav><a href="/a">The library</a><a href="/b">There is a red chair.</a></nav>'
    document = open_document("html", "a.html", page.encode())
    out = document.render(["La bibliothèque", "Il y a une chaise rouge."]).decode()
    assert out == '<nav><a href="/a">La bibliothèque</a><a href="/b">Il y a une chaise rouge.</a></nav>'


def test_a_note_and_a_formula_keep_what_is_in_them() -> None:
    for page in ("<p>A chair<sup>1</sup> is here.", "<p>H<sub>2</sub>O is here."):
        document = open_document("html", "a.html", page.encode())
        kept = page[page.index("<s") : page.index("</s") + 6]
        for answer in ("", "x", "Hier steht ein Stuhl und ein Tisch", "<sup>9</sup> 1"):
            assert document.render([answer]).decode().count(kept) == 1


@pytest.mark.parametrize(
    ("page", "expected", "rendered"),
    [
        (
            '<p>See <img alt="A dog" src="x y"> here',
            ["See here", "A dog"],
            '<p>SEE <img alt="A DOG" src="x y"> HERE',
        ),
        ("<input placeholder='Your name' name=q>", ["Your name"], "<input placeholder='YOUR NAME' name=q>"),
        ("<input type=submit value=Go>", ["Go"], '<input type=submit value="GO">'),
        ("<input type=text value=Go>", [], "<input type=text value=Go>"),
        (
            "<a title='T &quot;x&quot;' href=t>b</a>",
            ["b", 'T "x"'],
            "<a title='T &quot;X&quot;' href=t>B</a>",
        ),
        (
            '<meta name="Description" content="A page">',
            ["A page"],
            '<meta name="Description" content="A PAGE">',
        ),
        ('<meta property="og:title" content="A"/>', ["A"], '<meta property="og:title" content="A"/>'),
        ('<meta name=viewport content="width=x">', [], '<meta name=viewport content="width=x">'),
        ("<link rel=stylesheet title=Dark>", [], "<link rel=stylesheet title=Dark>"),
        (
            "<textarea placeholder=Text>kept</textarea>",
            ["Text"],
            '<textarea placeholder="TEXT">kept</textarea>',
        ),
        ("<div aria-label='Main menu'>", ["Main menu"], "<div aria-label='MAIN MENU'>"),
        ('<i title="{{ t("x") }}">a</i>', ["a"], '<i title="{{ t("x") }}">A</i>'),
        ('<i title="Hi {{ name }}">a</i>', ["a", "Hi"], '<i title="HI {{ name }}">A</i>'),
    ],
)
def test_attributes_that_are_shown(page: str, expected: list[str], rendered: str) -> None:
    assert texts(page) == expected
    document = open_document("html", "a.html", page.encode())
    assert document.render([text.upper() for text in document.texts]).decode() == rendered


def test_an_attribute_stays_one() -> None:
    for quote in ('"', "'", ""):
        page = f"<p>a<img alt={quote}x{quote} src=y>b</p>"
        document = open_document("html", "a.html", page.encode())
        out = document.render(["a b", "\"'><script>&amp;<b title=x>"]).decode()
        assert tags(out) == tags(page)


@pytest.mark.parametrize(
    "page",
    [
        "<html translate=no><body><p title=a>b</p></body></html>",
        "<img alt=a class='x notranslate'>",
        "<p translate=no>a<input placeholder=b></p>",
        "<html lang=en><p lang=de title=x>Guten <b>Tag</b></p>",
    ],
)
def test_what_is_not_to_be_translated_stays(page: str) -> None:
    assert texts(page) == []


def test_the_language_of_the_page() -> None:
    page = "<!doctype html><html class=a lang='en-GB'><p lang=en-US>Hello <i lang=fr>Paris</i></p>"
    document = open_document("html", "a.html", page.encode())
    assert document.texts == ["Hello"]
    assert document.languages == ("en-GB", "")  # type: ignore[attr-defined]
    assert open_document("html", "a", b"<p lang=de>Tag").texts == ["Tag"]


CODE = [
    "<%= color %>",
    "{% if a > b %}",
    "{% endif %}",
    "{{ x }}",
    '{{ "a" if x > "<b>" }}',
    "<?= $x ?>",
    '<?php if ($a > 1) { echo "text"; } ?>',
    "{# a note <i> #}",
]


@given(
    st.lists(st.sampled_from([*CODE, "one ", "<b>", "</b>", "Two. "]), max_size=10).map("".join), TRANSLATORS
)
def test_template_code_survives(inside: str, translate: Callable[[str], str]) -> None:
    page = f"<p>There is a {inside} chair.</p>"
    document = open_document("html", "a.html", page.encode())
    assert document.render(document.texts) == page.encode()
    for text in document.texts:
        assert not re.search("[{}$?%]|color|echo|note", text)
    out = document.render([translate(text) for text in document.texts]).decode()
    code = re.compile("|".join(map(re.escape, CODE)))
    assert code.findall(out) == code.findall(page)


def test_template_code_inside_a_tag() -> None:
    page = '<div {% if a > b %}class="x"{% endif %} title="A house">Hi {{ name }}</div>'
    assert texts(page) == ["A house", "Hi"]


def check_page(path: Path) -> None:
    data = path.read_bytes()
    try:
        document = open_document("html", path.name, data)
    except InputError:
        return
    assert document.render(document.texts) == data
    page = data.decode()
    changes: list[Callable[[str], str]] = [
        lambda text: re.sub(r"\w+", "Wort", text),
        lambda text: f"a {text[::-1]}",
        lambda text: f"a {NASTY}{text} {text}{NASTY}",
    ]
    expected = tree(page)
    for change in changes:
        out = document.render([change(text) for text in document.texts]).decode()
        assert tags(out) == tags(page), path
        assert tree(out) == expected, path


def test_some_real_pages() -> None:
    found = installed_pages()
    if not found:
        pytest.skip("no pages are installed")
    for path in found[::30]:
        check_page(path)


@pytest.mark.slow
def test_many_real_pages() -> None:
    for path in installed_pages():
        check_page(path)
