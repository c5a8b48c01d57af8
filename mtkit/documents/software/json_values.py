"""JSON whose bytes stay: values with their places in the source, and texts spelled as the source does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mtkit.errors import InputError

_MAX_DEPTH = 128
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s"{}\[\],:]++')
_ESCAPED = re.compile(r"\\u(?!00[0-7])[0-9a-fA-F]{4}")
_HINT = "Repair the file: python -m json.tool shows where it breaks."


@dataclass(slots=True)
class Value:
    """A value.

    Attributes:
        start: where it begins, in characters.
        end: where it ends.
        key: where the key of a member begins; the same as `start` in a list.
        text: of a string; None of all else.
        is_object: whether it has keys.
        members: of an object by key, and of a list by number. Of members with one key the last counts.
    """

    start: int
    end: int
    key: int
    text: str | None = None
    is_object: bool = False
    members: dict[str, Value] = field(default_factory=dict)

    def at(self, *path: str) -> Value | None:
        """The value at a path of keys."""
        found: Value | None = self
        for key in path:
            found = found.members.get(key) if found else None
        return found

    def string(self, *path: str) -> str:
        """The string at a path of keys; empty if there is none."""
        found = self.at(*path)
        return (found.text or "") if found else ""

    def strings(self) -> Iterator[Value]:
        """All strings in it, in order."""
        if self.text is not None:
            yield self
        for member in self.members.values():
            yield from member.strings()


def read_json(name: str, source: str) -> Value:
    """The value that a file is.

    Raises:
        InputError: the file is not JSON, or is nested deeper than any real one.
    """
    begin = int(source.startswith("\ufeff"))
    try:
        json.loads(source[begin:])
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}.", _HINT
        ) from None
    except (ValueError, RecursionError) as error:  # endless digits, endless brackets
        raise InputError(f"{name}: is not JSON that can be read: {error}.", _HINT) from None
    root = top = Value(begin, len(source), begin, is_object=False)
    stack = [root]
    key, key_start = "", -1
    for found in _TOKEN.finditer(source, begin):
        token, start, end = found[0], *found.span()
        if token in "}]":
            stack.pop().end = end
        elif token[0] == '"' and stack[-1].is_object and key_start < 0:
            key, key_start = json.loads(token), start
        elif token not in ",:":
            parent = stack[-1]
            value = Value(start, end, key_start if parent.is_object else start, is_object=token == "{")
            if token[0] == '"':
                value.text = json.loads(token)
            member = key if parent.is_object else str(len(parent.members))
            parent.members.pop(member, None)  # the order of members is that of their places
            parent.members[member] = value
            key_start = -1
            top = value if parent is root else top
            if token in "{[":
                stack.append(value)
                if len(stack) > _MAX_DEPTH:
                    line = source.count("\n", 0, start) + 1
                    raise InputError(f"{name}:{line}: is nested more than {_MAX_DEPTH} deep.", _HINT)
    return top


def is_ascii(source: str) -> bool:
    """Whether a document is spelled in ASCII, with escapes for other characters."""
    return source.isascii() and bool(_ESCAPED.search(source))


def spelled(text: str, *, in_ascii: bool) -> str:
    """A string of JSON."""
    escaped = json.dumps(text, ensure_ascii=in_ascii)
    # A half of a pair, which the text had as an escape, has no bytes of its own.
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", escaped)
