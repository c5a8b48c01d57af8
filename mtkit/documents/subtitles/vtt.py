"""WebVTT subtitles; see `cues` for what is a text."""

from __future__ import annotations

import html
import re

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.items import Role
from mtkit.documents.spans import PLACEHOLDERS, Markup, Spliced, split_by
from mtkit.documents.subtitles.cues import Cue, CueGrammar, cue_document, lines_of, not_a_time, read_time
from mtkit.errors import InputError

_FINDER = re.compile(rf"<[^<>]*+>|♪|♫|{PLACEHOLDERS}")
_VOICE = re.compile(r"<v[.\s][^<>]*+>")
_TAG = re.compile(r"<(/?)(c|i|b|u|lang|ruby|rt)[.\s>]")
_LANGUAGE = re.compile(r"^Language:[ \t]*+([A-Za-z][\w-]*+)", re.MULTILINE)


def _pair(raw: str) -> tuple[Role, str]:
    found = _TAG.match(raw)
    if not found:
        return "alone", ""
    return ("close" if found[1] else "open"), found[2]


_GRAMMAR = CueGrammar(
    Markup(
        split_by(_FINDER),
        silent=re.compile("<[^<>]*+>"),
        breaks=re.compile("(?!)"),
        escape=lambda text: html.escape(text, quote=False),
        unescape=unescape,
        pair=_pair,
        ends=_VOICE,
    ),
    re.compile(r"\r\n|\r|\n"),
    _VOICE,
)


def open_vtt(name: str, data: bytes, beside: str | None = None) -> Spliced:
    """The cues of a file; the header, notes, styles, regions, ids, settings and tags stay.

    Raises:
        InputError: it is not UTF-8 or not WebVTT, or a time code is none.
    """
    source = check_utf8(name, data)
    if source.strip() and not re.match("\ufeff?WEBVTT(?:[ \t\r\n]|\\Z)", source):
        raise InputError(f"{name}:1: does not begin with WEBVTT.", "Set format to that of the file.")
    cues: list[Cue] = []
    time: tuple[float, float] | None = None
    begin = end = 0
    header = len(source)
    for number, (start, line) in enumerate([*lines_of(source), (len(source), "")]):
        if line.strip("\r\n") and "-->" not in line:
            end = start + len(line)
            continue
        header = min(header, start)
        if time:
            owner = "".join(_VOICE.findall(source, begin, end))
            cues.append(Cue(begin, end, time, owner))
        time = read_time(line)
        if "-->" in line and not time:
            raise not_a_time(name, number, ".")
        begin = end = start + len(line)
    language = _LANGUAGE.search(source, 0, header)
    return cue_document(source, cues, _GRAMMAR, (language[1] if language else "", ""), beside=beside)
