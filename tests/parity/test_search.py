"""Beam search against brute force, and against a plain implementation that knows nothing of batches."""

from __future__ import annotations

import itertools

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.decode.generate import generate
from tests.support.fakes import EOS, WORDS, FakeScorer, next_log_probs
from tests.support.searches import SRCS, every_translation, plain_beam_search


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_that_holds_everything_finds_everything_in_order(length_penalty: float) -> None:
    options = DecodeConfig(beam_size=150, length_penalty=length_penalty)
    for src, hyps in zip(SRCS, generate(FakeScorer(4), SRCS, options), strict=True):
        expected = every_translation(src, 4, length_penalty)
        assert [hyp.ids for hyp in hyps] == [ids for ids, _ in expected]
        assert [hyp.score for hyp in hyps] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_beam_of_one_follows_the_likeliest_token() -> None:
    hyps = generate(FakeScorer(9), SRCS, DecodeConfig(beam_size=1))
    for src, [hyp] in zip(SRCS, hyps, strict=True):
        ids: tuple[int, ...] = ()
        while True:
            log_probs = next_log_probs(src, ids, 9)
            token = max((EOS, *WORDS), key=lambda token: log_probs[token])
            if token == EOS:
                break
            ids = (*ids, token)
        assert hyp.ids == ids


@pytest.mark.parametrize("beam_size", [2, 3, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_equals_a_plain_beam_search(beam_size: int, length_penalty: float) -> None:
    srcs = list(itertools.chain.from_iterable(itertools.product(WORDS, repeat=n) for n in range(4)))
    options = DecodeConfig(beam_size=beam_size, length_penalty=length_penalty, batch_tokens=100)
    for src, hyps in zip(srcs, generate(FakeScorer(12), srcs, options), strict=True):
        expected = plain_beam_search(src, 12, beam_size, length_penalty)
        assert [hyp.ids for hyp in hyps] == [ids for ids, _ in expected]
        assert [hyp.score for hyp in hyps] == pytest.approx([score for _, score in expected], abs=1e-5)
