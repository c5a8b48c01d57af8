"""Subtitles: what is said in their cues, sentences that run over several of them, and lines.

Each format finds its cues. What is said by one speaker within a cue is a text; a sentence that continues in
the next cue makes one text with it, and its translation is divided over both.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from operator import itemgetter

from mtkit.documents.base import Answer, Text
from mtkit.documents.spans import Cut, Edit, Markup, Original, Replaced, Slot, Spliced
from mtkit.errors import InputError
from mtkit.text.languages import UNSPACED_CHARACTERS

_STAMP = r"((?:\d++:)?\d++:\d++[,.]\d++)"
_TIME = re.compile(rf"[ \t\ufeff]*+{_STAMP}\s*+-->\s*+{_STAMP}(?:\s.*)?", re.DOTALL)

_MOST_CUES = 6
"""Over which one sentence may run."""
_LONG_PAUSE = 4.0
_SHORT_PAUSE = 1.0
_RARE, _USUAL = 0.2, 0.5
"""Shares of the texts of a file that end with a stop: below the first, stops say nothing of where sentences
end; from the second on, a text without one is not finished."""

_TAGS = r"(?>(?:<[^<>]*+>|\{[^{}]*+\})*+)\s*+"
_DASH = re.compile(rf"{_TAGS}[-–—](?:\s++(?=\S)|(?=[^\W\d_]|[<{{\"“«¿¡…]))")
_NAME = re.compile(rf"{_TAGS}([^\W\d_][\w .'’&#-]{{0,39}}):(?=\s)\s*+")
_CLOSING = "[\"'”’»」』]*"
_STOP = re.compile(rf"[.!?…。！？؟।]{_CLOSING}\Z")
_ELLIPSIS = re.compile(rf"(?:\.\.|…){_CLOSING}\Z")
_FIRST_LETTER = re.compile(r"[\W_]*+(\w)")
_NOTE = re.compile("[♪♫]")
_BREAK = re.compile(rf"(?<=\S) (?=\S)|(?<=[{UNSPACED_CHARACTERS}])(?=[{UNSPACED_CHARACTERS}])")
_BREAK_AT_SPANS = re.compile(rf"{_BREAK.pattern}|\A (?=\S)|(?<=\S) \Z")
_FILLED = re.compile(r"[\s\S]*\S[^\r\n]*+")
_LEADING = re.compile(r"\{[^{}\r\n]*+\}|<v[.\s][^<>]*+>")
_STATE = re.compile(r"\{|</?v\b")
_PAUSES = ",;:.!?…–—，、；：。！？"
_UNSPACED = re.compile(f"[{UNSPACED_CHARACTERS}]")


@dataclass(frozen=True, slots=True)
class Cue:
    """The text shown at one time.

    Attributes:
        start: where its text begins in the file.
        end: where its text ends.
        time: when it appears and disappears, in seconds.
        owner: what cues with a common sentence have in common, such as the voice.
    """

    start: int
    end: int
    time: tuple[float, float]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class CueGrammar:
    """The notation of a format.

    Attributes:
        markup: of one text; line breaks are line feeds there.
        breaks: line breaks in a cue.
        voice: what begins the text of another speaker at the start of a line, besides a dash and a name.
        line_break: from the two characters before a cue to a line break in it.
    """

    markup: Markup
    breaks: re.Pattern[str]
    voice: re.Pattern[str] | None = None
    line_break: Callable[[str], str] = lambda before: before if before == "\r\n" else before[-1]


def read_time(line: str) -> tuple[float, float] | None:
    """The seconds at which a cue begins and ends, if the line is a time code."""
    found = _TIME.fullmatch(line)
    return (seconds(found[1]), seconds(found[2])) if found else None


def seconds(stamp: str) -> float:
    """The time that is written as hours, minutes, seconds and a fraction."""
    *units, fraction = re.split("[:.,]", stamp)
    value = 0.0
    for unit in units:
        value = value * 60 + float(unit)
    return value + float(f"0.{fraction}")


def not_a_time(name: str, number: int, separator: str) -> InputError:
    """For a line, numbered from 0, that should be a time code."""
    return InputError(
        f"{name}:{number + 1}: is not a time code.",
        f"Write it as 00:00:01{separator}000 --> 00:00:02{separator}000.",
    )


def cue_document(
    source: str,
    cues: Sequence[Cue],
    grammar: CueGrammar,
    languages: tuple[str, str] = ("", ""),
    *,
    beside: str | None = None,
) -> Spliced:
    """A file of cues.

    Args:
        source: the file.
        cues: in order.
        grammar: of what is said in them.
        languages: source and target that the file declares; empty where it declares none.
        beside: not None if translations are put below what is said in each cue.
    """
    originals = None if beside is None else [_original(source, cue, grammar) for cue in cues]
    return Spliced(source, _slots(source, cues, grammar), languages, originals=originals)


def _original(source: str, cue: Cue, grammar: CueGrammar) -> Original:
    """All that is said in a cue; a tag that begins it, and holds up to its end, is not repeated."""
    filled = _FILLED.match(source, cue.start, cue.end)
    end = filled.end() if filled else cue.start

    def write(translated: str) -> str:
        tag = _LEADING.match(translated)
        own = tag.end() if tag and len(_STATE.findall(translated)) == 1 else 0
        return grammar.line_break(source[max(0, cue.start - 2) : cue.start]) + translated[own:]

    return Original(cue.start, end, end, write)


def _slots(source: str, cues: Sequence[Cue], grammar: CueGrammar) -> list[Replaced]:
    """The texts of a file, in order."""
    parts = [part for cue in cues for part in _parts(source, cue, grammar)]
    ended = [bool(_STOP.search(part.texts[-1][-8:])) for part in parts if part.texts]
    share = sum(ended) / max(1, len(ended))
    slots: list[Replaced] = []
    group: list[_Part] = []
    for part in parts:
        if not part.texts:
            continue
        if group and not (len(group) < _MOST_CUES and _goes_on(group[-1], part, share)):
            slots.append(_slot(group))
            group = []
        group.append(part)
    return [*slots, _slot(group)] if group else slots


def _slot(group: Sequence[_Part]) -> Replaced:
    """The place of one part, or those of all with a common sentence."""
    if len(group) > 1:
        return _Sentence(group)
    return Slot(group[0].start, group[0].end, group[0].texts, group[0].written)


# ---------------------------------------------------------------- from cues to texts


class _Part:
    """The words of one speaker within a cue.

    Attributes:
        start: where it begins in the file, behind a dash and a name.
        end: where it ends.
        raw: what stands there.
        cue: in which it is.
        is_first: nothing stands before it in the cue.
        is_last: nothing stands behind it in the cue.
        is_labelled: a dash or a name says that a speaker begins.
        texts: what is to be translated.
    """

    def __init__(
        self, source: str, start: int, end: int, cue: Cue, is_labelled: bool, grammar: CueGrammar
    ) -> None:
        self.start, self.end, self.cue, self.is_labelled = start, end, cue, is_labelled
        self.raw = source[start:end]
        self.is_first = self.is_last = False
        self._markup = grammar.markup
        self._breaks = grammar.breaks.findall(self.raw)
        self._cut = Cut(grammar.breaks.sub("\n", self.raw), grammar.markup)
        self.texts = self._cut.texts

    def written(self, answers: Sequence[str]) -> str:
        """The same lines with the texts translated, as many as before."""
        if list(answers) == self.texts:
            return self.raw
        lines = break_lines(self._cut.put(answers), len(self._breaks) + 1, self._markup)
        breaks = self._breaks[: len(lines) - 1]
        return "".join(chain(*zip_longest(lines, breaks, fillvalue="")))


def _parts(source: str, cue: Cue, grammar: CueGrammar) -> list[_Part]:
    """The parts of a cue: a new speaker, and text after a blank line, begin another part."""
    lines, place = [], cue.start
    for found in grammar.breaks.finditer(source, cue.start, cue.end):
        lines.append((place, found.start()))
        place = found.end()
    lines.append((place, cue.end))
    spoken = [_label(source[start:end]) for start, end in lines]
    names = sum(bool(name) for _, name in spoken)
    stretches: list[tuple[int, int, bool]] = []
    is_open = False
    for (start, end), (dash, name) in zip(lines, spoken, strict=True):
        label = name if name and (names > 1 or source[start : start + name].isupper()) else dash
        is_voice = bool(grammar.voice and grammar.voice.match(source, start, end))
        if not source[start:end].strip():
            is_open = False
        elif is_open and not label and not is_voice:
            stretches[-1] = (stretches[-1][0], end, stretches[-1][2])
        else:
            stretches.append((start + label, end, bool(label)))
            is_open = True
    parts = [_Part(source, start, end, cue, labelled, grammar) for start, end, labelled in stretches]
    if parts:
        parts[0].is_first = parts[-1].is_last = True
    return parts


def _label(line: str) -> tuple[int, int]:
    """The length of a dash that introduces another speaker, and its length with the speaker's name."""
    found = _DASH.match(line)
    dash = found.end() if found else 0
    named = _NAME.match(line, dash)
    if not named:
        return dash, 0
    name = named[1]
    is_name = name.isupper() or (name.istitle() and name.count(" ") < 3)
    return dash, named.end() if is_name else 0


def _goes_on(left: _Part, right: _Part, share: float) -> bool:
    """Whether a sentence that begins in `left` continues in `right`.

    Args:
        left: the last text so far.
        right: the next one.
        share: of the texts of the file that end with a stop.
    """
    pause = right.cue.time[0] - left.cue.time[1]
    if (
        share < _RARE
        or not (left.is_last and right.is_first)
        or right.is_labelled
        or len(left.texts) != 1
        or len(right.texts) != 1
        or left.cue.owner != right.cue.owner
        or not -0.1 <= pause <= _LONG_PAUSE
        or _NOTE.search(left.raw)
        or _NOTE.search(right.raw)
    ):
        return False
    end, begin = left.texts[0][-8:], right.texts[0]
    if end[-1] in ")]" or begin[0] in "([":
        return False
    first = _FIRST_LETTER.match(begin)
    is_lower = bool(first and first[1].islower())
    if _STOP.search(end):
        return is_lower and bool(_ELLIPSIS.search(end))
    return is_lower or (share >= _USUAL and pause <= _SHORT_PAUSE and not end.endswith((":", "：")))


# ---------------------------------------------------------------- from translations to cues


class _Sentence:
    """A sentence that runs over several cues.

    Attributes:
        start: where the first of its parts begins.
        texts: the whole.
    """

    def __init__(self, group: Sequence[_Part]) -> None:
        self._group = group
        self.start = group[0].start
        texts = [part.texts[0] for part in group]
        whole, starts = texts[0], [0]
        for text in texts[1:]:
            is_unspaced = _UNSPACED.fullmatch(whole[-1]) and _UNSPACED.fullmatch(text[0])
            whole += text if is_unspaced else f" {text}"
            starts.append(len(whole) - len(text))
        self._starts = [*starts, len(whole)]
        spans = any(isinstance(text, Text) and text.has_spans for text in texts)
        self.texts = [Text(whole, has_spans=spans)]

    def edits(self, answers: Sequence[str]) -> Sequence[Edit]:
        """The share of each cue."""
        if list(answers) == self.texts:
            return ()
        shares = _divided(answers[0], self._starts)
        edits = [
            (part.start, part.end, part.written([share]))
            for part, share in zip(self._group, shares, strict=True)
        ]
        if isinstance(answers[0], Answer) and not all(share.is_placed for share in shares):
            answers[0].is_placed = False
        return edits


def _divided(answer: str, starts: Sequence[int]) -> list[Answer]:
    """The share of a translation for each cue, at least a word; a last word comes again where there are none.

    Args:
        answer: the translation.
        starts: where the text of each cue begins in the source, and where the last one ends.
    """
    scale = len(answer) / starts[-1]
    places = [(float(found.start()), *found.span()) for found in _BREAK.finditer(answer)]
    chosen = _chosen(places, [start * scale for start in starts[1:]], answer)
    anchors = answer.anchors if isinstance(answer, Answer) else ()
    parts: list[Answer] = []
    begin = 0
    for number, (low, high) in enumerate(pairwise(starts)):
        if number > len(chosen):
            parts.append(Answer(parts[-1]))
            continue
        end, after = places[chosen[number]][1:] if number < len(chosen) else (len(answer), 0)
        links = [(a - low, b - begin) for a, b in anchors if low <= a < high and begin <= b < end]
        parts.append(Answer(answer[begin:end], links))
        begin = after
    return parts


def break_lines(raw: str, count: int, markup: Markup) -> list[str]:
    """`raw` in at most `count` lines of like length, none of them blank, broken only outside of spans."""
    count -= raw.count("\n")
    visible, offset, filled = 0, 0, (-1, -1)  # where the first and the last visible character are
    places: list[tuple[float, int, int]] = []  # what is visible before it, and where it is
    for piece, is_span in markup.split(raw):
        if not is_span:
            found = (each.span() for each in _BREAK_AT_SPANS.finditer(piece))
            places += [(visible + (start + end) / 2, offset + start, offset + end) for start, end in found]
            if piece.strip():
                first = visible + len(piece) - len(piece.lstrip())
                filled = (first if filled[0] < 0 else filled[0], visible + len(piece.rstrip()))
            visible += len(piece)
        offset += len(piece)
    places = [place for place in places if filled[0] < place[0] < filled[1]]
    wanted = [visible * number / count for number in range(1, count + 1)]
    broken, begin = [], 0
    for number in _chosen(places, wanted, raw):
        _, start, end = places[number]
        broken.append(raw[begin:start])
        begin = end
    return [line for line in "\n".join([*broken, raw[begin:]]).split("\n") if line.strip()] or [""]


def _chosen(places: Sequence[tuple[float, int, int]], wanted: Sequence[float], text: str) -> Sequence[int]:
    """At which of the places to divide a text: near where it is wanted, rather behind a comma or a stop.

    Args:
        places: how far along each is, and from where to where it goes in the text.
        wanted: how far along each part but the last should end, and how long the whole is.
        text: that is divided.
    """
    count = len(wanted) - 1
    if len(places) <= count:
        return range(len(places))
    chosen: list[int] = []
    first = 0
    for number in range(count):
        want, last = wanted[number], len(places) - (count - number - 1)
        # Less than half the way to the neighbours, so that no place is looked at for two parts.
        reach = min(want - (wanted[number - 1] if number else 0), wanted[number + 1] - want) / 2
        low = bisect_left(places, want - reach, first, last, key=itemgetter(0))
        high = bisect_right(places, want + reach, first, last, key=itemgetter(0))
        if low == high:
            low, high = max(first, low - 1), min(last, low + 1)

        def cost(at: int, want: float = want, reach: float = reach) -> float:
            place, start, _ = places[at]
            return abs(place - want) - (0.6 * reach if text[start - 1] in _PAUSES else 0)

        chosen.append(min(range(low, high), key=cost))
        first = chosen[-1] + 1
    return chosen


def lines_of(source: str) -> Iterator[tuple[int, str]]:
    """The start of each line, and the line with its line break."""
    place = 0
    for line in re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", source):
        yield place, line
        place += len(line)
