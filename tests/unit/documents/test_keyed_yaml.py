"""YAML by key."""

from __future__ import annotations

import re

import pytest
import yaml

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, leaves, real, rendered, texts_of, translated

SPAN = re.compile(r"%\{\w+\}|%[A-Za-z]")


@pytest.mark.parametrize("name", ["en", "fr", "zh-CN"])
def test_real_files(name: str) -> None:
    data = real(f"rails-yaml/{name}.yml")
    document = open_document("yaml", name, data)
    assert document.render(document.texts) == data
    assert getattr(document, "languages") == (name, "")  # noqa: B009
    given = dict(leaves(yaml.safe_load(data)))
    for translate in [str.upper, *HOSTILE]:
        found = dict(leaves(yaml.safe_load(rendered(document, translate))))
        assert found.keys() == given.keys()
        for path, value in given.items():
            assert SPAN.findall(str(found[path])) == SPAN.findall(str(value))
            assert isinstance(found[path], type(value))
    found = dict(leaves(yaml.safe_load(rendered(document, lambda text: f"«{text}»"))))
    words = [path for path, value in given.items() if re.fullmatch(r"[^\W\d_]+", str(value))]
    changed = [path for path in words if isinstance(given[path], str) and "/date/order/" not in path]
    assert changed
    assert all(found[path] == f"«{given[path]}»" for path in changed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: one # kept\n", "a: ONE # kept\n"),
        ("a: 'it''s'\n", "a: 'IT''S'\n"),
        ('a: "one\\ntwo \\u00e9"\n', 'a: "ONE\\nTWO É"\n'),
        ("a: &x one\nb: *x\n", "a: &x ONE\nb: *x\n"),
        ("a: {b: one, c: [two, 3, yes, ~]}\n", 'a: {b: "ONE", c: ["TWO", 3, yes, ~]}\n'),
        ("a: |\n  one\n  two\n\nb: 1\n", "a: |\n  ONE\n  TWO\n\nb: 1\n"),
        ("a: >-\n   one\n   two\n\n   three\n# kept\n", "a: >-\n   ONE TWO\n\n   THREE\n# kept\n"),
        ("- one\n- - two\n", "- ONE\n- - TWO\n"),
        ("a: at 5:30\n", 'a: "AT 5:30"\n'),
        (
            "a: !tag one\nb: 2024-01-01\nc: some_name\n? one\n",
            "a: !tag one\nb: 2024-01-01\nc: some_name\n? one\n",
        ),
        ("en:\n  date: {order: [year, month]}\n", "en:\n  date: {order: [year, month]}\n"),
        ("a: one %{b} two\r\n", "a: ONE %{b} TWO\r\n"),
        ('a: "one\\ud800"\n', 'a: "ONE\ufffd"\n'),
        ("--- one\n--- two\n", "--- ONE\n--- TWO\n"),
    ],
)
def test_styles(before: str, after: str) -> None:
    assert translated("yaml", before, str.upper) == after
    assert translated("yaml", before, lambda text: text) == before


@pytest.mark.parametrize(
    "answer", ["No", "null", "- a", "a: b", "a #b", "&a", "*a", "[a", "'a", "@ a", "12", "|", "~", "% a"]
)
@pytest.mark.parametrize("frame", ["a: {}\n", "a: [{}]\n", "a: '{}'\n", "a: |\n  {}\n", "a: >\n  {}\n"])
def test_an_answer_is_a_string(answer: str, frame: str) -> None:
    found = yaml.safe_load(translated("yaml", frame.format("One"), lambda text: answer))["a"]
    found = found[0] if isinstance(found, list) else found
    assert str(found).strip() == answer
    assert isinstance(found, str)


def test_the_key_of_the_language_follows_the_target() -> None:
    source = "# en:\nen:\n  a: One\n  en: Two\n"
    assert translated("yaml", source, str.upper, target="fr") == "# en:\nfr:\n  a: ONE\n  en: TWO\n"
    assert translated("yaml", "menu:\n  a: One\n", str.upper, target="fr") == "menu:\n  a: ONE\n"
    assert texts_of("yaml", "a: 1\n") == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a: b\nc: [d", "a:2: is not YAML that can be read"),
        ("a: b\n" + "c: " + "[" * 9999, "a:2: is not YAML that can be read: nested more than 128 deep."),
        (
            "\n".join("  " * n + "a:" for n in range(200)),
            "a:128: is not YAML that can be read: nested more than 128",
        ),
        ('a: "\\UFFFFFFFF"', "a: is not YAML that can be read"),
        ('a: "\\U00110000"', "a: is not YAML that can be read"),
        ("a: \0", "a: is not YAML that can be read"),
    ],
)
def test_what_is_refused(source: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document("yaml", "a", source.encode())
