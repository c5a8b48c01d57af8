from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest

from mtkit.config.data import ModelType
from mtkit.text.sampling import Ids, Sampler, merge
from mtkit.text.subwords import Subwords
from tests.support.corpora import texts
from tests.support.subwords import train


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def kind(request: pytest.FixtureRequest) -> tuple[ModelType, Subwords]:
    return request.param, train(request.param)


def test_merges_without_dropout_are_those_of_sentencepiece() -> None:
    model = train("bpe")
    pieces = model.plain_pieces()
    words = sorted({word for text in texts(100) for word in text.split()})
    for word in words:
        assert list(merge(f"▁{word}", pieces, lambda: False)) == model.encode([word])[0]
        assert model.pieces(merge(f"▁{word}", pieces, lambda: True)) == list(f"▁{word}")


def test_samples_spell_the_text_and_differ(kind: tuple[ModelType, Subwords]) -> None:
    model_type, model = kind
    sampler = Sampler(model, model_type, 0.1)
    lines = [*texts(50), "", "a", "abc ⟦1⟧⟦1⟧ def", "äb abc"]
    one, two = (sampler.encode(lines, seed) for seed in ("1", "2"))
    assert model.decode(one) == model.decode(two) == model.decode(model.encode(lines))
    assert sum(first != second for first, second in zip(one[:50], two[:50], strict=True)) > 40
    assert one[-2].count(model.ids_of(["⟦1⟧"])[0]) == 2
    assert one[-1][:2] == model.encode(["äb"])[0][:2]


def test_a_sample_follows_from_seed_and_text_in_any_process(kind: tuple[ModelType, Subwords]) -> None:
    model_type, model = kind
    lines = texts(5)
    here = Sampler(model, model_type, 0.1).encode(lines[::-1], "x")[::-1]
    code = (
        "from mtkit.text.sampling import Sampler\n"
        "from tests.support.corpora import texts\n"
        "from tests.support.subwords import train\n"
        f"print(Sampler(train('{model_type}'), '{model_type}', 0.1).encode(texts(5), 'x'))"
    )
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert there.stdout == f"{here}\n"


def segmentations(word: str, pieces: dict[str, tuple[int, float]], alpha: float) -> dict[Ids, float]:
    """All segmentations of a word, each with its probability to the power of alpha."""
    found, text = {}, f"▁{word}"
    for cuts in range(1 << len(text) - 1):
        ends = [0, *(n for n in range(1, len(text)) if cuts >> n - 1 & 1), len(text)]
        parts = [text[begin:end] for begin, end in pairwise(ends)]
        if all(part in pieces for part in parts):
            ids = tuple(pieces[part][0] for part in parts)
            found[ids] = math.exp(alpha * sum(pieces[part][1] for part in parts))
    return found


def test_unigram_samples_have_their_probabilities() -> None:
    model, alpha, draws = train("unigram"), 0.1, 4000
    words = {word for text in texts(20) for word in text.split()}
    every = {word: segmentations(word, model.plain_pieces(), alpha) for word in sorted(words)}
    word, weights = max(every.items(), key=lambda item: len(item[1]) if len(item[1]) <= 64 else 0)
    assert 3 <= len(weights) <= 64
    sampler = Sampler(model, "unigram", alpha)
    found = Counter(tuple(sampler.encode([word], str(n))[0]) for n in range(draws))
    assert found.keys() <= weights.keys()
    for ids, weight in weights.items():
        expected = weight / sum(weights.values())
        assert found[ids] / draws == pytest.approx(expected, abs=4 * math.sqrt(expected / draws))
