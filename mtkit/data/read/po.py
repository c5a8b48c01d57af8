"""gettext catalogues, one message at a time.

polib would load the whole file, and split lines at U+0085 and U+2028 inside texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mtkit.config.sources import PoSource
from mtkit.data.read.lines import expand, read_lines
from mtkit.data.read.markup import MAX_TEXT
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, shortened
from mtkit.text.languages import same_language

LINE = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s*)?"([^"\\]*(?:\\.[^"\\]*)*)"')
_ESCAPE = re.compile(r"((?:\\(?:x[0-9A-Fa-f]{1,2}|[0-7]{1,3}))+)|\\(.)")
_BYTE = re.compile(r"\\(?:x(..?)|([0-7]{1,3}))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unescape(text: str) -> str:
    """The text that is written, with escapes, between quotes."""
    return _ESCAPE.sub(lambda found: _bytes(found[1]) if found[1] else _ESCAPED.get(found[2], found[2]), text)


def _bytes(escapes: str) -> str:
    """The characters of bytes that are written as numbers."""
    found = _BYTE.findall(escapes)
    return bytes(int(hexa, 16) if hexa else int(octal, 8) & 255 for hexa, octal in found).decode(
        "utf-8", "replace"
    )


@dataclass(slots=True)
class _Message:
    """One entry: its texts by keyword, in the order of the file."""

    line: int = 0
    fuzzy: bool = False
    length: int = 0
    texts: dict[str, list[str]] = field(default_factory=dict)

    def is_over(self, keyword: str) -> bool:
        """Whether `keyword` (empty for a comment) begins the next message."""
        has_msgstr = any(name.startswith("msgstr") for name in self.texts)
        return keyword in ("", "msgctxt", "msgid") and has_msgstr

    def add(self, path: Path, line: int, keyword: str, text: str) -> None:
        """Adds one quoted text to those of a keyword."""
        self.line = self.line or line
        self.texts.setdefault(keyword, []).append(text)
        self.length += len(text)
        if self.length > MAX_TEXT:
            raise InputError(
                f"{path}:{self.line}: a message has more than {MAX_TEXT:,} characters.",
                "This is not a file of translations.",
            )

    def text(self, keyword: str) -> str:
        """A text with its escapes resolved."""
        return unescape("".join(self.texts.get(keyword, ())))

    @property
    def is_header(self) -> bool:
        return "msgctxt" not in self.texts and not any(self.texts.get("msgid", ()))


def read_po(source: PoSource, src_lang: str, tgt_lang: str, repairs: Repairs) -> Iterator[Pair]:
    """The translated messages; for a message with plurals, its first and last form.

    `msgid` is the source, unless the header says that the catalogue is in the source language.

    Raises:
        InputError: a file cannot be read or parsed, or its language is neither of the two.
    """
    for path in expand(source.path):
        turned = False
        for message in _messages(path, repairs, source.encoding):
            place = f"{path}:{message.line}"
            if message.is_header:
                turned = _is_turned(place, message.text("msgstr"), src_lang, tgt_lang, source.encoding)
            elif message.fuzzy:
                repairs.skip("fuzzy message", place)
            elif not (pairs := _translations(message)):
                repairs.skip("message without a translation", place)
            else:
                for src, tgt in pairs:
                    yield Pair(tgt, src, place) if turned else Pair(src, tgt, place)


def _translations(message: _Message) -> list[tuple[str, str]]:
    forms = [message.text(keyword) for keyword in message.texts if keyword.startswith("msgstr")]
    src, plural = message.text("msgid"), message.text("msgid_plural")
    found = [(src, forms[0])] if len(forms) > 1 or not plural else []
    if plural:
        found.append((plural, forms[-1]))
    return [pair for pair in found if pair[1].strip()]


def _messages(path: Path, repairs: Repairs, encoding: str | None) -> Iterator[_Message]:
    message, keyword = _Message(), ""
    for number, line in enumerate(read_lines(path, repairs, encoding), start=1):
        line = line.strip(" \t\r")
        if line.startswith("#~"):
            if line[2:].lstrip().startswith("msgid "):
                repairs.skip("obsolete message", f"{path}:{number}")
            continue
        if not line:
            continue
        if line.startswith("#"):
            if message.is_over(""):
                yield message
                message = _Message()
            if line.startswith("#,"):
                message.fuzzy |= "fuzzy" in re.split(r"[,\s]+", line[2:])
            continue
        found = LINE.fullmatch(line)
        keyword = (found[1] or keyword) if found else ""
        if not found or not keyword:
            raise InputError(f"{path}:{number}: is not a line of a PO file.", "Check it: msgfmt -c.")
        if found[1] and message.is_over(keyword):
            yield message
            message = _Message()
        if found[1] and keyword in message.texts:
            raise InputError(f"{path}:{number}: {shortened(keyword)} is given twice.", "Check it: msgfmt -c.")
        message.add(path, number, keyword, found[2])
    if message.texts:
        if not message.is_over(""):
            raise InputError(f"{path}:{message.line}: the message has no msgstr.", "Check it: msgfmt -c.")
        yield message


def language_of_catalogue(path: Path) -> str:
    """The language that the header of a catalogue declares; empty if it declares none.

    Raises:
        InputError: the file cannot be read, or is no catalogue.
    """
    first = next(_messages(path, Repairs(), None), None)
    return _fields(first.text("msgstr")).get("language", "") if first and first.is_header else ""


def _fields(header: str) -> dict[str, str]:
    """The fields of a header, by their names in lower case."""
    return {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition(":") for line in header.split("\n"))
    }


def _is_turned(place: str, header: str, src_lang: str, tgt_lang: str, encoding: str | None) -> bool:
    """Whether the catalogue translates into the source language."""
    fields = _fields(header)
    charset = fields.get("content-type", "").lower().partition("charset=")[2]
    if encoding is None and charset not in ("", "utf-8", "utf8", "us-ascii", "ascii", "charset"):
        raise InputError(
            f"{place}: is in {shortened(charset)}, expected UTF-8.",
            f"Set encoding: {shortened(charset)}, or convert it: msgconv -t UTF-8.",
        )
    language = fields.get("language", "")
    if not language or same_language(language, tgt_lang):
        return False
    if same_language(language, src_lang):
        return True
    raise InputError(
        f"{place}: the catalogue is in {shortened(language)}, expected {tgt_lang}.",
        "Set src_lang and tgt_lang, or leave the file out.",
    )
