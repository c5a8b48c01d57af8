"""The front matter of Markdown in YAML, TOML and JSON: the texts of a few keys; all else stays."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import yaml

from mtkit.documents.md_patterns import PLACEHOLDERS, TEMPLATE
from mtkit.documents.spans import Cut, Markup, Slot, split_by
from mtkit.documents.yaml_values import PLAIN, UNPRINTABLE, Value, quoted, scalars

_KEYS = frozenset(
    [
        "title",
        "subtitle",
        "linktitle",
        "longtitle",
        "shorttitle",
        "navtitle",
        "ogtitle",
        "heading",
        "headline",
        "tagline",
        "text",
        "label",
        "description",
        "ogdescription",
        "summary",
        "excerpt",
        "abstract",
        "lead",
        "intro",
        "caption",
        "alt",
        "details",
        "sidebarlabel",
        "sidebartitle",
        "paginationlabel",
    ]
)
"""Keys whose text is translated, without case, hyphens and underscores."""
_MARKUP = Markup(split_by(re.compile(rf"`[^`\n]++`|{TEMPLATE}|{PLACEHOLDERS}")))
_FENCED = {"---": re.compile(r"(?m)^(?:---|\.\.\.)[ \t]*\r?$"), "+++": re.compile(r"(?m)^\+\+\+[ \t]*\r?$")}
_TOML = re.compile(
    r"(?m)^[ \t]*([\w-]++)[ \t]*=[ \t]*"
    r"(\"\"\"(?:[^\"\\]|\\[\s\S]|\"(?!\"\"))*+\"\"\"|'''(?:[^']|'(?!''))*+'''|\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')"
)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*+\"")
_MOST = 100_000
"""Characters, and a hundredth of it brackets, above which YAML is not read: it takes the square of its depth."""


def front_matter(source: str) -> tuple[int, list[Slot]]:
    """Where the text behind the front matter begins, and the slots in it."""
    start = source.startswith("\ufeff") * 1
    fence = re.compile(r"(---|\+\+\+)[ \t]*\r?\n").match(source, start)
    if fence and (closing := _FENCED[fence[1]].search(source, fence.end())):
        read = _yaml if fence[1] == "---" else _toml
        values = read(source[fence.end() : closing.start()])
        return closing.end(), [_slot(source, fence.end(), value) for value in values]
    if source.startswith("{", start):
        try:
            found, end = json.JSONDecoder().raw_decode(source, start)
        except (ValueError, RecursionError):
            return start, []
        if found and re.compile(r"[ \t]*+(?:\r?\n|\Z)").match(source, end):
            return end, [_slot(source, start, value) for value in _json(source[start:end])]
    return start, []


def _slot(source: str, offset: int, value: Value) -> Slot:
    start, end, text, spell = offset + value[0], offset + value[1], *value[2:]
    cuts = [Cut(line, _MARKUP) for line in text.split("\n")]
    texts = [text for cut in cuts for text in cut.texts]

    def write(answers: Sequence[str]) -> str:
        if list(answers) == texts:
            return source[start:end]
        remaining = iter(answers)
        lines = [cut.put(list(islice(remaining, len(cut.texts)))) for cut in cuts]
        return spell(UNPRINTABLE.sub("", "\n".join(lines)))

    return Slot(start, end, texts, write)


def _is_text(key: str) -> bool:
    return re.sub(r"[-_]", "", key).lower() in _KEYS


def _json(block: str) -> Iterator[Value]:
    for key, value in pairwise(_STRING.finditer(block)):
        if block[key.end() : value.start()].strip() == ":" and _is_text(json.loads(key[0])):
            yield *value.span(), json.loads(value[0]), quoted


def _toml(block: str) -> Iterator[Value]:
    for found in _TOML.finditer(block):
        if _is_text(found[1]):
            try:
                text = tomllib.loads(f"text = {found[2]}")["text"]
            except tomllib.TOMLDecodeError:
                continue
            yield *found.span(2), text, _spelled_in_toml if found[2][0] == "'" else quoted


def _spelled_in_toml(text: str) -> str:
    return quoted(text) if "'" in text or "\n" in text else f"'{text}'"


def _yaml(block: str) -> list[Value]:
    """Values at any depth."""
    if len(block) > _MOST or block.count("[") + block.count("{") > _MOST // 100:
        return []
    try:
        return [
            value
            for scalar in scalars(block)
            if _is_text(scalar.key) and (scalar.event.style or PLAIN.fullmatch(scalar.event.value))
            if not scalar.event.anchor and (value := scalar.value(block))
        ]
    except yaml.YAMLError:
        return []
