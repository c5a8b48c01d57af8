"""Plain values mean what YAML 1.2.2 says; everything that could surprise is refused with its place."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.strict_yaml import MAX_CHARS, Problem, compose, resolve

# YAML 1.2.2, section 10.3: the examples of its tables and those that YAML 1.1 read otherwise.
CORE_SCHEMA = [
    ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("nULL", "nULL"),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
    ("0", 0), ("0o7", 7), ("0x3A", 58), ("-19", -19), ("010", 10), ("+12", 12), ("0x1F", 31),
    ("-0x1F", "-0x1F"),
    ("0.", 0.0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000.0), ("-2E+05", -200000.0), ("1e-4", 0.0001),
    ("1.0e-3", 0.001), ("685.230_15e+03", "685.230_15e+03"),
    (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("inf", "inf"), ("nan", "nan"),
    ("no", "no"), ("yes", "yes"), ("on", "on"), ("y", "y"), ("12:30", "12:30"), ("1_000", "1_000"),
    ("0b11", "0b11"), ("2026-11-23", "2026-11-23"), ("<<", "<<"), ("=", "="), ("1.2.3", "1.2.3"),
    ("e3", "e3"), (".", "."), ("-", "-"), ("٣", "٣"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CORE_SCHEMA)
def test_plain_values(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = resolve(".NaN")
    assert isinstance(found, float)
    assert math.isnan(found)


def read(text: str) -> tuple[Any, list[str]]:
    """The plain value of a document and what was wrong with it."""
    problems: list[Problem] = []
    node = compose(text, "f.yaml", problems)
    return node.plain() if node else None, [str(problem) for problem in problems]


def test_structure_and_quoting() -> None:
    text = "a: [1, '1', \"1\"]\nb:\n  - {c: no}\n  - |\n    12\n    13\nd:\n"
    assert read(text) == ({"a": [1, "1", "1"], "b": [{"c": "no"}, "12\n13\n"], "d": None}, [])


def test_places_count_characters_from_one() -> None:
    problems: list[Problem] = []
    node = compose("é: 1\nüü: {x: 12}\n", "f.yaml", problems)
    assert node is not None
    assert isinstance(node.value, dict)
    section = node.value["üü"]
    assert isinstance(section.value, dict)
    assert str(section.value["x"].key_place) == "f.yaml:2:6"
    assert str(section.value["x"].place) == "f.yaml:2:9"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}", "f.yaml:2:11: b.c: given twice, first in line 2. Remove one."),
        ("a: !!str 1", "f.yaml:1:4: a: tags (tag:yaml.org,2002:str) are refused. Leave the tag out."),
        ("a: ! 1", "f.yaml:1:4: a: tags (!) are refused. Leave the tag out."),
        ("a: &x 1", "f.yaml:1:4: a: anchors (&x) are refused. Write the value out."),
        ("a: *x", "f.yaml:1:4: a: aliases (*x) are refused. Write the value out."),
        ("1: a", 'f.yaml:1:1: key 1 is not text. Write "1".'),
        ("true: a", 'f.yaml:1:1: key true is not text. Write "true".'),
        ("? [a]\n: b", "f.yaml:1:3: a key must be text."),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second YAML document. Keep one per file."),
        ("a:\n\tb: 1", "f.yaml:2:1: not valid YAML: a tab in the indentation. Indent with spaces."),
        ("a: \x07", "f.yaml:1:4: not valid YAML: the character '\\x07'."),
        ("[" * 100, "f.yaml:1:32: nested deeper than 30 levels."),
        ("[" + "1," * 60_000 + "]", "f.yaml:1:100000: the file has more than 50,000 values."),
        ("#" * (MAX_CHARS + 1), "f.yaml:1:1: the file has more than 1,000,000 characters."),
    ],
)
def test_refused(text: str, problem: str) -> None:
    assert read(text)[1] == [problem]


def test_merge_keys_are_refused() -> None:
    assert (
        "f.yaml:2:1: merge keys (<<) are refused. Name several files: they are merged."
        in (read("a: {b: 1}\n<<: {b: 2}")[1])
    )


def test_a_bomb_of_aliases_is_not_expanded() -> None:
    lines = ["a: &a [x]"] + [f"{chr(98 + n)}: &{chr(98 + n)} [{f'*{chr(97 + n)},' * 9}]" for n in range(9)]
    value, problems = read("\n".join(lines))
    assert problems
    assert len(str(value)) < 1000


@pytest.mark.parametrize("text", ["a: b: c", "{", "'", "a: [1", "@", "- a\nb", "a: %x"])
def test_a_syntax_error_is_one_line_with_its_place(text: str) -> None:
    value, (problem,) = read(text)
    assert value is None
    assert problem.startswith("f.yaml:")
    assert ": not valid YAML: " in problem
    assert "\n" not in problem


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@`, \n\t~0.1e<?"), max_size=40))
def test_any_text_gives_a_value_or_problems(text: str) -> None:
    value, problems = read(text)
    assert all("\n" not in problem for problem in problems)
    assert value is None or isinstance(value, dict | list | str | int | float)
