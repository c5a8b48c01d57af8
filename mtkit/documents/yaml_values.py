"""YAML whose bytes stay: texts with their places in the source, and how others are spelled there."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

PLAIN = re.compile(r"(?!(?i:true|false|yes|no|on|off|null)$)[^\W\d_][^:#\n]*(?<!\s)")
"""What needs no quotes."""
UNPRINTABLE = re.compile("[\x7f-\x9f\ufeff]")
UNREADABLE = (yaml.YAMLError, ValueError, OverflowError)
"""What reading raises; the last for escapes such as \\UFFFFFFFF."""
_STRING = "tag:yaml.org,2002:str"
_SURROGATE = re.compile("[\ud800-\udfff]")
_RESOLVER: Any = yaml.resolver.Resolver()
MAX_DEPTH = 128

Value = tuple[int, int, str, Callable[[str], str]]
"""Where a value stands, its text, and how another text is spelled there."""

_ANCHOR = re.compile(r"&\S+\s+")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string that is a value of a mapping, or an item of a list.

    Attributes:
        path: the keys that lead to it; an item of a list has that of the list.
        event: of the parser.
        is_flow: whether it stands in brackets or braces.
    """

    path: tuple[str, ...]
    event: yaml.ScalarEvent
    is_flow: bool

    @property
    def key(self) -> str:
        """The last of its keys."""
        return self.path[-1] if self.path else ""

    @property
    def is_string(self) -> bool:
        """Whether YAML takes it for a string rather than for a number, a date or the like."""
        event = self.event
        return bool(event.style) or _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False)) == _STRING

    def value(self, source: str) -> Value | None:
        """Its place and its spelling; None if that has rules of its own."""
        event = self.event
        if not event.start_mark or not event.end_mark:
            return None
        start, end = event.start_mark.index, event.end_mark.index
        if anchor := _ANCHOR.match(source, start, end):
            start = anchor.end()
        match event.style:
            case "|" | ">":
                return _block(source, start, end, event)
            case "'":
                return start, end, event.value, _single
            case '"':
                return start, end, event.value, quoted
            case _:
                return start, end, event.value, quoted if self.is_flow else _plain


@dataclass(slots=True)
class _YamlLevel:
    """A collection that is being read: the nodes of it so far, and the path to the next."""

    is_mapping: bool
    is_flow: bool
    path: tuple[str, ...] = ()
    nodes: int = 0
    key: str = ""


def scalars(source: str, *, in_lists: bool = False) -> Iterator[Scalar]:
    """The strings without a tag that are values of mappings.

    Args:
        source: the YAML.
        in_lists: whether to give items of lists too, and a document that is nothing else.

    Raises:
        yaml.YAMLError, ValueError, OverflowError: it is not YAML, or nested deeper than any real one.
    """
    levels = [_YamlLevel(is_mapping=False, is_flow=False)]
    for event in yaml.parse(source, Loader=yaml.SafeLoader):
        level = levels[-1]
        path = level.path
        if isinstance(event, yaml.NodeEvent):
            is_key = level.is_mapping and level.nodes % 2 == 0
            level.nodes += 1
            text = event.value if isinstance(event, yaml.ScalarEvent) else ""
            if is_key:
                level.key = text
            elif level.is_mapping:
                path = (*path, level.key)
            is_wanted = not is_key and (level.is_mapping or in_lists)
            if is_wanted and isinstance(event, yaml.ScalarEvent) and text and not event.tag:
                yield Scalar(path, event, level.is_flow)
        if isinstance(event, yaml.CollectionStartEvent):
            is_flow = level.is_flow or bool(event.flow_style)
            levels.append(_YamlLevel(isinstance(event, yaml.MappingStartEvent), is_flow, path))
            if len(levels) > MAX_DEPTH:
                mark: Any = event.start_mark
                raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            levels.pop()


def quoted(text: str) -> str:
    """As a string of JSON, which is also one of YAML and of TOML."""
    return json.dumps(text, ensure_ascii=bool(_SURROGATE.search(text)))


def _single(text: str) -> str:
    return quoted(text) if "\n" in text else "'" + text.replace("'", "''") + "'"


def _plain(text: str) -> str:
    """Without quotes, if it can be."""
    return text if PLAIN.fullmatch(text) else quoted(text)


def _block(source: str, start: int, end: int, event: yaml.ScalarEvent) -> Value | None:
    raw = source[start:end].rstrip()
    header, *lines = raw.split("\n")
    if re.search(r"(?m)^[ \t]", event.value):  # line breaks have other rules there
        return None
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    between = "\n" if event.style == "|" else "\n\n"

    def spell(text: str) -> str:
        return f"{header}\n" + textwrap.indent(text.replace("\n", between), margin)

    return (start, start + len(raw), event.value.strip("\n"), spell) if margin else None
