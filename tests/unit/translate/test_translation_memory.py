"""What is found in a translation memory, and what it changes of a translation."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.documents.base import Answer, Document
from mtkit.documents.formats import open_document
from mtkit.errors import InputError, UsageError
from mtkit.text.form import TextForm
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate import translation_memory
from mtkit.translate.account import UNSURE, Account
from mtkit.translate.confidence import Confidence
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.memory_files import read_memory
from mtkit.translate.records import document_windows
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translation_memory import TranslationMemory
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.corpora import corpus
from tests.support.fakes import EchoEngine
from tests.support.translators import ADVERSARIES, NASTY

FORM = TextForm()
MARKUP = re.compile(r"(:[\w:]+:)?`+[^`]+`+_*")
CAT, DOG = "The cat sat.", "A dog ran."


def memory(entries: Mapping[str, str]) -> TranslationMemory:
    return TranslationMemory(entries.items(), FORM.normalize)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    return Tokenizer(train_subwords([CAT, DOG, "a cat and two dogs sat on the mat"] * 20, options))


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def translator(engine: EchoEngine, tokenizer: Tokenizer) -> Translator:
    return Translator(engine, tokenizer, DecodeConfig(split="always"), ("en", "fr"))


def translated(
    translator: Translator, line: str, request: Request, account: Account | None = None
) -> Translation:
    window = Window([Source(line, 0)], lambda found: found[0][0])
    return next(translator.results([window], request, account))


# ---------------------------------------------------------------- the entries


def test_white_space_and_unicode_forms_are_the_same_and_nothing_else_is() -> None:
    known = memory({"The  café\tis open ": "ouvert"})
    for same in ("The café is open", " The cafe\u0301\u00a0is\u200b open\r"):
        assert known.find(same) == "ouvert"
    for other in ("the café is open", "The café is open.", "The cafe is open", "The café is ope", ""):
        assert known.find(other) is None


def test_a_translation_is_one_line_and_keeps_its_spaces() -> None:
    assert (
        memory({"a": " Où\u00a0?\u202f«\u00a0a\u00a0»  b "}).find("a") == "Où\u00a0?\u202f«\u00a0a\u00a0»  b"
    )
    assert memory({"a": "one\r\ntwo\u2028three\x1b[31m\0"}).find("a") == "one two three[31m"


def test_entries_without_a_side_are_left_out() -> None:
    assert len(memory({"": "a", " \u200b": "b", "c": "\n", "d": "\u00a0 \t"})) == 0
    assert memory({}).find("a") is None


texts = st.text(st.sampled_from("aAé\u0301 \t\u00a0\u2028.\0中"), max_size=4)


@settings(max_examples=200)
@given(st.lists(st.tuples(texts, st.text(max_size=3))), st.lists(texts), st.booleans())
def test_it_is_a_dictionary_whatever_the_hashes(
    pairs: list[tuple[str, str]], asked: list[str], same: bool
) -> None:
    def form(text: str) -> str:
        visible = "".join(char for char in text if char != "\0")
        return " ".join(unicodedata.normalize("NFC", visible).split())

    expected: dict[str, str] = {}
    for src, tgt in pairs:
        shown = memory({"a": tgt}).find("a")
        if form(src) and shown:
            expected[form(src)] = shown
    with pytest.MonkeyPatch.context() as patch:
        if same:
            patch.setattr(translation_memory, "hash", lambda _: 7, raising=False)
        known = TranslationMemory(pairs, FORM.normalize)
        for text in [*asked, *(src for src, _ in pairs)]:
            assert known.find(text) == expected.get(form(text))


def test_another_translation_of_a_source_is_counted() -> None:
    pairs = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "2"), ("b", "1"), ("a", "3")]
    known = TranslationMemory(pairs, FORM.normalize)
    assert known.num_changed == 2
    assert known.find("a") == "3"


# ---------------------------------------------------------------- lines and sentences


def test_a_line_that_it_has_is_not_searched_for(translator: Translator, engine: EchoEngine) -> None:
    account, request = Account(), Request(memory=memory({CAT: "Le chat."}), confidence=False)
    lines = [f" {CAT}\r", CAT.lower(), "", CAT]
    assert list(translator.translate(lines, request, account)) == ["Le chat.", CAT.lower(), "", "Le chat."]
    assert [len(sent) for sent in engine.calls] == [1]
    assert (account.recalled, account.partly_recalled) == (2, 0)
    assert translated(translator, CAT, request) == Translation("Le chat.", origin="memory")


def test_sentences_of_a_line_are_found_one_by_one(translator: Translator, engine: EchoEngine) -> None:
    account, request = Account(), Request(memory=memory({CAT: "Le\u00a0chat\u00a0!"}))
    found = translated(translator, f"{DOG}  {CAT} {DOG}", request, account)
    assert found.text == f"{DOG}  Le\u00a0chat\u00a0! {DOG}"
    assert found.origin == "model"
    assert [(part.tgt, part.origin) for part in found.parts] == [
        (DOG, "model"),
        ("Le\u00a0chat\u00a0!", "memory"),
        (DOG, "model"),
    ]
    assert [len(sent) for sent in engine.calls] == [2]
    assert (account.recalled, account.partly_recalled) == (0, 1)
    both = translated(translator, f"{CAT} {CAT}", request, account)
    assert (both.origin, both.confidence, account.recalled) == ("memory", 1.0, 1)
    assert len(both.parts) == 2


def test_the_whole_line_comes_before_its_sentences(translator: Translator) -> None:
    known = memory({CAT: "1", DOG: "2", f"{CAT} {DOG}": "both"})
    assert list(translator.translate([f"{CAT} {DOG}", f"{DOG} {CAT}"], Request(memory=known))) == [
        "both",
        "2 1",
    ]


def test_placeholders_and_numbers_are_a_part_of_the_text(translator: Translator) -> None:
    known = memory({"Delete {name} on 3 dogs?": "Supprimer {name} 3 ?"})
    lines = ["Delete {name} on 3 dogs?", "Delete {other} on 3 dogs?", "Delete {name} on 4 dogs?"]
    found = list(translator.translate(lines, Request(memory=known)))
    assert found[0] == "Supprimer {name} 3 ?"
    assert not any("Supprimer" in line for line in found[1:])


def test_inside_a_message_nothing_is_put_that_may_break_it(translator: Translator) -> None:
    message = "{n, plural, one {a cat sat} other {the cats sat}}"
    known = memory({"a cat sat": "{", "the cats sat": "}"})
    assert list(translator.translate([message], Request(memory=known))) == [message]
    whole = memory({message: "{n, plural, one {un} other {des}}"})
    assert list(translator.translate([message], Request(memory=whole))) == [
        "{n, plural, one {un} other {des}}"
    ]


def test_a_line_from_the_memory_is_not_too_long_or_unknown(translator: Translator) -> None:
    line = "the cat sat " * 300 + "猫"
    account = Account()
    assert list(translator.translate([line], Request(memory=memory({line: "x"}), strict=True), account)) == [
        "x"
    ]
    assert account.notes == []
    with pytest.raises(InputError, match="has a sentence of"):
        list(translator.translate([line], Request(memory=memory({"b": "x"}), strict=True)))


def test_terms_are_counted_and_banned_phrases_refused(tokenizer: Tokenizer, engine: EchoEngine) -> None:
    account, terms = Account(), Glossary([Term("cat", "minou"), Term("dog", "chien")])
    plain = Translator(engine, tokenizer, DecodeConfig(split="always"), ("en", "fr"))
    known = memory({CAT: "Le chat.", DOG: "Un chien."})
    request = Request(memory=known, glossary=terms, own_terms=True)
    assert list(plain.translate([CAT, DOG], request, account)) == ["Le chat.", "Un chien."]
    assert (account.terms_requested, account.terms_used) == (2, 1)
    request = Request(memory=known, search={"banned": ["UN chien"]})
    assert list(plain.translate([CAT, DOG], request)) == ["Le chat.", DOG]


def test_what_is_from_the_memory_is_certain(tokenizer: Tokenizer, engine: EchoEngine) -> None:
    class Doubt:
        meaning = "chrf"

        def of(self, *_: object) -> float:
            return 0.1

    doubting = Translator(
        engine,
        tokenizer,
        DecodeConfig(split="always"),
        ("en", "fr"),
        estimate=lambda: cast(Confidence, Doubt()),
    )
    known = memory({CAT: "Le chat."})
    request = Request(memory=known, confidence=True, min_confidence=0.5, on_unsure="blank")
    account = Account()
    assert list(doubting.translate([CAT, DOG, f"{CAT} {DOG}"], request, account)) == ["Le chat.", "", ""]
    assert account.counts == {UNSURE: 2}
    assert translated(doubting, CAT, request).confidence == 1.0
    assert translated(doubting, f"{CAT} {DOG}", replace(request, on_unsure="report")).confidence == 0.1


def test_a_prefix_besides_a_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="--target-prefix"):
        Request(memory=memory({}), prefix="x")


# ---------------------------------------------------------------- documents


def filled(translator: Translator, document: Document, known: TranslationMemory) -> bytes:
    answers: list[str] = []
    for found in translator.results(document_windows(document), Request(memory=known)):
        answers += found
    return document.render(answers)


@pytest.mark.parametrize(
    ("kind", "data", "entries", "expected"),
    [
        ("html", "<p>a <b>cat</b> sat</p>", {"a <b>cat</b> sat": "un <b>chat</b>"}, "<p>un <b>chat</b></p>"),
        ("html", "<p><i>a cat</i></p>", {"a cat": "<u>"}, "<p><i>&lt;u&gt;</i></p>"),
        (
            "html",
            "<p>R&amp;D <b>x</b> y</p>",
            {"R&D <b>x</b> y": "D&R < <b>x</b>"},
            "<p>D&amp;R &lt; <b>x</b></p>",
        ),
        (
            "html",
            "<p>R&amp;D <b>x</b></p>",
            {"R&amp;D <b>x</b>": "D&amp;R <b>x</b>"},
            "<p>D&amp;R <b>x</b></p>",
        ),
        ("md", "a *cat* sat\n", {"a *cat* sat": "un *chat*"}, "un *chat*\n"),
        (
            "po",
            'msgid "see :func:`a` 5%"\nmsgstr ""\n',
            {"see :func:`a` 5%": "voir :func:`a`"},
            '"voir :func:`a`"',
        ),
    ],
)
def test_a_text_with_markup_is_found_with_its_markup(
    translator: Translator, kind: str, data: str, entries: dict[str, str], expected: str
) -> None:
    document = open_document(kind, "x", data.encode())  # type: ignore[arg-type]
    assert expected in filled(translator, document, memory(entries)).decode()


@pytest.mark.parametrize(
    "entries",
    [
        {"a cat sat": "UN CHAT"},
        {"a <b>cat</b> sat": "UN CHAT"},
        {"a <b>cat</b> sat": "UN <i>CHAT</i>"},
        {"a <b>cat</b> sat": "UN </b>CHAT<b>"},
        {"a <b>cat</b> sat": "UN <b>CHAT</b><script>"},
    ],
)
def test_other_markup_is_no_match(
    translator: Translator, engine: EchoEngine, entries: dict[str, str]
) -> None:
    document = open_document("html", "x", b"<p>a <b>cat</b> sat</p>")
    assert b"UN" not in filled(translator, document, memory(entries))
    assert len(engine.calls) == 1


@pytest.mark.parametrize("change", ADVERSARIES)
def test_no_translation_of_a_memory_breaks_xml(change: Callable[[str], str]) -> None:
    """Contract of documents: what comes out is still what an independent parser reads, with the same tags."""
    source = '<xliff version="1.2"><file><body>{}</body></file></xliff>'
    units = "".join(
        f'<trans-unit id="{n}"><source>{text}</source><target/></trans-unit>'
        for n, text in enumerate(('a <g id="1">cat</g> &amp; b', '<x id="1"/> the dog <x id="2"/> ran'))
    )
    document = open_document("xliff", "x", source.format(units).encode())
    answers: list[str] = []
    used = 0
    for text in document.texts:
        marked = getattr(text, "marked", None)
        assert marked is not None
        own = marked.spellings[0]
        for hostile in (change(own), own + NASTY, f"{own} & < {change('a')}", f"{own} & <"):
            spelled = marked.spelled(hostile)
            used += spelled is not None
            answers.append(text if spelled is None else Answer(spelled, is_marked=True))
    assert used >= 2
    for place in range(4):
        tree = etree.fromstring(document.render(answers[place::4]))
        for unit, same in zip(tree.iter("trans-unit"), (["1"], ["1", "2"]), strict=True):
            target = unit.find("target")
            assert "".join(target.itertext()) == "" or [part.get("id") for part in target] == same


def test_an_older_release_of_the_python_documentation(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """The catalogue of the newer one is filled where the older one has the very message."""
    folder = corpus("pydocs-releases")
    old = list(zip(*(lines(folder / f"3.8.{side}.gz") for side in ("en", "fr")), strict=True))
    new = lines(folder / "3.11.en.gz")[:800]
    (tmp_path / "3.8.tsv").write_text("".join(f"{src}\t{tgt}\n" for src, tgt in old), "utf-8")
    known = read_memory([tmp_path / "3.8.tsv"], ("en", "fr"), FORM.normalize)
    assert len(known) == len(old) == 24_779
    expected = {form(src): tgt for src, tgt in old}

    engine, account = EchoEngine(), Account()
    translator = Translator(engine, tokenizer, DecodeConfig(split="never"), ("en", "fr"))
    found = list(translator.translate(new, Request(memory=known), account))
    hits = [number for number, line in enumerate(new) if form(line) in expected]
    assert account.recalled == len(hits) > 500
    assert [form(found[number]) for number in hits] == [form(expected[form(new[number])]) for number in hits]
    assert sum(map(len, engine.calls)) <= len(new) - len(hits)

    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    for number in hits[:250]:
        if any(map(str.isalpha, MARKUP.sub("", new[number]))):
            catalogue.append(polib.POEntry(msgid=new[number]))
    filled_in = polib.pofile(
        filled(translator, open_document("po", "x", str(catalogue).encode()), known).decode()
    )
    same = [entry for entry in filled_in if form(entry.msgstr) == form(expected[form(entry.msgid)])]
    with_markup = [entry for entry in same if ":`" in entry.msgid or "``" in entry.msgid]
    assert len(same) >= 0.9 * len(filled_in)
    assert len(with_markup) > 30


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


def form(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.replace("\u200b", "")).split())
