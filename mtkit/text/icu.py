"""ICU MessageFormat: the texts of a message with plural, select, selectordinal or choice arguments.

The grammar and its apostrophes are those of ICU's MessagePattern, in its default mode (DOUBLE_OPTIONAL).
"""

from __future__ import annotations

import re

ARGUMENT = r"\{\s*+[\w.-]++\s*+(?:,\s*+\w++\s*+(?:,(?:[^{}']|'[^']*+'|\{[^{}]*+\})*+)?)?\}"
"""An argument without texts of its own: `{name}`, `{count, number, percent}`."""
QUOTED, ARM_QUOTED, _PLURAL_QUOTED, _CHOICE_QUOTED = (
    rf"'[{signs}](?:[^']|'')*+(?:'|\Z)" for signs in ("{}", "{}#|", "{}#", "{}|")
)
"""Syntax as text. The end of the message also ends it."""

_HEAD = re.compile(
    r"\{\s*+[\w.-]++\s*+,\s*+(?:(?P<plural>plural|selectordinal)|(?P<choice>choice)|select)\s*+,"
    r"(?(plural)(?:\s*+offset:\s*+-?\d++)?+)"
)
_ARGUMENT = re.compile(ARGUMENT)
_ARM = re.compile(r"\s*+(?:=-?\d++(?:\.\d++)?+|[\w-]++)\s*+\{")
_ARMS = {
    "plural": _ARM,
    "select": _ARM,
    "choice": re.compile(r"\s*+-?(?:(?:\d++(?:\.\d*+)?+|\.\d++)(?:[Ee][-+]?\d++)?+|∞)\s*+[#<≤]"),
}
_END = re.compile(r"\s*+\}")
_TEXTS = {
    kind: re.compile(rf"(?:{quoted}|''|'(?=[^{{}}']|\Z)|[^{{}}'{ends}])*+")
    for kind, quoted, ends in (
        ("", QUOTED, ""),
        ("plural", _PLURAL_QUOTED, ""),
        ("select", QUOTED, ""),
        ("choice", _CHOICE_QUOTED, "|"),
    )
}
_QUOTE = re.compile(r"''+|'(?=[{}#|]|\Z)")


class _MalformedError(Exception):
    pass


def innermost(raw: str) -> list[tuple[int, int]] | None:
    """Where the texts of a message stand that has plural, select, selectordinal or choice arguments.

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


def is_malformed(raw: str) -> bool:
    """Whether a message with such arguments breaks the grammar."""
    try:
        return bool(_HEAD.search(raw)) and not _texts(raw)
    except _MalformedError:
        return True


def _texts(raw: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    kinds: list[str] = []  # of each argument whose arms are being read
    start = place = 0
    while True:
        if text := _TEXTS[kinds[-1] if kinds else ""].match(raw, place):
            place = text.end()
        if place == len(raw):
            break
        head = _HEAD.match(raw, place)
        if not head and (argument := _ARGUMENT.match(raw, place)):
            place = argument.end()
            continue
        found.append((start, place))
        may_end = raw[place] == "}"
        if head:
            kinds.append(head.lastgroup or "select")
            place = head.end()
        elif not kinds or raw[place] == "{":
            raise _MalformedError
        elif not (may_end and kinds[-1] == "choice"):  # whose last text has no brace of its own
            place += 1
        if arm := _ARMS[kinds[-1]].match(raw, place):
            place = arm.end()
        elif may_end and (end := _END.match(raw, place)):
            kinds.pop()
            place = end.end()
        else:
            raise _MalformedError
        start = place
    if kinds:
        raise _MalformedError
    return [*found, (start, place)]


def escape(text: str) -> str:
    """Text as a message spells it, outside of its arguments: an apostrophe that would quote is doubled."""
    return _QUOTE.sub(lambda found: 2 * found[0], text)


def unescape(text: str) -> str:
    """The reverse."""
    return text.replace("''", "'")
