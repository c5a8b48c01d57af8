"""Subtitles as srt, webvtt-py and pysubs2 read them."""

from __future__ import annotations

import re
from io import StringIO
from typing import Literal

import pysubs2
import srt
import webvtt

Kind = Literal["srt", "vtt", "ass"]
_TAGS = {
    "srt": re.compile(r"</?[a-z][^>]*>|\{\\[^}]*\}"),
    "vtt": re.compile(r"</?[a-z][^>]*>|<[\d:.]+>"),
    "ass": re.compile(r"\{[^}]*\}"),
}


def outline(kind: Kind, data: bytes) -> tuple[object, list[tuple[list[str], str]]]:
    """All that is not said, and of each cue the tags in it and what it says."""
    text = data.decode()
    kept: object
    match kind:
        case "srt":
            found = list(srt.parse(text))
            kept = [(cue.index, cue.start, cue.end, cue.proprietary) for cue in found]
            said = [cue.content for cue in found]
        case "vtt":
            file = webvtt.from_buffer(StringIO(text))
            kept = [
                [(cue.identifier, cue.start, cue.end, cue.voice) for cue in file.captions],
                file.header_comments,
                [style.text for style in file.styles],
            ]
            said = [cue.raw_text for cue in file.captions]
        case "ass":
            subtitles = pysubs2.SSAFile.from_string(text, format_="ass")
            kept = [
                subtitles.info,
                subtitles.styles,
                [(event.start, event.end, event.type, event.style, event.is_drawing) for event in subtitles],
                [event.text for event in subtitles if event.is_comment],
            ]
            said = [event.text.replace("\\N", "\n") for event in subtitles if not event.is_comment]
    return kept, [(_TAGS[kind].findall(each), _TAGS[kind].sub("", each)) for each in said]
