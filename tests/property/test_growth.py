"""Linear in the input: twice as much takes at most 2.5 times the processor time and memory.

Ratios of times are compared, never times; see `tests.support.growth`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.filters import (
    Filter,
    LanguageFilter,
    LengthFilter,
    ScoreFilter,
    TokensFilter,
)
from mtkit.config.options import Options
from mtkit.config.text import TextConfig
from mtkit.data.clean.column import column_of
from mtkit.data.clean.judging import Judge, Repeats, build_filter
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import one_line_each
from mtkit.data.read.repairs import Repairs
from mtkit.documents.formats import FileFormat, LineFormat
from mtkit.errors import MtkitError
from mtkit.text.form import TextForm
from mtkit.text.icu import escape, innermost
from mtkit.text.normalize import normalize, normalize_lines
from mtkit.text.placeholders import DEFAULT, Family, placeholder_finder, takes_next
from mtkit.text.protect import build_finder
from mtkit.text.segment import segments, sentences
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.text.visible import visible
from mtkit.translate.banned import Banned
from mtkit.translate.glossary import Glossary, Term, terms_used
from mtkit.translate.guard import Guard
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator
from tests.support.fakes import EchoEngine
from tests.support.growth import check_memory, check_time
from tests.support.hostile import AROUND, FRAMES, UNITS, framed, opened

Scanner = Callable[[str], object]

TOKENIZER = Tokenizer(
    train_subwords(
        ["some text to learn pieces from", "another text"] * 5,
        TokenizerConfig(vocab_size=300, byte_fallback=True, num_threads=1),
    )
)
KINDS = (*get_args(LineFormat), *get_args(FileFormat))


# ---------------------------------------------------------------- documents


def document_scanner(kind: FileFormat | LineFormat, frame: str) -> Scanner:
    """Opens a document, and gives each text its words in the reverse order and something more."""

    def scan(text: str) -> None:
        with contextlib.suppress(MtkitError):
            for document in opened(kind, framed(kind, frame, text)):
                document.render(document.texts)
                document.render([f"{' '.join(reversed(each.split()))} <x" for each in document.texts])

    return scan


# ---------------------------------------------------------------- filters


def filter_scanner(options: Filter) -> Scanner:
    """The screen and the verdict, keys or guard of one filter."""
    sides: list[Callable[[str], tuple[str, str]]] = [
        lambda text: (text, text[::-1]),
        lambda text: (text, "x"),
        lambda text: (f"x {text}", text),
    ]

    def scan(text: str) -> None:
        text = normalize(text)
        for make in sides:
            src, tgt = make(text)
            columns = (column_of([src]), column_of([tgt]))
            match build_filter(options, "en", "fr", [Pair(src, tgt, origin="a")]):
                case Judge(verdict, screen):
                    verdict(Pair(src, tgt))
                    if screen is not None:
                        screen(*columns)
                case Repeats(keys):
                    keys(*columns, [0])
                case LeakGuard() as guard:
                    guard(Pair(src, tgt))

    return scan


NEEDS: dict[type[Options], dict[str, object]] = {
    LengthFilter: {"max_chars": 1 << 30},
    ScoreFilter: {"min_score": 0},
}


def filters() -> Iterator[Filter]:
    """One of each kind, but for those that need a package or the tokens."""
    for kind in get_args(get_args(Filter)[0]):
        if kind not in (LanguageFilter, TokensFilter):
            [name] = get_args(kind.model_fields["filter"].annotation)
            yield kind(filter=name, **NEEDS.get(kind, {}))


# ---------------------------------------------------------------- texts

FORMS = [
    TextConfig(protect=("urls", "emails", "tags", "emoji", "placeholders", "numbers"), casing="inline"),
    TextConfig(unicode="nfkc", whitespace="keep", quotes="straight", casing="lower"),
]


def form_scanner(options: TextConfig) -> Scanner:
    form = TextForm(options)

    def scan(text: str) -> None:
        masked = form.source(text)
        form.restore(masked.text, masked.spans)
        form.restore(f"⟦C⟧ {text}", masked.spans)
        clean = form.normalize(text)
        form.pair(clean, clean)
        form.normalize_lines(f"{text}\n")

    return scan


def cut(text: str) -> None:
    segments(text, lambda texts: [len(each) for each in texts], 100)


def read(text: str) -> None:
    one_line_each(Pair(text, f"{text}\nb", origin="a"), Repairs())


def guard(text: str) -> None:
    text = normalize(text)
    Guard("en", "fr").fault(text, f"a {text}")
    Guard("zh", "fr").fault(text, text[::-1])


def terms(text: str) -> None:
    for spaced in (True, False):
        terms_used(GLOSSARY.find(text, spaced), text, spaced)


GLOSSARY = Glossary([Term(unit * size, "a" * size) for unit in UNITS for size in (1, 3)])


def ban(text: str) -> None:
    text = normalize(text)
    ids = TOKENIZER.tgt.encode([text])[0]
    Banned([text[:20], text[len(text) // 2 :][:20], "z"], TOKENIZER).spelled_in(ids)


def translate(text: str) -> None:
    translator = Translator(EchoEngine(), TOKENIZER, DecodeConfig(), ("en", "fr"))
    list(translator.translate([text], Request(guard=True)))


SCANNERS: dict[str, Scanner] = {
    **{
        f"{kind}-{n}": document_scanner(kind, frame) for kind in KINDS for n, frame in enumerate(FRAMES[kind])
    },
    **{options.filter: filter_scanner(options) for options in filters()},
    **{f"form-{number}": form_scanner(options) for number, options in enumerate(FORMS)},
    "normalize_lines": lambda text: normalize_lines(f"{text}\n"),
    "sentences": sentences,
    "segments": cut,
    "visible": visible,
    "reading": read,
    "guard": guard,
    "glossary": terms,
    "banned": ban,
    "translator": translate,
}


def sized(unit: str, before: str, after: str) -> Callable[[int], str]:
    return lambda size: before + unit * (size // len(unit)) + after


def check(name: str, sizes: Sequence[int], around: Sequence[tuple[str, str]]) -> None:
    for unit in UNITS:
        for before, after in around:
            try:
                check_time(SCANNERS[name], sized(unit, before, after), sizes)
            except AssertionError as error:
                pytest.fail(f"{before!r} + n * {unit!r} + {after!r}: {error}")


@pytest.mark.parametrize("name", [name for name in SCANNERS if name != "translator"])
def test_time_is_linear(name: str) -> None:
    check(name, sizes=(2500,), around=AROUND[1:2])


@pytest.mark.slow
@pytest.mark.parametrize("name", SCANNERS)
def test_time_is_linear_whatever_is_around(name: str) -> None:
    check(name, sizes=(500, 2000, 8000), around=AROUND)


@pytest.mark.parametrize("name", SCANNERS)
def test_memory_is_linear(name: str) -> None:
    check_memory(SCANNERS[name], sized("<b> a. ", "Hello ", " x"), size=4000)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCANNERS)
def test_memory_is_linear_whatever_the_text(name: str) -> None:
    for unit in UNITS:
        check_memory(SCANNERS[name], sized(unit, "Hello ", " x"), size=8000)


SIGNS = (
    "'%",
    *(
        "%",
        "%(",
        "%(a",
        "%(a(b)",
        "%<a",
        "%-",
        "%1",
        "%1$",
        "%*",
        "%.",
        "%|",
        "%a",
        "%{",
        "%'",
        "{",
        "{{",
        "{a",
        "{a:",
    ),
    *(
        "{a:{b}",
        "{:",
        "{[",
        "{a[",
        "{a[b]",
        "{a,b,",
        "{a,b,'",
        "{a, b",
        "{%",
        "{%a%",
        "{#",
        "<%",
        "<% %",
        "{{{",
        "{ ",
    ),
    *(
        "$",
        "$a",
        "$t(",
        "${",
        ":a",
        ":",
        "@a",
        "@a.",
        "@a/",
        "__",
        "__a",
        "__a_",
        "~",
        "~1,",
        "~'",
        "#",
        "'",
        "''",
    ),
    *(
        "'{",
        "'{''",
        "'#",
        "{n, plural, other {",
        "{n, select, a {b}",
        "{n, plural, ",
        "}",
        "} ",
        " a {",
        "☀\u200d",
    ),
    *("1\ufe0f", "\U0001f1e6", "\U0001f3f4\U000e0061", "☀\ufe0f"),
)
"""Beginnings of placeholders, of ICU's arguments and of emoji."""


@pytest.mark.parametrize("family", [*get_args(Family), ""])
def test_placeholders_are_found_in_linear_time(family: Family | Literal[""]) -> None:
    finder = placeholder_finder((family,) if family else DEFAULT)
    for unit in SIGNS:
        check_time(finder.findall, sized(unit, "a ", " b"), sizes=(10_000,))


@pytest.mark.parametrize("scan", [innermost, escape, takes_next, build_finder(["emoji", "numbers"]).findall])
def test_signs_are_read_in_linear_time(scan: Scanner) -> None:
    for unit in SIGNS:
        for before in ("", "%", "{n, plural, other {"):
            check_time(scan, sized(unit, before, "}} d"), sizes=(2000, 10_000))


CASES = {
    "spaces in JSON": ("jsonl-1", "Hello", " ", "world"),
    "spaces in a table": ("tsv-0", "Hello", " ", "world"),
    "colons in a catalogue": ("po-1", "Hello ", ":", ""),
    "addresses in a catalogue": ("po-1", "Hello ", "www.", ""),
    "open tags": ("html-0", "<p>Hello ", "<a ", ""),
    "open attributes": ("html-0", "<p>Hello ", '<a b="', ""),
    "open comments": ("md-0", "Hello ", "<!--", ""),
    "nested lists": ("md-0", "", "- ", "x"),
    "nested quotes": ("md-0", "", ">", "x"),
    "stretches that stay open": ("md-0", "", "$$\n", "x"),
    "spaces in Markdown": ("md-0", "Hello", " ", "world"),
    "comments before a dash": ("srt-1", "", "<!---->", "x"),
    "spaces in a text": ("reading", "a", " ", "b"),
    "letters behind an address": ("urls", "www. ", "a", ""),
    "words with stops": ("form-0", "", "a.", ""),
    "zeros in a placeholder": ("form-0", "%", "0", "!"),
    "accents": ("form-0", "a", "\u0301\u0316", ""),
}
"""Which took the square of their size or worse, a minute and more for some of these 100,000 characters."""


@pytest.mark.parametrize("case", CASES)
def test_time_is_linear_where_it_was_not(case: str) -> None:
    name, before, unit, after = CASES[case]
    check_time(SCANNERS[name], sized(unit, before, after), sizes=(1000, 20_000))
