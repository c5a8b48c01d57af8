from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.engine import translator as module
from mtkit.engine.translator import Translator, windows
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from tests.fakes import EchoEngine

LINES = ["the cat sat on the mat", "a dog ran over the hill", "it rains in the north", "今天天气很好"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    return Tokenizer(train_subwords(LINES * 20, options))


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
    translator: Translator, engine: EchoEngine, caplog: pytest.LogCaptureFixture, unit: str
) -> None:
    line = (unit * 3000).strip()
    translator.joiner = "" if " " not in unit else " "
    with caplog.at_level(logging.WARNING):
        assert list(translator.translate([LINES[1], line, LINES[0]])) == [LINES[1], line, LINES[0]]
    [sent] = engine.calls
    assert len(sent) > 3
    assert max(map(len, sent)) <= module.MAX_TOKENS
    assert "parts" in caplog.text


def test_windows_are_bounded_in_lines_and_text() -> None:
    sizes = [len(window) for window in windows("x" for _ in range(2 * module.WINDOW + 3))]
    assert sizes == [module.WINDOW, module.WINDOW, 3]
    assert len(list(windows(["x" * module.WINDOW_CHARS] * 3))) == 3


def test_an_endless_input_is_answered_as_it_comes(translator: Translator) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for line in itertools.cycle(LINES):
            read += 1
            yield line

    answers = translator.translate(endless())
    assert list(itertools.islice(answers, 10)) == list(itertools.islice(itertools.cycle(LINES), 10))
    assert read == module.WINDOW
