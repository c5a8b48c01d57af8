"""gettext catalogues: messages without a translation get one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mtkit.data.read.po import LINE, unescape
from mtkit.documents.base import check_utf8
from mtkit.documents.spans import PLACEHOLDERS, Cut, Markup, Slot, Spliced, split_by
from mtkit.errors import InputError

_WIDTH = 76
_ROLE = r"(?:(?::[\w.+-]{1,64}){1,4}:)?`{1,2}[^`]+`{1,2}_{0,2}|\|\w+\|"
_PRINTF = r"%%|%[-+# 0]*+\d*+[diouxXeEfgGcs](?![A-Za-z])"
_FINDER = re.compile(
    rf"(?:\\n)+|\\[trabfv]|{_ROLE}|</?[A-Za-z](?>(?:\\\"|[^<>\"])*)>|{_PRINTF}|{PLACEHOLDERS}"
)
_HINT = "Check it: msgfmt -c."


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


_MARKUP = Markup(split_by(_FINDER), escape=_escape, unescape=unescape)


@dataclass(slots=True)
class _Field:
    """One text of a message, as its lines are spelled, and where it stands: from its keyword on."""

    start: int
    end: int
    lines: list[str] = field(default_factory=list)

    @property
    def raw(self) -> str:
        return "".join(self.lines)


@dataclass(slots=True)
class _Entry:
    fields: dict[str, _Field] = field(default_factory=dict)

    def slots(self, feed: str) -> list[Slot]:
        msgid, plural = self.fields.get("msgid"), self.fields.get("msgid_plural")
        answers = {name: field for name, field in self.fields.items() if name.startswith("msgstr")}
        if not msgid or not msgid.raw:
            return []
        slots = []
        for name, answer in answers.items():
            if not answer.raw.strip():
                is_singular = not plural or (name == "msgstr[0]" and len(answers) > 1)
                slots.append(_slot(name, (msgid if is_singular or not plural else plural).raw, answer, feed))
        return slots


def _slot(keyword: str, raw: str, place: _Field, feed: str) -> Slot:
    cut = Cut(raw, _MARKUP)
    return Slot(place.start, place.end, cut.texts, lambda found: _spelled(keyword, cut.put(found), feed))


def _spelled(keyword: str, raw: str, feed: str) -> str:
    """A text as gettext writes it: long ones wrapped behind spaces, and behind each line break."""
    if len(raw) + len(keyword) < _WIDTH and "\\n" not in raw[:-2]:
        return f'{keyword} "{raw}"'
    lines = [""]
    for word in re.findall(r"(?>(?:\\.|[^ ])*)(?: +|$)", raw):
        for part in re.findall(r"(?:\\[^n]|[^\\])*(?:\\n?)?", word):
            if len(lines[-1]) + len(part) > _WIDTH or lines[-1].endswith("\\n"):
                lines.append("")
            lines[-1] += part
    return feed.join([f'{keyword} ""', *(f'"{line}"' for line in lines if line)])


def open_po(name: str, data: bytes) -> Spliced:
    """The messages of a catalogue whose translation is empty; each plural form is one of them.

    The first form is that of `msgid` and all others that of `msgid_plural`; a language with one form has the
    latter. Fuzzy and obsolete messages stay.

    Raises:
        InputError: it is not UTF-8, or a line is none of a catalogue.
    """
    source = check_utf8(name, data)
    feed = "\r\n" if "\r\n" in source else "\n"
    message, messages, keyword, place = _Entry(), [], "", 0
    for number, whole in enumerate(re.findall(r"[^\n]*\n|[^\n]+", source), start=1):
        start, place = place, place + len(whole)
        line = whole.strip(" \t\r\n").removeprefix("\ufeff")
        if not line or line.startswith("#"):
            keyword = ""
            continue
        found = LINE.fullmatch(line)
        if not found or not (found[1] or keyword):
            raise InputError(f"{name}:{number}: is not a line of a PO file.", _HINT)
        keyword = found[1] or keyword
        start += whole.index(line)
        if found[1]:
            if (
                keyword in message.fields
                or keyword == "msgctxt"
                or (keyword == "msgid" and _is_whole(message))
            ):
                messages.append(message)
                message = _Entry()
            message.fields[keyword] = _Field(start, start)
        message.fields[keyword].end = start + len(line)
        message.fields[keyword].lines.append(found[2])
    slots = [slot for each in [*messages, message] for slot in each.slots(feed)]
    return Spliced(source, slots)


def _is_whole(message: _Entry) -> bool:
    return any(name.startswith("msgstr") for name in message.fields)
