"""gettext catalogues: messages without a translation get one."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice

from mtkit.data.read.po import LINE, unescape
from mtkit.documents.base import check_utf8
from mtkit.documents.catalogues.bilingual import CHOICE, ENDS, KEPT, Edit, Passage, edited_slot
from mtkit.documents.items import Role
from mtkit.documents.spans import Markup, Piece, Slot, Spliced, pair_of
from mtkit.errors import InputError, shortened
from mtkit.text import icu
from mtkit.text.placeholders import DEFAULT, Family, declared
from mtkit.text.protect import build_finder

_WIDTH = 76
_HINT = "Check it: msgfmt -c."
_MAX_FORMS = 10
"""Plural forms of a catalogue; Arabic, with the most, has six."""
_OFTEN = 5
"""Numbers from which on msgfmt -c wants each form to name the number."""

_PERCENT = frozenset(
    {"c", "objc", "python", "java-printf", "php", "perl", "lua", "ruby", "awk", "object-pascal"}
)
_BRACES = frozenset({"python-brace", "c++", "csharp", "rust"})
"""Families of placeholders in which two of these signs stand for one."""

# Each named group is a text between two spans, or as a whole a text.
_ROLE = r"(?:(?::[\w.+-]{1,64}){1,4}:)?"
_TAG = r"</?[A-Za-z](?>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*)>"
_INLINE = (
    rf"<({KEPT})\b[^<>]*>[^<]*+</\1>|{_TAG}|<!--[^>]{{0,1000}}-->"
    r"|(?::(?:std:)?(?:any|doc|download|numref|ref|term):)?`(?P<title>[^`<>\n]*[^`<>\s])\s*<[^`<>\n]+>`_{0,2}"
    rf"|(?<!`)``(?!`)(?:[^`]|`(?!`))++``|{_ROLE}`[^`\n]+`_{{0,2}}|\|\w+\||\[(?:\d+|#[\w.-]*|\*|[A-Z][\w.-]*)\]_"
    r"|!\[[^\[\]\n]*\]\([^()\s]*\)|\[(?P<link>[^\[\]\n]+)\]\([^()\s]*\)"
    r"|(?<![\w*\\])\*\*(?P<strong>[^\s*](?:[^*\n]*[^\s*])?)\*\*(?![\w*])"
    r"|(?<![\w*\\])\*(?P<emphasis>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
)
_LINK_END = re.compile(r"\s*<[^<>]+>`_*")
_BREAK = r"(?:(?<!\s)[^\S\n\t]++)?+[\n\t]\s*+"
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f]++"
_SILENT = re.compile(r"\*{1,2}|\[|\]\(.*|</?(?!br\b|img\b)[A-Za-z][^<>]*>", re.DOTALL)
_BREAKS = re.compile(rf"{_BREAK}|<br\b.*>", re.DOTALL)

_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r", "\a": r"\a", "\b": r"\b"}
_ESCAPES |= {"\f": r"\f", "\v": r"\v"}
_SPECIAL = re.compile('[\x00-\x1f\x7f"\\\\]')

_PREVIOUS = re.compile(r"\s*#\|")
_CHARSET = re.compile(r"(content-type:[^\n]*?charset=)([\w.:-]+)", re.IGNORECASE)
_ASCII = re.compile("(?:us-)?ascii|charset", re.IGNORECASE)
_PLURALS = re.compile(r"nplurals\s*=\s*(\d{1,2})\s*;\s*plural\s*=\s*([^;]*)")


@dataclass(frozen=True, slots=True)
class PoOptions:
    """The options for filling a catalogue.

    Attributes:
        fuzzy: whether translations are marked as fuzzy, for a person to check.
        redo_fuzzy: whether messages that are fuzzy are translated again.
    """

    fuzzy: bool = False
    redo_fuzzy: bool = False


@cache
def _markups(families: tuple[Family, ...]) -> tuple[Markup, Markup | None]:
    """The untranslated parts of a message with these placeholders; `icu` if it may be an ICU message."""
    doubled = ("" if _PERCENT.isdisjoint(families) else "%") + ("" if _BRACES.isdisjoint(families) else "{}")
    text = "|".join(rf"{re.escape(sign)}{{2}}" for sign in doubled) or "(?!)"

    def double(text: str) -> str:
        return re.sub(f"[{doubled}]", r"\g<0>\g<0>", text) if doubled else text

    def single(raw: str) -> str:
        return re.sub(f"([{doubled}])\\1", r"\1", raw) if doubled else raw

    placeholders = build_finder(["placeholders"], families).pattern
    fixed = re.compile(rf"{_TAG}|{CHOICE}|{placeholders}", re.DOTALL)
    split = _splitter(text, families)
    markup = Markup(split, _SILENT, _BREAKS, double, single, _pair, ENDS, fixed=fixed)
    if families not in (DEFAULT, ("java",)):
        return markup, None
    split = _splitter(text, ("icu-plural",))
    return markup, replace(
        markup, split=split, escape=icu.escape, unescape=icu.unescape, icu=True, fixed=None
    )


def _pair(raw: str) -> tuple[Role, str]:
    """Whether a span opens, closes or toggles something, and what; a link in reST is between ` and <...>`."""
    if raw.endswith("`") and raw.count("`") == 1:
        return ("close" if raw.lstrip().startswith("<") else "open"), "`"
    return ("close", "`") if _LINK_END.fullmatch(raw) else pair_of(raw)


def _splitter(text: str, families: tuple[Family, ...]) -> Callable[[str], Sequence[Piece]]:
    """Cuts a message into text and spans; what `text` finds is text."""
    placeholders = build_finder(("urls", "emails", "placeholders"), families).pattern
    finder = re.compile(rf"{_BREAK}|{_CONTROL}|{CHOICE}|{_INLINE}|(?P<text>{text})|{placeholders}", re.DOTALL)
    return lambda raw: [piece for piece in _pieces(finder, raw) if piece[0]]


def _pieces(finder: re.Pattern[str], raw: str) -> Iterator[Piece]:
    """A text and its spans; inside a link or emphasis there is text again."""
    place = 0
    for found in finder.finditer(raw):
        if found.lastgroup == "text":
            continue
        yield raw[place : found.start()], False
        start, end = found.span(found.lastgroup) if found.lastgroup else (found.end(), found.end())
        yield raw[found.start() : start], True
        if start < end:
            yield from _pieces(finder, raw[start:end])
            yield raw[end : found.end()], True
        place = found.end()
    yield raw[place:], False


@dataclass(slots=True)
class _Field:
    """One text of a message, as its lines are spelled, and where it stands: from its keyword on."""

    start: int
    end: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return unescape("".join(self.lines))


@dataclass(slots=True)
class _Entry:
    """An entry of the catalogue.

    Attributes:
        fields: its texts by keyword.
        comments: where each of its lines of flags and of texts before a change begins, and the line.
    """

    fields: dict[str, _Field] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)

    @property
    def start(self) -> int:
        return min([place for place, _ in self.comments] + [field.start for field in self.fields.values()])

    @property
    def is_header(self) -> bool:
        return "msgctxt" not in self.fields and "msgid" in self.fields and not self.fields["msgid"].text

    @property
    def forms(self) -> dict[str, _Field]:
        return {name: field for name, field in self.fields.items() if name.startswith("msgstr")}

    @property
    def flags(self) -> frozenset[str]:
        return frozenset(flag for _, line in self.comments for flag in _flags(line))

    def comment_edits(self, *, is_fuzzy: bool, feed: str) -> Iterable[Edit]:
        """Marks the message as fuzzy or removes the mark, and removes its previous texts."""
        is_marked = not is_fuzzy
        for place, line in self.comments:
            flags, wanted = _flags(line), [flag for flag in _flags(line) if flag != "fuzzy"]
            if not is_marked and line.lstrip().startswith("#,"):
                wanted, is_marked = ["fuzzy", *wanted], True
            if wanted != flags or _PREVIOUS.match(line):
                yield Edit(place, place + len(line), f"#, {', '.join(wanted)}{feed}" if wanted else "")
        if not is_marked:
            first = min(field.start for field in self.fields.values())
            yield Edit(first, first, f"#, fuzzy{feed}")


def _flags(line: str) -> list[str]:
    return [] if _PREVIOUS.match(line) else [flag for flag in re.split(r"[,\s]+", line.strip()[2:]) if flag]


@dataclass(frozen=True, slots=True)
class _Plurals:
    """The plural forms of a catalogue.

    Attributes:
        count: of forms; 0 if it is not declared.
        singular: the form of the number 1.
        is_often: whether many other numbers have that form too.
    """

    count: int = 0
    singular: int = 0
    is_often: bool = False

    def source(self, number: int, msgid: str, plural: str, markup: Markup) -> str:
        """The source text of plural form `number`."""
        if number != self.singular or self.count == 1:
            return plural
        one, many = (
            sorted(piece for piece, is_span in markup.split(text) if is_span) for text in (msgid, plural)
        )
        return plural if self.is_often and one != many else msgid


class _Catalogue:
    """The messages of a file, as they are read line by line."""

    def __init__(self, name: str, source: str) -> None:
        self.messages: list[_Entry] = [_Entry()]
        self._keyword = ""
        place = 0
        for number, whole in enumerate(re.findall(r"[^\n]*\n|[^\n]+", source), start=1):
            line = whole.strip(" \t\r\n\ufeff")
            if not line or line.startswith("#"):
                self._comment(place, whole, line)
            elif not self._text(place + whole.index(line), line):
                raise InputError(f"{name}:{number}: is not a line of a PO file.", _HINT)
            place += len(whole)

    def _comment(self, place: int, whole: str, line: str) -> None:
        self._keyword = ""
        if line.startswith("#~"):  # what stood above belongs to an obsolete message
            self._next()
        elif line.startswith(("#,", "#=", "#|")):
            if self.messages[-1].forms:
                self._next()
            self.messages[-1].comments.append((place, whole))

    def _text(self, place: int, line: str) -> bool:
        found = LINE.fullmatch(line)
        if not found or not (found[1] or self._keyword):
            return False
        if found[1]:
            self._keyword = found[1]
            fields = self.messages[-1].fields
            is_next = self._keyword in ("msgctxt", "msgid") and self.messages[-1].forms
            if is_next or self._keyword in fields or (self._keyword == "msgctxt" and fields):
                self._next()
            self.messages[-1].fields[self._keyword] = _Field(place, place)
        field = self.messages[-1].fields[self._keyword]
        field.end = place + len(line)
        field.lines.append(found[2])
        return True

    def _next(self) -> None:
        self.messages.append(_Entry())

    @property
    def header(self) -> str:
        found = next((message for message in self.messages if message.is_header), _Entry())
        return "".join(form.text for form in found.forms.values())


def _slot(source: str, message: _Entry, plurals: _Plurals, options: PoOptions, feed: str) -> Slot | None:
    """The place of all that a translation changes in a message; None if nothing does."""
    fields, forms, flags = message.fields, message.forms, message.flags
    if message.is_header or "msgid" not in fields or not forms:
        return None
    blank = {name for name, form in forms.items() if not form.text.strip()}
    is_redone = options.redo_fuzzy and "fuzzy" in flags
    if "fuzzy" in flags and blank != forms.keys() and not is_redone:
        return None
    msgid, plural = fields["msgid"].text, fields.get("msgid_plural")
    markup, icu_markup = _markups(declared(flags))
    names = list(forms)
    if plural:
        plurals = replace(plurals, count=plurals.count or len(forms))
        names = [f"msgstr[{number}]" for number in range(plurals.count)]
    sources = {
        name: plurals.source(number, msgid, plural.text, markup) if plural else msgid
        for number, name in enumerate(names)
        if is_redone or name in blank or name not in forms
    }
    passages = {text: Passage(text, markup, icu_markup) for text in sources.values()}
    end = max(form.end for form in forms.values())

    def edits(answers: Sequence[str]) -> Iterable[Edit]:
        remaining = iter(answers)
        filled = {text: each.put(islice(remaining, len(each.texts))) for text, each in passages.items()}
        if all(text == found for text, found in filled.items()):
            return  # none of the answers could be used
        for name, text in sources.items():
            form, spelled = forms.get(name), _spelled(name, filled[text], feed)
            yield Edit(form.start, form.end, spelled) if form else Edit(end, end, feed + spelled)
        for name in blank - {*names}:  # more than the header declares
            yield Edit(source.rindex("\n", 0, forms[name].start), forms[name].end, "")
        yield from message.comment_edits(is_fuzzy=options.fuzzy, feed=feed)

    texts = [text for passage in passages.values() for text in passage.texts]
    return edited_slot(source, message.start, end, texts, edits)


def _spelled(keyword: str, text: str, feed: str) -> str:
    """A text as gettext writes it: long ones wrapped behind spaces, and behind each line break."""
    raw = _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], f"\\{ord(found[0]):03o}"), text)
    if len(raw) + len(keyword) < _WIDTH and "\n" not in text[:-1]:
        return f'{keyword} "{raw}"'
    lines = [""]
    for word in re.findall(r"(?>(?:\\.|[^ ])*)(?: +|$)", raw):
        for part in re.findall(r"(?:\\[^n]|[^\\])*(?:\\n?)?", word):
            if len(lines[-1]) + len(part) > _WIDTH or lines[-1].endswith("\\n"):
                lines.append("")
            lines[-1] += part
    return feed.join([f'{keyword} ""', *(f'"{line}"' for line in lines if line)])


def open_po(name: str, data: bytes, options: PoOptions | None = None) -> Spliced:
    """The messages of a catalogue whose translation is empty, in as many plural forms as its header declares.

    The form of the number 1 is that of `msgid`, and all others that of `msgid_plural`. The header, obsolete
    messages and, unless asked for, fuzzy ones stay. The file keeps its character set; if that cannot
    express a translation, the catalogue is written in UTF-8 and its header says so.

    Raises:
        InputError: it is not in the character set that it declares, or a line is none of a catalogue.
    """
    options = options or PoOptions()
    source, charset = _decoded(name, data)
    catalogue = _Catalogue(name, source)
    header = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition(":") for line in catalogue.header.split("\n"))
    }
    plurals = _plurals(header.get("plural-forms", ""))
    feed = "\r\n" if "\r\n" in source else "\n"
    slots = [_slot(source, message, plurals, options, feed) for message in catalogue.messages]
    languages = (header.get("x-source-language", ""), header.get("language", ""))
    return _Translated(source, [slot for slot in slots if slot], languages, charset)


def _decoded(name: str, data: bytes) -> tuple[str, str]:
    """The text of a file, and the character set that its header declares."""
    starts = [found.start() for found in islice(re.finditer(rb"(?m)^msgid\b", data), 2)]
    head = data[: starts[1] if starts[1:] else None]
    found = _CHARSET.search(head.decode("latin-1"))
    charset = found[2].lower() if found else "utf-8"
    if _ASCII.fullmatch(charset):
        return check_utf8(name, data), "ascii" if data.isascii() else "utf-8"
    if charset in ("utf-8", "utf8"):
        return check_utf8(name, data), "utf-8"
    try:
        text = data.decode(charset)
        if text.encode(charset) == data:
            return text, charset
    except (LookupError, ValueError):
        pass
    raise InputError(
        f"{name}: cannot be read in {shortened(charset)}, the charset of its header.",
        "Correct the header, or convert it: msgconv -t UTF-8.",
    )


class _Translated(Spliced):
    """A catalogue that is written in UTF-8 if its character set cannot express a translation."""

    def render(self, translations: Sequence[str]) -> bytes:
        """The catalogue with its slots filled."""
        try:
            return super().render(translations)
        except UnicodeEncodeError:
            written = Spliced(self._source, self._slots).render(translations)
            return _CHARSET.sub(r"\g<1>UTF-8", written.decode(), count=1).encode()


def _plurals(declared: str) -> _Plurals:
    found = _PLURALS.search(declared)
    count = int(found[1]) if found else 0
    if not found or not 0 < count <= _MAX_FORMS:
        return _Plurals()
    try:
        form = gettext.c2py(found[2].strip())
        forms = [form(number) for number in range(1001)]
    except (ValueError, ArithmeticError):
        return _Plurals(count)
    return _Plurals(count, forms[1], forms.count(forms[1]) >= _OFTEN)
