"""Subtitles: the lines of a cue are one text, and its translation gets as many lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from mtkit.documents.base import check_utf8
from mtkit.documents.spans import PLACEHOLDERS, TAG, Cut, Markup, Slot, Spliced, split_by
from mtkit.errors import InputError
from mtkit.text.languages import UNSPACED_CHARACTERS

_TIME = re.compile(
    r"\s*(?:\d++:)?\d++:\d++[,.]\d++\s*+-->\s*+(?:\d++:)?\d++:\d++[,.]\d++(?:\s.*)?", re.DOTALL
)
_SPEAKER = re.compile(rf"\s*+(?>(?:{TAG})*)\s*+[-–—]\s*+\w")
_FINDER = re.compile(rf"{TAG}|\{{[^{{}}\n]*\}}|^\s*[-–—]\s*|♪|♫|{PLACEHOLDERS}")

_BREAK = re.compile(rf"(?<=\S) (?=\S)|(?<=[{UNSPACED_CHARACTERS}])(?=[{UNSPACED_CHARACTERS}])")


def _escape(text: str) -> str:
    return re.sub("(?<!-)-++>", "→", text)


_MARKUP = Markup(split_by(_FINDER), escape=_escape)


def open_srt(name: str, data: bytes) -> Spliced:
    """The cues of a file; numbers, time codes and tags stay.

    Raises:
        InputError: it is not UTF-8, or a time code is none.
    """
    source = check_utf8(name, data)
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    slots: list[Slot] = []
    begin = 0  # the first line of the cue's text; none while 0
    is_time = [bool(_TIME.fullmatch(line.removeprefix("\ufeff"))) for line in lines] + [False]
    for number, line in enumerate([*lines, ""]):
        if "-->" in line and not is_time[number] and not begin:
            raise InputError(
                f"{name}:{number + 1}: is not a time code.",
                "Write it as 00:00:01,000 --> 00:00:02,000.",
            )
        starts_next = line.strip().isdecimal() and is_time[number + 1]
        if begin and (not line.strip() or starts_next or is_time[number]):
            slots += _slots(source, starts[begin : number + 1])
            begin = 0
        if is_time[number]:
            begin = number + 1
    if not any(is_time) and source.strip("\ufeff \t\r\n"):
        raise InputError(f"{name}:1: there is no time code in the file.", "Set format to the file's.")
    return Spliced(source, slots)


def _slots(source: str, starts: list[int]) -> list[Slot]:
    """The texts of a cue: one, or one for each speaker where each begins with a dash."""
    if len(starts) < 2:
        return []
    firsts = [
        n for n, start in enumerate(starts[:-1]) if n == 0 or _SPEAKER.match(source[start : starts[n + 1]])
    ]
    return [
        _slot(source, starts[first], starts[end])
        for first, end in zip(firsts, [*firsts[1:], len(starts) - 1], strict=True)
    ]


def _slot(source: str, start: int, end: int) -> Slot:
    raw = source[start:end]
    raw = raw[: len(raw.rstrip("\r\n"))]
    cut = Cut(raw, _MARKUP)
    feed = "\r\n" if "\r\n" in raw else "\n"

    def write(found: Sequence[str]) -> str:
        return raw if list(found) == cut.texts else break_lines(cut.put(found), raw.count("\n") + 1, feed)

    return Slot(start, start + len(raw), cut.texts, write)


def break_lines(raw: str, count: int, feed: str) -> str:
    """`raw` in at most `count` lines of like length, broken only outside of spans."""
    count -= raw.count("\n")
    visible, offset = 0, 0
    places: list[tuple[float, int, int]] = []  # what is visible before it, and where it is
    for piece, is_span in _MARKUP.split(raw):
        found = [] if is_span else [each.span() for each in _BREAK.finditer(piece)]
        places += [(visible + (start + end) / 2, offset + start, offset + end) for start, end in found]
        visible += 0 if is_span else len(piece)
        offset += len(piece)
    lines, begin, first = [], 0, 0
    for number in range(1, count):
        if first == len(places):
            break
        chosen = _nearest(places, visible * number / count, first)
        _, start, end = places[chosen]
        lines.append(raw[begin:start])
        begin, first = end, chosen + 1
    return feed.join([*lines, raw[begin:]])


def _nearest(places: list[tuple[float, int, int]], wanted: float, first: int) -> int:
    """Which place from `first` on has the value nearest to `wanted`, the first of equals."""
    above = bisect_left(places, (wanted,), first)
    if above == first:
        return first
    if above < len(places) and places[above][0] - wanted < wanted - places[above - 1][0]:
        return above
    return bisect_left(places, (places[above - 1][0],), first)
