"""SubRip subtitles; see `cues` for what is a text."""

from __future__ import annotations

import re
from itertools import pairwise

from mtkit.documents.base import check_utf8
from mtkit.documents.spans import PLACEHOLDERS, TAG, Markup, Spliced, split_by
from mtkit.documents.subtitles.cues import Cue, CueGrammar, cue_document, not_a_time, read_time
from mtkit.errors import InputError

_FINDER = re.compile(rf"{TAG}|\{{[^{{}}\n]*\}}|\\[Nh]|♪|♫|{PLACEHOLDERS}")


def _escape(text: str) -> str:
    return re.sub("(?<!-)-++>", "→", text)


_GRAMMAR = CueGrammar(
    Markup(split_by(_FINDER), breaks=re.compile(r"\\h"), escape=_escape), re.compile(r"\r?\n|\\N")
)


def open_srt(name: str, data: bytes, beside: str | None = None) -> Spliced:
    """The cues of a file; numbers, time codes and tags stay.

    A cue continues until the next number and time code, whatever blank lines are in it.

    Raises:
        InputError: it is not UTF-8, or a time code is none.
    """
    source = check_utf8(name, data)
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    times = {number: time for number, line in enumerate(lines) if (time := read_time(line))}
    first = next(iter(times), len(lines))
    for number, line in enumerate(lines):
        before = lines[number - 1].strip() if number else ""
        is_text = number - 1 in times or (number > first and before)
        if "-->" in line and number not in times and (not is_text or before.isdecimal()):
            raise not_a_time(name, number, ",")
    if not times and source.strip("\ufeff \t\r\n"):
        raise InputError(f"{name}:1: there is no time code in the file.", "Set format to that of the file.")
    cues = []
    for number, following in pairwise([*times, len(lines)]):
        is_numbered = following in times and lines[following - 1].strip().isdecimal()
        end = max(number + 1, following - 1 if is_numbered else following)
        cues.append(Cue(starts[number + 1], starts[end], times[number]))
    return cue_document(source, cues, _GRAMMAR, beside=beside)
