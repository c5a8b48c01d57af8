"""Metrics of a model have intervals, p-values and bounds as those of translations have."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import exp
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from mtkit.data.read.pair import Pair
from mtkit.errors import GateError
from mtkit.evaluate.compared import Baseline, compare
from mtkit.evaluate.documents import DocumentIds, document_scores
from mtkit.evaluate.evaluate import Evaluated, LoadedSet, Texts
from mtkit.evaluate.gates import check_results
from mtkit.evaluate.prediction import forced_scores
from mtkit.translate.translator import Translator

LINES = 9
PAIRS = [Pair(f"s{n}", f"t{n}") for n in range(LINES)]


@dataclass
class Scored:
    token_scores: list[float]
    are_best: list[bool]


class Model:
    """A translator that knows the log-probabilities of a reference by its number."""

    def __init__(self, seed: int, loss: float, fingerprint: str = "abcdefgh") -> None:
        draw = random.Random(seed)
        self.lines = [[-draw.expovariate(1 / loss) for _ in range(draw.randint(2, 6))] for _ in range(LINES)]
        self.tokenizer = type("Tokenizer", (), {"fingerprint": fingerprint})

    def score(self, texts: Sequence[tuple[str, str]], tags: object) -> list[Scored]:
        own = [self.lines[int(src[1:])] for src, _ in texts]
        return [Scored(line, [score > -1 for score in line]) for line in own]


def evaluated(name: str, model: Model, resamples: int = 0) -> Evaluated:
    found = forced_scores(
        LoadedSet("x", PAIRS, [], "fr", None), cast(Translator, model), ["ppl", "accuracy"], resamples
    )
    refs = [pair.tgt for pair in PAIRS]
    return Evaluated(name, "x", Path(), Texts(refs, [refs], "fr"), tuple(found))


def perplexity(lines: Sequence[Sequence[float]]) -> float:
    return exp(-sum(map(sum, lines)) / sum(map(len, lines)))


def hits(lines: Sequence[Sequence[float]]) -> float:
    scores = [score for line in lines for score in line]
    return 100 * sum(score > -1 for score in scores) / len(scores)


@pytest.mark.parametrize(("place", "measure"), [(0, perplexity), (1, hits)])
def test_intervals_are_those_of_a_bootstrap_of_the_lines(place: int, measure: Any) -> None:
    model = Model(1, 1.5)
    score = evaluated("a", model, 200).scores[place]
    drawn = np.random.default_rng(12345).choice(LINES, (200, LINES))
    values = sorted(measure([model.lines[line] for line in lines]) for lines in drawn)
    assert score.value == pytest.approx(measure(model.lines))
    assert score.interval is not None
    assert score.interval.mean == pytest.approx(np.mean(values), rel=1e-5)
    assert score.interval.margin == pytest.approx((values[194] - values[5]) / 2, rel=1e-5)
    assert score.signature == "nrefs:1|bs:200|seed:12345|tok:abcdefgh|eos:yes"


@pytest.mark.parametrize(("place", "measure"), [(0, perplexity), (1, hits)])
def test_p_values_are_those_of_all_ways_to_swap_lines(place: int, measure: Any) -> None:
    models = Model(1, 1.5), Model(1, 1.9)
    pairs = list(zip(models[0].lines, models[1].lines, strict=True))
    given = abs(measure(models[0].lines) - measure(models[1].lines))
    ways = [
        abs(
            measure([pair[side] for pair, side in zip(pairs, sides, strict=True)])
            - measure([pair[1 - side] for pair, side in zip(pairs, sides, strict=True)])
        )
        for sides in product((0, 1), repeat=LINES)
    ]
    expected = sum(way > given + 1e-9 for way in ways) / len(ways)
    results = [evaluated("a", models[0]), evaluated("b", models[1])]
    found = compare(Baseline("a", {"ar": 4000}), results)[place]
    assert found.metric == ("ppl", "accuracy")[place]
    assert found.difference == pytest.approx(measure(models[1].lines) - measure(models[0].lines))
    assert found.p_values["ar"] == pytest.approx(expected, abs=0.03)


def test_perplexities_of_different_tokenizers_are_not_compared(caplog: pytest.LogCaptureFixture) -> None:
    results = [evaluated("a", Model(1, 1.5)), evaluated("b", Model(2, 1.5, "ijklmnop"))]
    with caplog.at_level(logging.WARNING):
        assert compare(Baseline("a", {"ar": 9}), results) == []
    assert "b, x: ppl has another signature" in caplog.text


def test_documents_and_lines_have_a_perplexity_of_their_own() -> None:
    model = Model(3, 2.0)
    result = evaluated("a", model)
    one, two = document_scores(result, DocumentIds(Path(), ["one"] * 4 + ["two"] * 5))
    assert one.scores == pytest.approx(
        {"ppl": perplexity(model.lines[:4]), "accuracy": hits(model.lines[:4])}
    )
    assert two.scores["ppl"] == pytest.approx(perplexity(model.lines[4:]))
    assert result.measured[0].of_lines([2]) == pytest.approx(perplexity(model.lines[2:3]))


@pytest.mark.parametrize("ratio", [0.9, 1.1])
def test_a_perplexity_above_its_bound_is_refused(ratio: float) -> None:
    result = evaluated("a", Model(1, 1.5))
    ppl, accuracy = result.scores
    check_results([result], {"ppl": ppl.value * 1.01, "accuracy": accuracy.value * 0.99}, ["a"])
    bounds = {"ppl": ppl.value * 0.99} if ratio < 1 else {"accuracy": accuracy.value * ratio}
    with pytest.raises(GateError, match="is worse than the bound"):
        check_results([result], bounds, ["a"])
