"""The matrix of chrF against sacreBLEU, pair by pair."""

from __future__ import annotations

import itertools

import pytest
from sacrebleu.metrics.chrf import CHRF

from mtkit.metrics.consensus import chrf_matrix, consensus

TEXTS = [
    "The cat sat on the mat.",
    "The cat is sitting on the mat.",
    "A dog!",
    "",
    "a",
    "Le chat s'est assis sur le tapis de la maison.",
    "猫坐在垫子上。",
    "猫在垫子上坐着。",
    "the the the the",
]


def test_every_pair_is_scored_as_by_sacrebleu() -> None:
    metric = CHRF()
    found = chrf_matrix(TEXTS)
    for (i, hyp), (j, ref) in itertools.product(enumerate(TEXTS), repeat=2):
        assert found[i, j] == pytest.approx(metric.sentence_score(hyp, [ref]).score, abs=1e-9), (hyp, ref)


def test_the_consensus_is_the_mean_over_all_translations() -> None:
    texts = ["The cat sat.", "The cat sits.", "The cat sat.", "Dogs bark."]
    metric = CHRF()
    expected = [sum(metric.sentence_score(hyp, [ref]).score for ref in texts) / 4 for hyp in texts]
    assert consensus(texts) == pytest.approx(expected)
