"""A glossary with a model that has learned to use terms in its sources: soft, hard, and soft then hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.text import TextConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.interface import EngineName
from mtkit.errors import UsageError
from mtkit.text.form import TextForm
from mtkit.text.subwords import train_subwords
from mtkit.text.term_marks import TERM_MARKS
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import INSISTED, MISSED, UNSPELLED, Account
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.open import open_translator
from mtkit.translate.request import GlossaryMode, Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import TINY_PAIRS, EchoEngine, export_unchecked, make_tiny_run

TEXTS = [
    "There is a red chair in the house of the driver's house.",
    "Which drivers bought red chairs? Is he from Munich? rouge chaise maison",
]
RED, CHAIR = Term("red", "rouge"), Term("chair", "chaise")


def make(form: TextForm | None = None) -> Tokenizer:
    texts = [(form or TextForm()).pair(text, "")[0] for text in TEXTS] * 20
    options = TokenizerConfig(vocab_size=100, character_coverage=1.0)
    symbols = form.symbols if form else ()
    return Tokenizer(train_subwords(texts, options, symbols=symbols, tags=TERM_MARKS), form=form)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return make()


class Reader(EchoEngine):
    """Translates each term between marks as it says; but for those of `deaf`, which only a search obeys."""

    def __init__(self, tokenizer: Tokenizer, deaf: Sequence[str] = ()) -> None:
        super().__init__()
        self.tokenizer, self.deaf = tokenizer, deaf
        self.demands: list[list[bool]] = []

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.calls.append([list(ids) for ids in src_ids])
        asked = [demand.terms is not None for demand in demands] if demands else [False] * len(src_ids)
        self.demands.append(asked)
        found = [self.read(ids, is_asked=own) for ids, own in zip(src_ids, asked, strict=True)]
        return [[hyp] for hyp in self.score(src_ids, found, options)]

    def read(self, ids: Sequence[int], *, is_asked: bool) -> list[int]:
        begin, middle, end = self.tokenizer.src.ids_of(TERM_MARKS)
        written: list[int] = []
        src: list[int] = []
        tgt: list[int] = []
        here = written
        for token in ids:
            if token == begin:
                here = src = []
            elif token == middle:
                here = tgt = []
            elif token == end:
                obeys = is_asked or self.tokenizer.src.decode([tgt])[0] not in self.deaf
                written += tgt if obeys else src
                here = written
            else:
                here.append(token)
        return written


def translated(
    engine: Reader,
    line: str,
    glossary: Sequence[Term] = (),
    mode: GlossaryMode = "auto",
    own: tuple[Term, ...] = (),
    *,
    reads_terms: bool = True,
) -> tuple[Translation, Account]:
    translator = Translator(engine, engine.tokenizer, DecodeConfig(), ("en", "fr"), reads_terms=reads_terms)
    request = Request(
        glossary=Glossary(glossary) if glossary else None, own_terms=True, glossary_mode=mode, alignment=True
    )
    account = Account()
    window = Window([Source(line, 0, terms=own)], lambda found: found)
    [[[best, *_]]] = translator.results([window], request, account)
    return best, account


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Is the red chair red?", "Is the rouge chaise rouge?"),
        ("Red is the chair.", "rouge is the chaise."),
        ("Is he from Munich?", "Is he from Munich?"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "soft"])
def test_a_reader_of_terms_is_searched_once_without_constraints(
    tokenizer: Tokenizer, line: str, expected: str, mode: GlossaryMode
) -> None:
    engine = Reader(tokenizer)
    best, account = translated(engine, line, [RED, CHAIR], mode)
    assert best.text == expected
    assert engine.demands == [[False]]
    assert account.terms_requested == account.terms_used == len(Glossary([RED, CHAIR]).find(line, True))
    assert not account.notes


def test_auto_insists_on_a_term_that_the_model_omits(tokenizer: Tokenizer) -> None:
    engine = Reader(tokenizer, deaf=["chaise"])
    best, account = translated(engine, "Is the red chair here?", [RED, CHAIR])
    assert best.text == "Is the rouge chaise here?"
    assert engine.demands == [[False], [True]]
    assert account.counts == {INSISTED: 1}
    assert (account.terms_requested, account.terms_used) == (2, 2)


def test_soft_tells_what_the_model_omits(tokenizer: Tokenizer) -> None:
    engine = Reader(tokenizer, deaf=["chaise"])
    best, account = translated(engine, "Is the red chair here?", [RED, CHAIR], "soft")
    assert best.text == "Is the rouge chair here?"
    assert engine.demands == [[False]]
    assert account.counts == {MISSED: 1}
    assert account.notes[0].text == "the translation lacks a term: chaise."
    assert (account.terms_requested, account.terms_used) == (2, 1)


@pytest.mark.parametrize(("mode", "reads_terms"), [("hard", True), ("auto", False), ("hard", False)])
def test_hard_writes_nothing_into_the_source(
    tokenizer: Tokenizer, mode: GlossaryMode, reads_terms: bool
) -> None:
    engine = Reader(tokenizer)
    translated(engine, "Is the red chair here?", [RED], mode, reads_terms=reads_terms)
    assert engine.demands == [[True]]
    assert engine.calls == [tokenizer.encode(["Is the red chair here?"])]


def test_soft_is_refused_without_a_model_that_reads_terms(tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="has not learned to use terms"):
        translated(Reader(tokenizer), "Is it red?", [RED], "soft", reads_terms=False)


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_mode_without_terms_is_refused(mode: GlossaryMode) -> None:
    with pytest.raises(UsageError, match="has no effect without terms"):
        Request(glossary_mode=mode)


def test_terms_of_a_line_are_written_and_one_without_source_is_searched_for(tokenizer: Tokenizer) -> None:
    engine = Reader(tokenizer)
    translated(engine, "Is the red chair here?", own=(RED,))
    assert engine.demands == [[False]]
    translated(engine, "Is the red chair here?", own=(RED, Term("Munich", "maison")))
    assert engine.demands == [[False], [True]]
    assert engine.calls[0] == engine.calls[1]


def test_an_unspellable_term_is_inserted_and_the_others_are_written(tokenizer: Tokenizer) -> None:
    engine = Reader(tokenizer)
    best, account = translated(engine, "Is the red chair here?", [RED, Term("chair", "浴室")])
    assert best.text == "Is the rouge 浴室 here?"
    assert account.counts == {UNSPELLED: 1}
    assert (account.terms_requested, account.terms_used) == (2, 2)


def test_a_term_in_a_typography_that_the_model_lacks_is_searched_for(tokenizer: Tokenizer) -> None:
    engine = Reader(tokenizer)
    translated(engine, "Is the red chair here?", [RED, Term("chair", "driver’s chaise")])
    assert engine.demands == [[True]]
    assert Tokenizer.UNK not in engine.calls[0][0]


def test_links_are_those_of_the_source_without_terms(tokenizer: Tokenizer) -> None:
    best, _ = translated(Reader(tokenizer), "Is he red? Is the chair.", [Term("he", "he")])
    assert best.text == "Is he red? Is the chair."
    assert best.links == tuple((n, n) for n in range(6))


def test_case_as_marks_and_protected_spans_move_no_term() -> None:
    form = TextForm(TextConfig(casing="inline", protect=("urls",)))
    engine = Reader(make(form))
    line = "MUNICH Red chair www.red.com red Chair!"
    best, account = translated(engine, line, [RED, Term("Chair", "Maison"), Term("Munich", "Munich")])
    assert best.text == "Munich rouge Maison www.red.com rouge Maison!"
    assert account.terms_used == account.terms_requested == 5
    assert engine.demands == [[False]]


@pytest.mark.parametrize("mode", ["auto", "soft", "hard"])
def test_marks_in_what_the_model_writes_are_no_text(tokenizer: Tokenizer, mode: GlossaryMode) -> None:
    class Parrot(Reader):
        def read(self, ids: Sequence[int], *, is_asked: bool) -> list[int]:
            return list(ids) + self.tokenizer.src.ids_of(TERM_MARKS)

    best, _ = translated(Parrot(tokenizer), "Is the red chair here?", [RED], mode)
    assert "⟦" not in best.text
    assert "term" not in best.text


def test_an_export_reads_terms_like_its_model(tmp_path: Path) -> None:
    run = make_tiny_run(tmp_path, "data.terms={}").parent / "runs/tiny"
    export_unchecked(run / "model", run / "export/ctranslate2", "float32")
    terms, search = Glossary([Term("cat", "chien"), Term("dog", "tapis")]), {"beam_size": 1}
    request = Request(search=search, glossary=terms, glossary_mode="soft", guard=False)
    engines: tuple[EngineName, ...] = ("native", "ctranslate2")
    translators = [open_translator(run / "model", request, "cpu", engine=engine) for engine in engines]
    assert all(translator.reads_terms for translator in translators)
    native, exported = ([text[:20] for text in one.translate(TINY_PAIRS, request)] for one in translators)
    assert native == exported  # the model is not trained, and rounding changes what comes later
    assert native != [text[:20] for text in translators[0].translate(TINY_PAIRS, Request(search=search))]
    with pytest.raises(UsageError) as refused:
        open_translator(run / "model", replace(request, glossary_mode="auto"), "cpu", engine="ctranslate2")
    assert "--glossary-mode soft" in str(refused.value.hint)
