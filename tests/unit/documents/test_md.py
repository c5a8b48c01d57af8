from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from mtkit.documents.formats import open_document
from tests.support.corpora import REPOSITORY
from tests.support.translators import TRANSLATORS

PAGE = """---
title: Kept
---
# A *big* title #

Some **bold** text with `code` and a [link](http://a.b/c_d "t"),
which goes on ![image](a.png) here.
Second\\
third {name}.

- one item
- [ ] a task
  goes on
    - nested

1. first
2. second

> quoted text
> goes on

```python
kept = 1
```

    kept code

| Head | Other `a|b` |
| --- | :-: |
| cell | 42 |

<div>
kept html
</div>

Setext
------

[ref]: http://x.y
A [named][ref] link.
"""
TEXTS = [
    "A big title",
    "Some bold text with and a link, which goes on here. Second third.",
    "one item",
    "a task goes on",
    "nested",
    "first",
    "second",
    "quoted text goes on",
    "Head",
    "Other",
    "cell",
    "Setext",
    "A named link.",
]


def outline(text: str) -> list[object]:
    """Blocks, code and addresses, as another parser sees them."""
    markdown = pytest.importorskip("markdown_it")
    tokens = markdown.MarkdownIt().enable("table").parse(text)
    found: list[object] = []
    for token in tokens:
        found.append(
            (
                token.type,
                token.tag,
                token.content if token.type in ("fence", "code_block", "html_block") else "",
            )
        )
        found += [
            (inner.type, inner.content if inner.type == "code_inline" else dict(inner.attrs))
            for inner in token.children or ()
            if inner.type in ("code_inline", "link_open", "image")
        ]
    return found


def test_texts() -> None:
    document = open_document("md", "a.md", PAGE.encode())
    assert list(document.texts) == TEXTS
    assert document.render(document.texts) == PAGE.encode()


@given(TRANSLATORS)
def test_another_parser_sees_the_same_blocks(translate: Callable[[str], str]) -> None:
    document = open_document("md", "a.md", PAGE.encode())
    # A block without a word is another block, or none.
    out = document.render([f"a {translate(text)}" for text in document.texts]).decode()
    assert outline(out) == outline(PAGE)


@pytest.mark.parametrize("path", ["README.md", "CHANGELOG.md", "docs/data.md"])
def test_real_files(path: str) -> None:
    source = (REPOSITORY / path).read_text(encoding="utf-8")
    document = open_document("md", path, source.encode())
    assert document.render(document.texts) == source.encode()
    assert document.texts
    out = document.render([text.upper() for text in document.texts]).decode()
    assert outline(out) == outline(source)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("    - code\n    > code\n", []),
        ("one\n> two\n", ["one", "two"]),
        ("See [http://a.b](http://a.b) or *http://c.d* now\n", ["See or now"]),
        ("- a\n\n      - b\n", ["a", "b"]),
        ("one\r\ntwo\r\n", ["one two"]),
    ],
)
def test_where_texts_end(source: str, texts: list[str]) -> None:
    document = open_document("md", "a.md", source.encode())
    assert list(document.texts) == texts
    assert document.render(document.texts) == source.encode()


def test_markers_beyond_a_depth_are_text() -> None:
    source = "- " * 200 + "one"
    document = open_document("md", "a.md", source.encode())
    assert document.texts == ["- " * 100 + "one"]
    assert document.render(document.texts) == source.encode()
