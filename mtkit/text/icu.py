"""ICU MessageFormat: the texts of a message with plural, select or selectordinal arguments.

The grammar and its apostrophes are those of ICU's MessagePattern, in its default mode (DOUBLE_OPTIONAL).
"""

from __future__ import annotations

import re

ARGUMENT = r"\{\s*+[\w.-]++\s*+(?:,\s*+\w++\s*+(?:,(?:[^{}']|'[^']*+'|\{[^{}]*+\})*+)?)?\}"
"""An argument without texts of its own: `{name}`, `{count, number, percent}`."""
QUOTED, PLURAL_QUOTED = (rf"'[{signs}](?:[^']|'')*+(?:'|\Z)" for signs in ("{}", "{}#"))
"""Syntax as text. The end of the message also ends it."""

_HEAD = re.compile(
    r"\{\s*+[\w.-]++\s*+,\s*+(?:(select)|(?:plural|selectordinal))\s*+,(?(1)|(?:\s*+offset:\s*+-?\d++)?+)"
)
_ARGUMENT = re.compile(ARGUMENT)
_ARM = re.compile(r"\s*+(?:=-?\d++(?:\.\d++)?+|[\w-]++)\s*+\{")
_END = re.compile(r"\s*+\}")
_TEXT, _PLURAL_TEXT = (
    re.compile(rf"(?:{quoted}|''|'(?=[^{{}}']|\Z)|[^{{}}'])*+") for quoted in (QUOTED, PLURAL_QUOTED)
)
_QUOTE = re.compile(r"''+|'(?=[{}#|]|\Z)")


class _MalformedError(Exception):
    pass


def innermost(raw: str) -> list[tuple[int, int]] | None:
    """Where the texts of a message stand that has plural, select or selectordinal arguments.

    These are the texts of all arms and those around such arguments, in order and without blank ones. Other
    arguments are part of a text, as is the `#` of a plural: see the family `icu-plural`.

    Returns:
        None if no such argument begins in `raw`, and no texts if `raw` is malformed.
    """
    if not _HEAD.search(raw):
        return None
    try:
        return [(start, end) for start, end in _texts(raw) if raw[start:end].strip()]
    except _MalformedError:
        return []


def _texts(raw: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    is_plural: list[bool] = []  # of each argument whose arms are being read
    start = place = 0
    while True:
        pattern = _PLURAL_TEXT if is_plural and is_plural[-1] else _TEXT
        if text := pattern.match(raw, place):
            place = text.end()
        if place == len(raw):
            break
        head = _HEAD.match(raw, place)
        if not head and (argument := _ARGUMENT.match(raw, place)):
            place = argument.end()
            continue
        found.append((start, place))
        if head:
            is_plural.append(not head[1])
            place = head.end()
        elif raw[place] == "}" and is_plural:
            place += 1
        else:
            raise _MalformedError
        if arm := _ARM.match(raw, place):
            place = arm.end()
        elif (end := _END.match(raw, place)) and not head:
            is_plural.pop()
            place = end.end()
        else:
            raise _MalformedError
        start = place
    if is_plural:
        raise _MalformedError
    return [*found, (start, place)]


def escape(text: str) -> str:
    """Text as a message spells it, outside of its arguments: an apostrophe that would quote is doubled."""
    return _QUOTE.sub(lambda found: 2 * found[0], text)


def unescape(text: str) -> str:
    """The reverse."""
    return text.replace("''", "'")
