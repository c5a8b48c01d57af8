"""The parts of a stretch of a document: text, and spans that open, close, break or stand alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["text", "open", "close", "toggle", "alone", "break"]

_LATIN = r"[0-9A-Za-z\u00c0-\u024f]"
# What sticks to a placeholder: signs, and up to three letters, as in `(%s)`, `#%d`, `%dMB` and `v{version}`.
_STUCK_BEFORE = re.compile(rf"(?:(?<=\s)|\A){_LATIN}{{0,3}}[^\w\s]*\Z|[^\w\s]+\Z")
_STUCK_AFTER = re.compile(
    rf"{_LATIN}{{1,3}}(?!\w)[%°]?|['’]\w{{1,2}}\b|[%°/\\#|+*=~^-]+(?=\s|\Z|[.,;:!?)\]])"
)
_CLOSERS = {
    "(": ")",
    "[": "]",
    "{": "}",
    '"': '"',
    "'": "'",
    "«": "»",
    "“": "”",
    "‘": "’",
    "„": "“",
    "<": ">",
}
_SIGNS = re.compile(r"[ \t]*[,;/|&+–-][ \t]*")
_ESCAPED_TAG = r"&lt;(?:(?!&[lg]t;).)*+&gt;"
_TAG = re.compile(
    rf"<[^<>]*>|{_ESCAPED_TAG}|<(?P<code>[\w:.-]++)[^<>]*>\s*+(?:(?:{_ESCAPED_TAG}|\{{\}})\s*+)*+</(?P=code)>",
    re.DOTALL,
)
_NO_STOP = re.compile(r"[.,;:!?…\s]+\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a stretch.

    Attributes:
        raw: as the document spells it.
        role: what it does; a span that opens or closes nothing is alone.
        key: what it opens or closes.
        is_silent: it prints nothing.
    """

    raw: str
    role: Role
    key: str = ""
    is_silent: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it stands where a word could."""
        return self.role == "alone" and not self.is_silent


def paired(items: Sequence[Item]) -> list[Item]:
    """The items with a key for each pair; what has no partner has none, and a toggle is then alone."""
    found = [replace(item, key="", role="alone" if item.role == "toggle" else item.role) for item in items]
    opened: list[int] = []
    for number, item in enumerate(items):
        if item.role == "open" or (item.role == "toggle" and all(items[n].key != item.key for n in opened)):
            opened.append(number)
        elif item.role in ("close", "toggle"):
            partner = next((n for n in reversed(opened) if items[n].key == item.key), -1)
            if partner >= 0:
                del opened[opened.index(partner) :]
                found[partner] = replace(items[partner], role="open", key=str(partner))
                found[number] = replace(item, role="close", key=str(partner))
    return found


def _partners(items: Sequence[Item]) -> dict[int, int]:
    """The number of the partner of each opening or closing item."""
    opened = {item.key: number for number, item in enumerate(items) if item.key and item.role == "open"}
    pairs = {n: opened[item.key] for n, item in enumerate(items) if item.key and item.role == "close"}
    return pairs | {opening: closing for closing, opening in pairs.items()}


def whole(items: Sequence[Item]) -> list[Item]:
    """Pairs that are empty, or without a letter directly behind one (`<sup>1</sup>`), as one item each."""
    partners = _partners(items)
    found: list[Item] = []
    number = 0
    while number < len(items):
        item, end = items[number], partners.get(number, -1)
        inside = [own for own in items[number + 1 : end] if own.role == "text"] if end > number else []
        text = "".join(own.raw for own in inside)
        glued = found and found[-1].role in ("text", "close") and not found[-1].raw[-1:].isspace()
        if end > number and not any(map(str.isalpha, text)) and (glued or not text.strip()):
            raw = "".join(own.raw for own in items[number : end + 1])
            is_silent = not text.strip() and item.is_silent
            has_words = any(own.is_word for own in items[number : end + 1])
            found.append(Item(raw, "alone", is_silent=is_silent and not has_words))
            number = end
        else:
            found.append(item)
        number += 1
    return found


def listed(items: Sequence[Item]) -> list[Item]:
    """Placeholders with only signs between them as one: a list such as `{a}, {b}/{c}`."""
    found: list[Item] = []
    for item in items:
        is_list = (
            item.is_word
            and len(found) > 1
            and found[-2].is_word
            and found[-1].role == "text"
            and _SIGNS.fullmatch(found[-1].raw)
        )
        if is_list:
            between, first = found.pop(), found.pop()
            found.append(replace(item, raw=first.raw + between.raw + item.raw))
        else:
            found.append(item)
    return found


def stuck(items: Sequence[Item]) -> list[Item]:
    """The items with what sticks to placeholders as part of them."""
    found = list(items)
    for number, item in enumerate(items):
        if not item.is_word:
            continue
        left = found[number - 1] if number and found[number - 1].role == "text" else None
        right = found[number + 1] if number + 1 < len(items) and found[number + 1].role == "text" else None
        if item.raw[:1].isspace():
            left = None
        if item.raw[-1:].isspace():
            right = None
        if _TAG.fullmatch(item.raw):  # a code of the document: words beside it are words
            continue
        before, after = _sticking(left.raw if left else "", right.raw if right else "")
        if left and before:
            found[number - 1] = replace(left, raw=left.raw[: len(left.raw) - len(before)])
        if right and after:
            found[number + 1] = replace(right, raw=right.raw[len(after) :])
        found[number] = replace(item, raw=f"{before}{item.raw}{after}")
    return [item for item in found if item.raw]


def _sticking(left: str, right: str) -> tuple[str, str]:
    """The text before and after a placeholder that belongs to it; brackets and quotes only in pairs."""
    stuck = _STUCK_BEFORE.search(left)
    before = stuck[0] if stuck and not _NO_STOP.search(stuck[0]) else ""
    letters = _STUCK_AFTER.match(right)
    after = letters[0] if letters else ""
    closers = "".join(_CLOSERS[sign] for sign in reversed(before) if sign in _CLOSERS)
    if closers and right.startswith(closers, len(after)):
        return before, after + closers
    return before[max((before.rfind(sign) for sign in _CLOSERS), default=-1) + 1 :], after


def edges(items: Sequence[Item]) -> tuple[int, int]:
    """The first and the last item between which all is text or may move."""
    partners = _partners(items)
    first, last = 0, len(items) - 1

    def is_text(number: int) -> bool:
        return items[number].role == "text" and bool(items[number].raw.strip())

    words = [number for number in range(len(items)) if is_text(number)]
    if not words:
        return 1, 0
    while first < words[0] and not words[0] < partners.get(first, -1) <= words[-1]:
        first += 1
    while last > words[-1] and not words[0] <= partners.get(last, len(items)) < words[-1]:
        last -= 1
    return first, last
