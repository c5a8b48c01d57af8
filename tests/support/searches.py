"""Searches that are slow and obvious: by brute force, and one hypothesis at a time."""

from __future__ import annotations

import itertools

from tests.support.fakes import EOS, WORDS, next_log_probs

SRCS = [(4,), (5, 6, 4), (), (6, 6), (4, 5, 6, 4, 5)]


Scored = tuple[tuple[int, ...], float]


def every_translation(src: tuple[int, ...], max_words: int, length_penalty: float) -> list[Scored]:
    """All that can be generated, best first."""
    found = []
    for length in range(max_words + 1):
        for ids in itertools.product(WORDS, repeat=length):
            whole = (*ids, EOS)
            total = sum(next_log_probs(src, whole[:i], max_words)[token] for i, token in enumerate(whole))
            found.append((ids, total / len(whole) ** length_penalty))
    return sorted(found, key=lambda pair: -pair[1])


def plain_beam_search(
    src: tuple[int, ...], max_words: int, beam_size: int, length_penalty: float
) -> list[Scored]:
    """CTranslate2's rules with patience 1, one hypothesis at a time."""
    beam: list[Scored] = [((), 0.0)]
    finished: list[Scored] = []
    while len(finished) < beam_size:
        candidates = [
            ((*ids, token), score + next_log_probs(src, ids, max_words)[token])
            for ids, score in beam
            for token in (EOS, *WORDS)
        ]
        candidates.sort(key=lambda pair: -pair[1])
        for ids, score in candidates[:beam_size]:
            if ids[-1] == EOS and score > float("-inf"):
                finished.append((ids[:-1], score / len(ids) ** length_penalty))
        beam = [pair for pair in candidates if pair[0][-1] != EOS][:beam_size]
    return sorted(finished, key=lambda pair: -pair[1])[:beam_size]
