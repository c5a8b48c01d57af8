"""Fluent's .ftl."""

from __future__ import annotations

import pytest
from fluent.syntax import FluentParser
from fluent.syntax.ast import Junk, Placeable, Resource, TextElement
from fluent.syntax.visitor import Visitor

from mtkit.documents.formats import open_document
from tests.support.strings import HOSTILE, real, rendered, texts_of, translated


class _Outline(Visitor):
    """The nodes of a resource but for its texts."""

    def __init__(self, source: str) -> None:
        self.found: list[str] = []
        self.visit(FluentParser(with_spans=False).parse(source))

    def generic_visit(self, node: object) -> None:
        if isinstance(node, Placeable | Junk):
            self.found.append(str(node.to_json() if isinstance(node, Junk) else type(node.expression)))
        elif not isinstance(node, TextElement | Resource):
            self.found.append(f"{type(node).__name__} {getattr(node, 'name', '')}")
        super().generic_visit(node)  # type: ignore[arg-type]


def outline(source: str) -> list[str]:
    """All nodes but texts; of what is malformed, its number."""
    return [node for node in _Outline(source).found if not node.startswith(("Span", "{", "Annotation"))]


@pytest.mark.parametrize("name", ["pontoon-en", "pontoon-fr", "terms"])
def test_real_files(name: str) -> None:
    data = real(f"fluent/{name}.ftl")
    document = open_document("ftl", name, data)
    assert document.render(document.texts) == data
    for translate in [str.upper, *HOSTILE]:
        # An answer of signs alone may leave a placeable for them.
        found = [
            node for node in outline(rendered(document, translate).decode()) if "StringLiteral" not in node
        ]
        assert found == [node for node in outline(data.decode()) if "StringLiteral" not in node]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = One { $b } two\n", "a = ONE { $b } TWO\n"),
        (
            "a = One\n    .title = Two\n    .accesskey = T\n",
            "a = ONE\n    .title = TWO\n    .accesskey = T\n",
        ),
        ("-a = One\n    .gender = feminine\n", "-a = ONE\n    .gender = feminine\n"),
        ('a = { NUMBER($b, c: "d") } one { "{" }\n', 'a = { NUMBER($b, c: "d") } ONE { "{" }\n'),
        (
            "a =\n    One { $b ->\n        [one] two\n       *[other] { $b } three\n    } four\n",
            "a =\n    ONE { $b ->\n        [one] TWO\n       *[other] { $b } THREE\n    } FOUR\n",
        ),
        ("a =\n    One\n    two <b>three</b>\n", "a =\n    ONE\n    TWO <b>THREE</b>\n"),
        ("# One\n## Two\na = three\n", "# One\n## Two\na = THREE\n"),
        ("junk one\na = two\nb =\n", "junk one\na = TWO\nb =\n"),
        ("a = one { $b\nc = two\n", "a = one { $b\nc = TWO\n"),
        ("a = { -b }\nc = { d.e }\n", "a = { -b }\nc = { d.e }\n"),
        ("a = one\r\n    two\r\n", "a = ONE\r\n    TWO\r\n"),
    ],
)
def test_entries(before: str, after: str) -> None:
    assert translated("ftl", before, str.upper) == after
    assert translated("ftl", before, lambda text: text) == before


def test_an_answer_adds_no_syntax() -> None:
    source = "a =\n    One.\n    Two.\n"
    found = translated("ftl", source, lambda text: f".b = {{ c }} [{text}]")
    (entry,) = FluentParser().parse(found).body
    assert not isinstance(entry, Junk)
    assert not entry.attributes  # type: ignore[union-attr]
    assert translated("ftl", source, lambda text: "*a") == 'a =\n    *a\n    {"*"}a\n'.replace(
        "    *a", '    {"*"}a', 1
    )


@pytest.mark.parametrize(
    "source", ["a = " + "{" * 9999, "a = " + "{ $a -> *[b] " * 999, "a = " + "{" * 99 + "}" * 99]
)
def test_deep_nesting_stays(source: str) -> None:
    assert texts_of("ftl", source) == []
