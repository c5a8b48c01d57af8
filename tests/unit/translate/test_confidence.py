from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Hypothesis
from mtkit.errors import InputError, UsageError
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import UNSURE, Account
from mtkit.translate.confidence import FEATURES, Confidence, features, read_confidence
from mtkit.translate.request import OnUnsure, Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import EchoEngine

LINES = ["the cat sat on the mat", "a dog ran over the hill", "it rains in the north"]
SIZE = len(FEATURES)


def by_mean(low: float, high: float) -> Confidence:
    """Confidence that rises from 0 at a mean log-probability of `low` to 1 at `high`."""
    zeros = (0.0,) * SIZE
    first = (1.0, *zeros[1:])
    return Confidence("chrf", zeros, (1.0,) * SIZE, first, zeros, 0.0, (low, high), (0.0, 1.0), 100)


def values(src: str, tgt: str, scores: Sequence[float], **more: Any) -> dict[str, float]:
    return dict(zip(FEATURES, features(src, tgt, scores, **more), strict=True))


def test_features_of_scores() -> None:
    scores = [-0.1, -0.5, -1.0, -2.5, -0.2, -0.3, -3.0, -0.1, -0.2, -0.05]
    found = values("a b", "c d", scores)
    assert found["mean"] == pytest.approx(statistics.fmean(scores))
    assert found["deviation"] == pytest.approx(statistics.pstdev(scores))
    assert (found["minimum"], found["lowest_fifth"]) == (-3.0, -2.75)
    assert (found["share_below_1"], found["share_below_2"]) == (0.3, 0.2)
    assert (found["first"], found["last"]) == (-0.1, -0.05)
    assert found["log_sum"] == pytest.approx(math.log1p(7.95))
    assert found["mean_probability"] == pytest.approx(statistics.fmean(map(math.exp, scores)))
    assert found["tokens"] == pytest.approx(math.log(11))


def test_features_of_texts() -> None:
    found = values("In 1,234 cases 5 fail: why?", "In 1234 Fällen 6 Fehler", [-1.0] * 6)
    assert found["numbers"] == pytest.approx(math.log1p(2))  # 5 and 6; the thousands only look different
    assert found["punctuation"] == pytest.approx(math.log1p(3))  # : ? and the comma
    assert found["src_words"] == pytest.approx(math.log(7))
    assert found["ratio_words"] == pytest.approx(math.log(6 / 7))
    assert found["capitals"] == pytest.approx(3 / 6)
    assert found["copied_words"] == pytest.approx(1 / 6)
    assert (found["same_first_char"], found["same_first_word"]) == (1, 1)
    assert values("是吗？", "Is it?", [-1.0])["punctuation"] == 0
    assert (found["src_coverage"], found["tgt_coverage"]) == (1, 1)


def test_coverage_is_used_where_it_is_known() -> None:
    @dataclass
    class Shares:
        src_share: float
        tgt_share: float

    class Model:
        def of(self, src: str, tgt: str) -> Shares:
            return Shares(len(src) / 10, len(tgt) / 10)

    found = values("abc", "de", [-1.0], coverage=Model())
    assert (found["src_coverage"], found["tgt_coverage"]) == (0.3, 0.2)


@pytest.mark.parametrize("score", [-math.inf, math.nan, -1e30])
def test_a_token_that_cannot_occur_is_no_sign_of_certainty(score: float) -> None:
    found = by_mean(-2, 0).of("a", "b", [-0.1, score])
    assert found == 0.0


def test_the_estimate_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    means, scales, linear, squared = rng.normal(size=(4, SIZE))
    scales = np.abs(scales) + 0.1
    raw, estimates = (-1.0, 0.5, 2.0), (0.1, 0.4, 0.9)
    rows = [tuple(row.tolist()) for row in (means, scales, linear, squared)]
    found = Confidence("labels", rows[0], rows[1], rows[2], rows[3], 0.25, raw, estimates, 60)
    for row in rng.normal(size=(20, SIZE)) * 5:
        z = np.clip((row - means) / scales, -4, 4)
        total = float(z @ linear + z**2 @ squared + 0.25)
        assert found.weighed(row.tolist()) == pytest.approx(total)
        assert found.calibrated(total) == pytest.approx(np.interp(total, raw, estimates))
    for total in (-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0):
        assert found.calibrated(total) == pytest.approx(np.interp(total, raw, estimates))
    assert read_confidence(Path("m"), found.to_bytes()) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2; this mtkit reads version 1"),
        ({"meaning": "luck"}, "not in the form that mtkit writes"),
        ({"features": {}}, "not in the form"),
        ({"bias": "x"}, "not in the form"),
        ({"bias": float("nan")}, "not in the form"),
        ({"knots": []}, "not in the form"),
        ({"knots": [[0, 0.5], [1, 0.4]]}, "not in the form"),
        ({"knots": [[0, 0.5], [0, 0.6]]}, "not in the form"),
        ({"knots": [[0, -0.5]]}, "not in the form"),
        ({"knots": [[n, 0.5] for n in range(1000)]}, "not in the form"),
        ({"features": {name: [0, 0, 0, 0] for name in FEATURES}}, "not in the form"),
    ],
)
def test_a_file_that_mtkit_did_not_write_is_refused(change: dict[str, Any], said: str) -> None:
    content = json.dumps(json.loads(by_mean(-1, 0).to_bytes()) | change).encode()
    with pytest.raises(InputError, match=said) as caught:
        read_confidence(Path("model"), content)
    assert "mtkit confidence fit" in caught.value.hint


def test_a_model_without_confidence_says_how_it_gets_one() -> None:
    with pytest.raises(InputError, match=r"confidence\.json") as caught:
        read_confidence(Path("model"), None)
    assert caught.value.hint == "Add it with `mtkit confidence fit`."


# ---------------------------------------------------------------- in translations


class GradedEngine(EchoEngine):
    """Echoes, with log-probabilities that fall by 0.1 with each token of the source."""

    def score(self, src_ids: Any, tgt_ids: Any, options: DecodeConfig) -> list[Hypothesis]:
        found = super().score(src_ids, tgt_ids, options)
        return [replace(hyp, token_scores=(-0.1 * len(hyp.ids),) * len(hyp.token_scores)) for hyp in found]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(train_subwords(LINES * 20, TokenizerConfig(vocab_size=60, character_coverage=1.0)))


@pytest.fixture
def translator(tokenizer: Tokenizer) -> Translator:
    options = DecodeConfig(split="always")
    return Translator(GradedEngine(), tokenizer, options, ("en", "fr"), estimate=lambda: by_mean(-4, 0))


def asked(
    translator: Translator, lines: Sequence[str], account: Account | None = None, **request: Any
) -> list[Translation]:
    window = Window(
        [Source(line, n) for n, line in enumerate(lines)], lambda found: [one for one, *_ in found]
    )
    (answer,) = translator.results([window], Request(**request), account)
    return answer


def test_each_line_has_its_confidence_if_that_is_asked(translator: Translator) -> None:
    found = asked(translator, ["the cat sat.", "", LINES[1]], confidence=True)
    for one in (found[0], found[2]):
        assert one.confidence == pytest.approx(1 - 0.1 * (len(one.token_scores) - 1) / 4)
    assert found[1].confidence == 1
    assert {one.confidence for one in asked(translator, LINES)} == {1.0}


def test_sentences_of_a_line_count_by_their_tokens(translator: Translator) -> None:
    sentences = ["The cat sat.", "A dog ran over the hill."]
    alone = asked(translator, sentences, confidence=True)
    (both,) = asked(translator, [" ".join(sentences)], confidence=True)
    assert len(both.parts) == 2
    lengths = [len(one.token_scores) for one in alone]
    mean = sum(one.confidence * size for one, size in zip(alone, lengths, strict=True)) / sum(lengths)
    assert both.confidence == pytest.approx(mean)
    assert alone[0].confidence != pytest.approx(alone[1].confidence)


@pytest.mark.parametrize(
    ("policy", "shown"), [("report", LINES[1]), ("blank", ""), ("source", "a dog ran over the hill")]
)
def test_what_becomes_of_an_unsure_line(translator: Translator, policy: OnUnsure, shown: str) -> None:
    sure, unsure = asked(translator, ["the cat", LINES[1]], confidence=True)
    least = (sure.confidence + unsure.confidence) / 2
    account = Account()
    found = asked(translator, ["the cat", LINES[1]], account, min_confidence=least, on_unsure=policy)
    assert [one.text for one in found] == ["the cat", shown]
    assert found[1].confidence == unsure.confidence
    assert account.counts == {UNSURE: 1}
    assert [(note.kind, note.number) for note in account.notes] == [(UNSURE, 1)]


def test_confidence_is_needed_only_if_it_is_asked(tokenizer: Tokenizer) -> None:
    translator = Translator(EchoEngine(), tokenizer, DecodeConfig())
    assert asked(translator, ["the cat"])[0].text == "the cat"
    for request in ({"confidence": True}, {"min_confidence": 0.5}):
        with pytest.raises(InputError, match="does not know how certain"):
            asked(translator, ["the cat"], **request)


@pytest.mark.parametrize("least", [-0.1, 1.5, math.nan])
def test_a_minimum_lies_between_0_and_1(least: float) -> None:
    with pytest.raises(UsageError, match="expected a number from 0 to 1"):
        Request(min_confidence=least)
