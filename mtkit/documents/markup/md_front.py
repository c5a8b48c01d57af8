"""The front matter of Markdown in YAML, TOML and JSON: the texts of a few keys; all else stays."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import yaml

from mtkit.documents.markup.md_patterns import PLACEHOLDERS, TEMPLATE
from mtkit.documents.spans import Cut, Markup, Slot, split_by

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
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*+\"")
_PLAIN = re.compile(r"[^\W_][^:#]*(?<!\s)")
_RESOLVER = yaml.resolver.Resolver()
_UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST = 100_000
"""Characters above which YAML is not read, and a hundred times its brackets: their depth is squared."""

_Value = tuple[int, int, str, Callable[[str], str]]
"""Where a value stands, its text, and how another text is spelled there."""


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


def _slot(source: str, offset: int, value: _Value) -> Slot:
    start, end, text, spell = offset + value[0], offset + value[1], *value[2:]
    cuts = [Cut(line, _MARKUP) for line in text.split("\n")]
    texts = [text for cut in cuts for text in cut.texts]

    def write(answers: Sequence[str]) -> str:
        if list(answers) == texts:
            return source[start:end]
        remaining = iter(answers)
        lines = [cut.put(list(islice(remaining, len(cut.texts)))) for cut in cuts]
        return spell(_UNPRINTABLE.sub("", "\n".join(lines)))

    return Slot(start, end, texts, write)


def _is_text(key: str) -> bool:
    return bool(_KEYS.fullmatch(re.sub(r"[-_]", "", key).lower()))


def _quoted(text: str) -> str:
    """As a string of JSON, which is also one of YAML and of TOML."""
    return json.dumps(text, ensure_ascii=bool(_SURROGATE.search(text)))


def _json(block: str) -> Iterator[_Value]:
    for key, value in pairwise(_STRING.finditer(block)):
        if block[key.end() : value.start()].strip() == ":" and _is_text(json.loads(key[0])):
            yield *value.span(), json.loads(value[0]), _quoted


def _toml(block: str) -> Iterator[_Value]:
    for found in _TOML.finditer(block):
        if _is_text(found[1]):
            try:
                text = tomllib.loads(f"text = {found[2]}")["text"]
            except tomllib.TOMLDecodeError:
                continue
            yield *found.span(2), text, _spelled_in_toml if found[2][0] == "'" else _quoted


def _spelled_in_toml(text: str) -> str:
    return _quoted(text) if "'" in text or "\n" in text else f"'{text}'"


@dataclass(slots=True)
class _Level:
    """A collection of YAML that is being read: the nodes of it so far, and the last key."""

    is_mapping: bool
    is_flow: bool
    nodes: int = 0
    key: str = ""


def _yaml(block: str) -> list[_Value]:
    """Values at any depth."""
    if len(block) > _MOST or block.count("[") + block.count("{") > _MOST // 100:
        return []
    values: list[_Value] = []
    levels = [_Level(is_mapping=False, is_flow=False)]
    try:
        for event in yaml.parse(block, Loader=yaml.SafeLoader):
            level = levels[-1]
            if isinstance(event, yaml.NodeEvent):
                is_value = level.is_mapping and level.nodes % 2 == 1
                level.nodes += 1
                scalar = event if isinstance(event, yaml.ScalarEvent) else None
                if not is_value:
                    level.key = scalar.value if scalar else ""
                elif scalar and _is_text(level.key) and not scalar.anchor and not scalar.tag:
                    values += _scalar(block, scalar, level.is_flow)
            if isinstance(event, yaml.CollectionStartEvent):
                is_flow = level.is_flow or bool(event.flow_style)
                levels.append(_Level(isinstance(event, yaml.MappingStartEvent), is_flow))
            elif isinstance(event, yaml.CollectionEndEvent):
                levels.pop()
    except (yaml.YAMLError, ValueError):
        return []
    return values


def _scalar(block: str, event: yaml.ScalarEvent, is_flow: bool) -> list[_Value]:
    start, end = (mark.index for mark in (event.start_mark, event.end_mark) if mark)
    match event.style:
        case "|" | ">":
            raw = block[start:end].rstrip()
            header, *lines = raw.split("\n")
            if not event.value.strip() or re.search(
                r"(?m)^[ \t]", event.value
            ):  # breaks have other rules there
                return []
            first = next(line for line in lines if line.strip())
            margin = first[: len(first) - len(first.lstrip())]
            between = "\n" if event.style == "|" else "\n\n"

            def spell(text: str) -> str:
                body = text.replace("\n", between)
                return f"{header}\n" + textwrap.indent(body, margin)

            return [(start, start + len(raw), event.value.strip("\n"), spell)]
        case "'":
            return [(start, end, event.value, _single)]
        case '"':
            return [(start, end, event.value, _quoted)]
        case _ if _is_string(event.value):
            return [(start, end, event.value, _quoted if is_flow else _plain)]
        case _:
            return []


def _single(text: str) -> str:
    return _quoted(text) if "\n" in text else "'" + text.replace("'", "''") + "'"


def _plain(text: str) -> str:
    """As YAML has it without quotes, if it can be."""
    return text if _PLAIN.fullmatch(text) and _is_string(text) else _quoted(text)


def _is_string(text: str) -> bool:
    """Whether YAML takes `text` without quotes for a string rather than for a number, a date or the like."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag == "tag:yaml.org,2002:str"
