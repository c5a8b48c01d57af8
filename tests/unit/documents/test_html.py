from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.formats import open_document
from tests.support.translators import TRANSLATORS

PAGE = """<!DOCTYPE html>
<html><head><title>A page &amp; more</title><style>p > a { color: red }</style></head>
<body><!-- note --><p class="a>b">Click <a href='x?a=1&amp;b'>here</a> to <b>open</b> {name}.<br>Next</p>
<ul><li>One<li>Two &nbsp; dogs</ul><pre>keep  me</pre><p>Use <code>x &lt; y</code> now</p>
<script>if (a < b) { document.write("<p>no</p>") }</script>
<div translate="no">Brand <div>name</div> inc</div><p>by <span translate="no">The Firm</span> today</p>
<img src="a.png" alt="kept"><hr>5 > 4 and so on
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


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)


@given(TRANSLATORS)
def test_tags_and_what_stays(translate: Callable[[str], str]) -> None:
    document = open_document("html", "a.html", PAGE.encode())
    assert document.render(document.texts) == PAGE.encode()
    out = document.render([translate(text) for text in document.texts]).decode()
    assert Tags(out).found == Tags(PAGE).found
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
    assert Tags(out).found == Tags(page).found


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
