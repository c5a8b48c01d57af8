"""Reads a strict subset of YAML, with plain values by the core schema of YAML 1.2.

A document becomes a tree of `Node`s that know their places. Tags, anchors, merge keys, repeated keys and keys
that are not text are refused, each with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from mtkit.errors import shortened

MAX_CHARS = 1_000_000
MAX_DEPTH = 30
MAX_NODES = 50_000
MAX_SAID = 1000
"""Most characters of a message, which may quote a long name."""

Scalar = None | bool | int | float | str

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar; YAML 1.2.2, section 10.3.2. `no` and `12:30` are text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: line and column from 1; line 0 if it is not in a file (the command line)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem and its place."""

    place: Place
    text: str

    def __str__(self) -> str:
        text = self.text.replace("\n", "\\n")  # a quoted name may contain any character
        return f"{self.place}: {shortened(text, MAX_SAID)}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value, its place, and the place of its key (its own place if it has no key)."""

    value: Scalar | list[Node] | dict[str, Node]
    place: Place
    key_place: Place

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def compose(text: str, file: str, problems: list[Problem]) -> Node | None:
    """The tree of a document; None if it is empty or cannot be parsed at all.

    Args:
        text: the document.
        file: its name, for places.
        problems: problems are added here.
    """
    composer = _Composer(file, problems)
    try:
        return composer.document(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        problems.append(Problem(place, f"not valid YAML: {_reason(error, text, place)}"))
    except _RefusedError as error:
        problems.append(error.problem)
    return None


def _reason(error: yaml.MarkedYAMLError, text: str, place: Place) -> str:
    """The parser's message, in one line, with advice for the most common mistakes."""
    said = error.problem or error.context or "syntax error"
    line = text.split("\n")[place.line - 1] if place.line <= text.count("\n") + 1 else ""
    if line[place.column - 1 : place.column] == "\t":
        return "a tab in the indentation. Indent with spaces."
    if "mapping values are not allowed" in said:
        return f"{said}. Check the indentation, and quote a text that contains a colon and a space."
    if "escape character" in said:
        return f"{said}. In double quotes \\ begins an escape. Use single quotes, or write \\\\."
    if error.context and error.context_mark:
        return f"{said} ({error.context} that began in line {error.context_mark.line + 1})."
    return f"{said}."


class _RefusedError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Composer:
    """Builds nodes from the parser's events, with limits on depth and number."""

    file: str
    problems: list[Problem]
    events: Iterator[yaml.Event] = field(default_factory=lambda: iter(()))
    num_nodes: int = 0

    def document(self, text: str) -> Node | None:
        if len(text) > MAX_CHARS:
            raise _RefusedError(
                Problem(Place(self.file, 1, 1), f"the file has more than {MAX_CHARS:,} characters.")
            )
        if odd := _NOT_TEXT.search(text):
            line_start = text.rfind("\n", 0, odd.start()) + 1
            place = Place(self.file, text.count("\n", 0, odd.start()) + 1, odd.start() - line_start + 1)
            raise _RefusedError(Problem(place, f"not valid YAML: the character {odd.group()!a}."))
        self.events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self._refuse(self._place(event), "", "a second YAML document. Keep one per file.")
                break
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, "", 0)
        return root

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _refuse(self, place: Place, path: str, what: str) -> None:
        self.problems.append(Problem(place, f"{path}: {what}" if path else what))

    def _node(self, event: yaml.Event, path: str, depth: int, key_place: Place | None = None) -> Node:
        place = self._place(event)
        key_place = key_place or place
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            raise _RefusedError(Problem(place, f"the file has more than {MAX_NODES:,} values."))
        if depth > MAX_DEPTH:
            raise _RefusedError(Problem(place, f"nested deeper than {MAX_DEPTH} levels."))
        if isinstance(event, yaml.AliasEvent):
            self._refuse(place, path, f"aliases (*{event.anchor}) are refused. Write the value out.")
            return Node(None, place, key_place)
        if anchor := getattr(event, "anchor", None):
            self._refuse(place, path, f"anchors (&{anchor}) are refused. Write the value out.")
        if tag := getattr(event, "tag", None):
            self._refuse(place, path, f"tags ({tag}) are refused. Leave the tag out.")
        if isinstance(event, yaml.MappingStartEvent):
            return Node(self._mapping(path, depth), place, key_place)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(self._sequence(path, depth), place, key_place)
        assert isinstance(event, yaml.ScalarEvent)
        return Node(resolve(event.value) if event.implicit[0] else event.value, place, key_place)

    def _sequence(self, path: str, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(event, dotted(path, len(items)), depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, place = self._key(event, path, depth), self._place(event)
            member = self._node(next(self.events), dotted(path, key or "?"), depth + 1, place)
            if key is None:
                continue
            if key in members:
                first = members[key].key_place.line
                self._refuse(place, dotted(path, key), f"given twice, first in line {first}. Remove one.")
            members.setdefault(key, member)
        return members

    def _key(self, event: yaml.Event, path: str, depth: int) -> str | None:
        place = self._place(event)
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, path, depth + 1)
            self._refuse(place, path, "a key must be text.")
            return None
        node = self._node(event, path, depth + 1)
        if event.value == "<<" and event.implicit[0]:
            self._refuse(place, path, "merge keys (<<) are refused. Name several files: they are merged.")
            return None
        if not isinstance(node.value, str):
            self._refuse(place, path, f'key {event.value or "(empty)"} is not text. Write "{event.value}".')
            return None
        return str(event.value)


def dotted(path: str, step: str | int) -> str:
    """Joins a path and a step: `data` and `train` give `data.train`."""
    return f"{path}.{step}" if path else str(step)
