"""SubStation Alpha subtitles, ASS and SSA; see `cues` for what is a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from mtkit.documents.base import check_utf8
from mtkit.documents.items import Role
from mtkit.documents.spans import PLACEHOLDERS, Markup, Piece, Spliced
from mtkit.documents.subtitles.cues import Cue, CueGrammar, cue_document, lines_of, seconds
from mtkit.errors import InputError

_PLAIN = rf"\\[Nnh]|♪|♫|{PLACEHOLDERS}"
_outside = re.compile(_PLAIN).finditer
_finder = re.compile(rf"\{{[^}}]*+\}}|{_PLAIN}").finditer
_DRAWING = re.compile(r"\\p(\d)")
_STYLE = re.compile(r"\{\\([ibus])([01])\}")
_STAMP = re.compile(r"\d+:\d+:\d+[.,]\d+")
_COLUMNS = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
"""The columns of a file that does not name them."""


def _split(raw: str) -> Sequence[Piece]:
    """Override blocks, drawings and placeholders are spans."""
    closed = raw.rfind("}") + 1  # behind it no brace closes, and looking for one would take long
    pieces: list[Piece] = []
    place, draws = 0, False
    for found in chain(_finder(raw, 0, closed), _outside(raw, closed)):
        pieces += [(raw[place : found.start()], draws), (found[0], True)]
        place = found.end()
        scales = _DRAWING.findall(found[0]) if found[0].startswith("{") else []
        draws = scales[-1] != "0" if scales else draws
    return [piece for piece in [*pieces, (raw[place:], draws)] if piece[0]]


def _pair(raw: str) -> tuple[Role, str]:
    found = _STYLE.fullmatch(raw)
    if not found:
        return "alone", ""
    return ("open" if found[2] == "1" else "close"), found[1]


_GRAMMAR = CueGrammar(
    Markup(_split, silent=re.compile(r"\{[^}]*+\}"), breaks=re.compile(r"\\h"), pair=_pair),
    re.compile(r"\\[Nn]"),
    line_break=lambda before: r"\N",
)


def open_ass(name: str, data: bytes, beside: str | None = None) -> Spliced:
    """The texts of its dialogue; all else stays, and so do comments, override tags and drawings.

    Raises:
        InputError: it is not UTF-8, has no events, or a line of dialogue lacks columns or times.
    """
    source = check_utf8(name, data)
    section, columns, cues = "", _COLUMNS, []
    has_events = False
    for number, (start, whole) in enumerate(lines_of(source), start=1):
        line = whole.rstrip("\r\n")
        key, _, values = line.removeprefix("\ufeff").partition(":")
        if line.removeprefix("\ufeff").startswith("["):
            section = line.strip("\ufeff \t").lower()
            has_events = has_events or section == "[events]"
        elif section != "[events]":
            continue
        elif key == "Format":
            columns = [column.strip().lower() for column in values.split(",")]
            if columns[-1] != "text" or not {"start", "end"} <= {*columns}:
                raise InputError(
                    f"{name}:{number}: the columns must have Start and End, and Text as the last one.",
                    "Repair the line.",
                )
        elif key == "Dialogue":
            cells = values.split(",", len(columns) - 1)
            fields = dict(zip(columns, map(str.strip, cells), strict=False))
            if len(cells) < len(columns) or not all(_STAMP.fullmatch(fields[at]) for at in ("start", "end")):
                raise InputError(
                    f"{name}:{number}: expected {len(columns)} columns with times as 0:00:01.00.",
                    "Repair the line.",
                )
            end = start + len(line)
            owner = f"{fields.get('style', '')},{fields.get('name', fields.get('actor', ''))}"
            time = (seconds(fields["start"]), seconds(fields["end"]))
            cues.append(Cue(end - len(cells[-1]), end, time, owner))
    if not has_events and source.strip("\ufeff \t\r\n"):
        raise InputError(
            f"{name}:1: there is no line [Events] in the file.", "Set format to that of the file."
        )
    return cue_document(source, cues, _GRAMMAR, beside=beside)
