from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from functools import partial
from pathlib import Path

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.fixed import MAX_TOKENS
from mtkit.config.load import load_config
from mtkit.config.text import TextConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.text.form import TextForm
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import DETACHED, LOGGED, SPLIT, WRONG, Account, Note
from mtkit.translate.call import start_tags
from mtkit.translate.coverage import Coverage, Covered
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.open import open_translator
from mtkit.translate.request import OnError, Request, Source, Translation, best_texts
from mtkit.translate.translator import Translator
from mtkit.translate.windows import FIRST_WINDOW, PAUSE, WINDOW, WINDOW_CHARS, Pause, Window, windows
from tests.support.fakes import EchoEngine, make_tiny_run
from tests.support.lexicons import made_up_table

LINES = ["the cat sat on the mat", "a dog ran over the hill", "it rains in the north", "今天天气很好"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    return Tokenizer(train_subwords(LINES * 20, options))


def window(lines: Sequence[str]) -> Window[list[str]]:
    return Window([Source(line, number) for number, line in enumerate(lines)], best_texts)


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def translator(engine: EchoEngine, tokenizer: Tokenizer) -> Translator:
    return Translator(engine, tokenizer, DecodeConfig())


def test_one_clean_line_for_each_in_order(translator: Translator) -> None:
    assert list(translator.translate(LINES)) == LINES
    assert list(translator.translate(["  the\tcat\u2028sat \r", "\x00"])) == ["the cat sat", ""]


def test_blank_lines_stay_blank_and_reach_no_engine(translator: Translator, engine: EchoEngine) -> None:
    assert list(translator.translate(["", " \t", "\u3000", "\r"])) == [""] * 4
    assert engine.calls == []
    assert list(translator.translate(["", LINES[0], " "])) == ["", LINES[0], ""]
    assert len(engine.calls) == 1


def test_no_lines(translator: Translator) -> None:
    assert list(translator.translate([])) == []


@pytest.mark.parametrize("unit", ["the cat sat ", "the", "今天天气很好"])
def test_a_long_line_is_translated_in_parts_with_a_warning(
    tokenizer: Tokenizer, engine: EchoEngine, caplog: pytest.LogCaptureFixture, unit: str
) -> None:
    line = (unit * 3000).strip()
    tgt_lang, account = "fr" if " " in unit else "zh", Account()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", tgt_lang))
    with caplog.at_level(logging.WARNING):
        found = list(translator.translate([LINES[1], line, LINES[0]], account=account))
    assert found == [LINES[1], line, LINES[0]]
    [sent] = engine.calls
    assert len(sent) == account.parts + 2 > 3
    assert max(map(len, sent)) <= MAX_TOKENS
    assert "parts" in caplog.text


def test_windows_are_bounded_in_lines_and_text() -> None:
    sizes = [len(lines) for lines in windows("x" for _ in range(2 * WINDOW + 3))]
    assert sizes[:4] == [256, 512, 1024, 2048]
    assert max(sizes) == WINDOW
    assert sum(sizes) == 2 * WINDOW + 3
    assert len(list(windows(["x" * WINDOW_CHARS] * 3))) == 3


def test_an_endless_input_is_answered_as_it_comes(translator: Translator) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for line in itertools.cycle(LINES):
            read += 1
            yield line

    answers = translator.translate(endless())
    assert list(itertools.islice(answers, 10)) == list(itertools.islice(itertools.cycle(LINES), 10))
    assert read == FIRST_WINDOW + 2 * FIRST_WINDOW  # the second is read meanwhile


class MeetingEngine(EchoEngine):
    """Decodes nothing before another call decodes too; then one of them ends after the other."""

    at_once = 2

    def __init__(self) -> None:
        super().__init__()
        self.both, self.second_is_done = threading.Barrier(2, timeout=30), threading.Event()

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        if self.both.wait() == 0:
            self.second_is_done.wait(30)
        self.second_is_done.set()
        return super().decode(src_ids, options)


def test_an_engine_that_can_gets_two_windows_at_once_and_order_stays(tokenizer: Tokenizer) -> None:
    translator = Translator(MeetingEngine(), tokenizer, DecodeConfig())
    asked = [[LINES[0]], [LINES[1]], [LINES[0]], [LINES[1]]]
    assert list(translator.results(map(window, asked))) == asked


def test_a_pause_of_the_sender_brings_the_answer(translator: Translator) -> None:
    asked: list[int] = []

    def sender() -> Iterator[Window[list[str]] | Pause]:
        for number, line in enumerate(LINES):
            asked.append(number)
            yield window([line])
            yield PAUSE

    for number, answer in enumerate(translator.results(sender())):
        assert answer == [LINES[number]]
        assert asked == list(range(number + 1))


class FailingEngine(EchoEngine):
    """Fails at a window that has a sentence of these ids."""

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        if self.ids in src_ids:
            raise MemoryError("no memory\nleft")
        return super().decode(src_ids, options, demands)


@pytest.mark.parametrize(
    ("on_error", "expected"), [("fail", None), ("blank", ""), ("source", "a dog ran over the hill")]
)
def test_a_line_at_which_the_engine_fails_is_found_among_its_neighbours(
    tokenizer: Tokenizer, on_error: OnError, expected: str | None
) -> None:
    engine = FailingEngine(tokenizer.src.encode([LINES[1]])[0])
    request, account = Request(on_error=on_error), Account("in.txt")
    translator = Translator(engine, tokenizer, DecodeConfig())
    lines = [LINES[0], f" {LINES[1]}\t", *LINES[2:]]
    if expected is None:
        with pytest.raises(MtkitError, match=r"^in.txt:2: the engine failed at it \(no memory left\)\. "):
            list(translator.translate(lines, request, account))
        return
    assert list(translator.translate(lines, request, account)) == [LINES[0], expected, *LINES[2:]]
    assert str(account) == "1 not translated"


def test_a_bug_is_no_failure_of_the_engine(translator: Translator, engine: EchoEngine) -> None:
    engine.decode = None  # type: ignore[method-assign,assignment]
    with pytest.raises(TypeError):
        list(translator.translate(LINES))


def test_strict_refuses_a_line_that_is_too_long(tokenizer: Tokenizer) -> None:
    request, account = Request(strict=True), Account("in.txt")
    translator = Translator(EchoEngine(), tokenizer, DecodeConfig())
    with pytest.raises(InputError, match=r"^in.txt:2: has a sentence of [\d,]+ tokens"):
        list(translator.translate([LINES[0], "the cat " * 300], request, account))


def test_what_came_before_a_line_that_is_refused_is_answered(tokenizer: Tokenizer) -> None:
    engine = EchoEngine()
    engine.at_once = 3
    translator = Translator(engine, tokenizer, DecodeConfig())
    asked = [[LINES[0]], LINES[1:], ["the cat " * 300], LINES]
    found = translator.results(map(window, asked), Request(strict=True))
    assert [next(found), next(found)] == [[LINES[0]], LINES[1:]]
    with pytest.raises(InputError, match="tokens"):
        next(found)


def test_a_long_line_is_cut_at_the_ends_of_its_sentences() -> None:
    engine = EchoEngine()
    sentences = [f"The {word} sat on the mat." for word in ("cat", "dog", "hill")] * 20
    options = TokenizerConfig(vocab_size=40, character_coverage=1.0)
    tokenizer = Tokenizer(train_subwords(sentences, options))
    translator = Translator(engine, tokenizer, DecodeConfig())
    [found] = translator.translate([" ".join(sentences)])
    assert engine.calls == [tokenizer.src.encode(sentences)]
    assert found.split() == " ".join(translator.translate(sentences[:3])).split() * 20


def test_notes_of_a_kind_are_said_up_to_a_bound_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    account = Account("in.txt")
    for number in range(25):
        account.add(SPLIT, number, "is long.")
    said = [record.message for record in caplog.records]
    assert said[0] == "in.txt:1: is long."
    assert len(said) == LOGGED + 1
    assert "only counted" in said[-1]
    assert str(account) == "25 in parts"
    assert account.notes == [Note(SPLIT, number, "is long.") for number in range(LOGGED)]


# ---------------------------------------------------------------- the form of text, and tags


@pytest.fixture(scope="module")
def special() -> Tokenizer:
    """Protects placeholders, marks case, and knows two tags."""
    form = TextForm(TextConfig(protect=("placeholders",), casing="inline"))
    options = TokenizerConfig(vocab_size=80, character_coverage=1.0)
    lines = [form.source(line).text for line in LINES]
    tags = ["<2fr>", "<domain:legal>"]
    return Tokenizer(train_subwords(lines * 20, options, symbols=form.symbols, tags=tags), form=form)


class CutEngine(EchoEngine):
    """Translates by leaving out the last token."""

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        return super().decode([ids[:-1] for ids in src_ids], options)


def test_protected_text_comes_back_where_the_model_puts_it(special: Tokenizer) -> None:
    lines = ["The Cat {Who} sat on THE {mat}", "{a}{b} rains", "", "{x}"]
    assert list(Translator(EchoEngine(), special, DecodeConfig()).translate(lines)) == lines


def test_forgotten_text_stands_at_the_end_and_is_told_of(
    special: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    translator = Translator(CutEngine(), special, DecodeConfig())
    first, _ = translator.translate(["the cat {who}", "the cat sat"])
    assert first == "the cat {who}"
    assert "line 1: the translation lacked protected text such as {who}" in caplog.text


def test_tags_come_first_whether_of_the_translator_or_of_the_line(special: Tokenizer) -> None:
    engine = EchoEngine()
    language, domain = special.tag_ids(["2fr", "domain:legal"])
    translator = Translator(engine, special, DecodeConfig(), usual_tags=["2fr"])
    assert list(translator.translate(["the cat", "", "a dog"])) == ["the cat", "", "a dog"]
    assert [ids[0] for ids in engine.calls[0]] == [language] * 2
    own = [Source("the cat", 0, ["2fr", "domain:legal"]), Source("a dog", 1, [])]
    assert list(translator.results([Window(own, best_texts)])) == [["the cat", "a dog"]]
    assert engine.calls[1][0][:2] == [language, domain]
    assert engine.calls[1][1] == special.src.encode(["a dog"])[0]
    with pytest.raises(UsageError, match=r"tag domain:legl: .* Did you mean domain:legal\?"):
        translator.results([], Request(search={"tags": ["domain:legl"]}))


def test_a_wrong_search_option_is_refused_before_anything_is_read(translator: Translator) -> None:
    for search, said in (
        ({"beam_size": 0}, "decode.beam_size: Input should be greater than or equal to 1"),
        ({"top_k": 5}, "decode: top_k has no effect with method beam."),
    ):
        with pytest.raises(UsageError) as caught:
            translator.results(iter([]), Request(search=search))
        assert caught.value.message.startswith(said)


def test_a_long_line_is_not_cut_inside_a_symbol(special: Tokenizer) -> None:
    line = "今天{a}天气很好{b}" * 400
    translator = Translator(EchoEngine(), special, DecodeConfig(), ("en", "zh"))
    assert list(translator.translate([line])) == [line]


def test_the_usual_language_is_wanted_unless_another_is(tmp_path: Path) -> None:
    config = load_config([make_tiny_run(tmp_path)], ["data.target_tags=true"]).config
    usual = config.data.language_tags(config.data.tgt_lang)
    assert start_tags(usual, ()) == ("2fr",)
    assert start_tags(usual, ("domain:x",)) == ("2fr", "domain:x")
    assert start_tags(usual, ("domain:x", "2de")) == ("2de", "domain:x")
    plain = load_config([tmp_path / "tiny.yaml"]).config
    assert plain.data.language_tags("fr") == ()
    assert start_tags((), ("2x",)) == ("2x",)


# ---------------------------------------------------------------- the guard


class ScriptedEngine(EchoEngine):
    """Gives these texts, one a search, whatever it is asked; remembers how it was asked."""

    def __init__(self, tokenizer: Tokenizer, *texts: str) -> None:
        super().__init__()
        self.hyps = [tokenizer.tgt.encode([text])[0] for text in texts]
        self.options: list[DecodeConfig] = []

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.options.append(options)
        return [[hyp] for hyp in self.score(src_ids, [self.hyps.pop(0)], options)]


SOUND = "a dog ran over the hill"
ENDLESS = (
    "nine hens hid their trains and those short lions do not see the older tins near a red door or the main "
    "gate in last month again since no one has cared to clean all that green glass in the garden on the hill"
)
FAULTS = {
    "loop": ("en", "fr", "the cat sat on " * 12, "repeats itself"),
    "length": ("en", "fr", ENDLESS, "its length"),
    "copy": ("en", "fr", LINES[0], "is the source"),
    "script": ("en", "zh", SOUND, "not in the script"),
    "empty": ("en", "fr", "", "is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_guard_blames_is_searched_again_and_flagged_if_that_is_no_better(
    tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.INFO, "mtkit")
    src_lang, tgt_lang, bad, said = FAULTS[fault]
    sound = SOUND if tgt_lang == "fr" else LINES[3]
    for second, flagged in ((sound, False), (bad, True)):
        engine = ScriptedEngine(tokenizer, bad, second)
        request, account = Request(guard=True), Account("in.txt")
        translator = Translator(engine, tokenizer, DecodeConfig(beam_size=1), (src_lang, tgt_lang))
        asked = [Window([Source(LINES[0], 6)], lambda found: found)]
        [[[best]]] = translator.results(asked, request, account)
        assert [options.no_repeat_ngram_size for options in engine.options] == [0, 3]
        assert engine.options[1].beam_size == 3
        assert best.text == (" ".join(bad.split()) if flagged else sound)
        assert (said in best.fault) is flagged
        assert str(account) == ("1 looking wrong" if flagged else "1 searched again")
        assert caplog.records[-1].message.startswith("in.txt:7: ")
        assert said in caplog.records[-1].message


class _Judge(Coverage):
    """Finds that nothing has a counterpart for the first word, to a given degree."""

    def __init__(self, degree: float) -> None:
        super().__init__(made_up_table())
        self._degree = degree

    def detachment(self, src: str, tgt: str) -> float:
        return self._degree

    def of(self, src: str, tgt: str) -> Covered:
        return Covered(((0, src.index(" ")),), (), 0.1, 0.1, self._degree)


def test_a_translation_that_has_little_to_do_with_its_source_is_noted(tokenizer: Tokenizer) -> None:
    for degree, guard, counts in ((0.9, True, {DETACHED: 1}), (0.9, False, {}), (0.2, True, {})):
        engine = ScriptedEngine(tokenizer, SOUND, SOUND)
        options, languages = DecodeConfig(beam_size=1), ("en", "fr")
        judge = partial(_Judge, degree)
        translator = Translator(engine, tokenizer, options, languages, coverage=judge)
        account = Account("in.txt")
        assert list(translator.translate([LINES[0]], Request(guard=guard), account)) == [SOUND]
        assert account.counts == counts
        assert len(engine.options) == 1
        assert all(LINES[0].split()[0] in note.text for note in account.notes)


def test_all_that_is_blamed_of_a_window_is_searched_again_together(tokenizer: Tokenizer) -> None:
    engine = EchoEngine()  # whose translations are copies of their sources
    translator = Translator(engine, tokenizer, DecodeConfig(beam_size=1), ("en", "fr"))
    lines = ["a dog ran over the hill", "", "the cat sat on the mat"]
    assert list(translator.translate(lines, Request(guard=True))) == lines
    first, second = engine.calls
    assert first == second
    assert len(first) == 2


class _Repeating(EchoEngine):
    """Gives the source twice, and notes the seeds."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[int] = []

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.seeds += [demand.seed for demand in demands or ()]
        return [own * 2 for own in super().decode(src_ids, options, demands, scores)]


def test_what_is_drawn_follows_from_the_text_alone(tokenizer: Tokenizer) -> None:
    drawn = []
    for lines in (["a dog", "the cat", "a dog", "a hill"], ["a hill", "the cat", "", "a dog", "a dog"]):
        engine = _Repeating()
        translator = Translator(engine, tokenizer, DecodeConfig(method="sample"), ("en", "fr"))
        assert list(translator.translate(lines)) == lines
        drawn.append(dict(zip(filter(None, lines), engine.seeds, strict=True)))
        assert len({*engine.seeds}) == 3
    assert drawn[0] == drawn[1]


def test_no_list_has_a_sentence_twice(tokenizer: Tokenizer) -> None:
    translator = Translator(_Repeating(), tokenizer, DecodeConfig(), ("en", "fr"))
    asked = [Window([Source("a dog", 0)], lambda found: found)]
    [[found]] = translator.results(asked, Request(n_best=2))
    assert [one.text for one in found] == ["a dog"]


class _Sampling(EchoEngine):
    """Gives other words first, which score best, and then twice the source, and once most of it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        [odd] = self._tokenizer.tgt.encode(["over hill"])
        return [
            [Hypothesis(tuple(ids), score, ()) for ids, score in ((odd, -1.0), (src, -9.0), (src, -9.0))]
            for src in src_ids
        ]


def test_minimum_bayes_risk_decides_in_every_part_of_a_line(tokenizer: Tokenizer) -> None:
    translator = Translator(_Sampling(tokenizer), tokenizer, DecodeConfig(method="mbr"), ("en", "fr"))
    line = "a dog ran " * 300 + "the cat sat"
    asked = [Window([Source(line, 0)], lambda found: found)]
    account = Account()
    [[found]] = translator.results(asked, Request(n_best=3), account)
    assert account.parts > 1
    assert found[0].text == line
    assert [one.text.count("over hill") for one in found] == [0, 1, 1]


# ---------------------------------------------------------------- several calls at once


REQUESTS = {
    "beam": Request(search={"beam_size": 4, "length_penalty": 0.5}, n_best=3, scores=True, token_scores=True),
    "sample": Request(search={"method": "sample", "num_samples": 2, "temperature": 2.0, "seed": 7}, n_best=2),
    "terms": Request(glossary=Glossary([Term("dog", "un chien"), Term("mat", "le tapis")]), prefix="le"),
    "guard": Request(search={"beam_size": 1}, prefix="chat " * 12, guard=True, alignment=True),
    "banned": Request(search={"banned": ["chat", "le"]}),
}


def answer_all(translator: Translator, name: str) -> tuple[list[list[list[Translation]]], Account]:
    account = Account(name)
    asked = (
        Window([Source(f"{line} {LINES[number % 3]}", number)], lambda found: found)
        for number, line in enumerate(LINES * 3)
    )
    return list(translator.results(asked, REQUESTS[name], account)), account


def test_calls_at_once_get_what_they_get_one_after_the_other(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    translator = open_translator(tmp_path / "runs/tiny/model", device="cpu")
    alone = {name: answer_all(translator, name) for name in REQUESTS}
    assert len({repr(found) for found, _ in alone.values()}) == len(REQUESTS)
    assert alone["terms"][1].terms_requested > 0
    assert alone["guard"][1].counts[WRONG] > 0
    with ThreadPoolExecutor(len(REQUESTS)) as threads:
        together = dict(
            zip(REQUESTS, threads.map(lambda name: answer_all(translator, name), REQUESTS), strict=True)
        )
    assert together == alone


def test_a_translator_holds_nothing_of_a_call(translator: Translator) -> None:
    assert translator.coverage is None  # looked for once, and kept
    before = dict(vars(translator))
    list(translator.translate(LINES, Request(guard=True, search={"beam_size": 2}), Account("in.txt")))
    assert vars(translator) == before
    with pytest.raises(FrozenInstanceError):
        Request().n_best = 2  # type: ignore[misc]
