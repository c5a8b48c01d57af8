"""The front matter of Markdown in YAML, TOML and JSON: the texts of a few keys; all else stays."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

from mtkit.documents.markup.md_patterns import PLACEHOLDERS, TEMPLATE
from mtkit.documents.spans import Cut, Markup, Slot, split_by
from mtkit.documents.yaml_values import UNPRINTABLE, UNREADABLE, Value, quoted, scalars
from mtkit.text.languages import is_known

_KEYS = re.compile(
    r"(?:sub|link|long|short|nav|sidebar|og)?title|(?:og)?description|(?:sidebar|pagination)?label|headline"
    r"|heading|tagline|text|summary|excerpt|abstract|lead|intro|caption|alt|details"
)
"""Keys whose text is translated, without case, hyphens and underscores."""
_MARKUP = Markup(split_by(re.compile(rf"`[^`\n]++`|{TEMPLATE}|{PLACEHOLDERS}")))
_FENCED = {"---": re.compile(r"(?m)^(?:---|\.\.\.)[ \t]*\r?$"), "+++": re.compile(r"(?m)^\+\+\+[ \t]*\r?$")}
_TOML = re.compile(
    r"(?m)^[ \t]*([\w-]++)[ \t]*=[ \t]*"
    r"(\"\"\"(?:[^\"\\]|\\[\s\S]|\"(?!\"\"))*+\"\"\"|'''(?:[^']|'(?!''))*+'''|\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')"
)
_TABLE = re.compile(r"(?m)^[ \t]*\[")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*+\"")
_LANGUAGE_KEYS = ("lang", "language", "locale")


def front_matter(source: str) -> tuple[int, list[Slot], str]:
    """Where the text behind the front matter begins, its slots, and the language that it declares, if any."""
    start = source.startswith("\ufeff") * 1
    fence = re.compile(r"(---|\+\+\+)[ \t]*\r?\n").match(source, start)
    if fence and (closing := _FENCED[fence[1]].search(source, fence.end())):
        read = _yaml if fence[1] == "---" else _toml
        values, language = read(source[fence.end() : closing.start()])
        return closing.end(), [_slot(source, fence.end(), value) for value in values], language
    if source.startswith("{", start):
        try:
            found, end = json.JSONDecoder().raw_decode(source, start)
        except (ValueError, RecursionError):
            return start, [], ""
        if found and re.compile(r"[ \t]*+(?:\r?\n|\Z)").match(source, end):
            slots = [_slot(source, start, value) for value in _json(source[start:end])]
            return end, slots, _language(found.items())
    return start, [], ""


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
    return bool(_KEYS.fullmatch(re.sub(r"[-_]", "", key).lower()))


def _language(values: Iterable[tuple[str, object]]) -> str:
    """The first value of a key for the language that is the code of one."""
    codes = (value for key, value in values if key.lower() in _LANGUAGE_KEYS and isinstance(value, str))
    return next(filter(is_known, codes), "")


def _json(block: str) -> Iterator[Value]:
    for key, value in pairwise(_STRING.finditer(block)):
        if block[key.end() : value.start()].strip() == ":" and _is_text(json.loads(key[0])):
            yield *value.span(), json.loads(value[0]), quoted


def _toml(block: str) -> tuple[list[Value], str]:
    values: list[Value] = []
    pairs = []
    first_table = _TABLE.search(block)
    for found in _TOML.finditer(block):
        try:
            text = tomllib.loads(f"text = {found[2]}")["text"]
        except tomllib.TOMLDecodeError:
            continue
        if not first_table or found.start() < first_table.start():
            pairs.append((found[1], text))
        if _is_text(found[1]):
            values.append((*found.span(2), text, _spelled_in_toml if found[2][0] == "'" else quoted))
    return values, _language(pairs)


def _spelled_in_toml(text: str) -> str:
    return quoted(text) if "'" in text or "\n" in text else f"'{text}'"


def _yaml(block: str) -> tuple[list[Value], str]:
    """Values at any depth, and the declared language. A value with an anchor is used elsewhere, and stays."""
    try:
        found = [scalar for scalar in scalars(block) if scalar.is_string and not scalar.event.anchor]
    except UNREADABLE:
        return [], ""
    values = [value for scalar in found if _is_text(scalar.key) and (value := scalar.value(block))]
    return values, _language((scalar.key, scalar.event.value) for scalar in found if len(scalar.path) == 1)
