"""Each method and rule of search against brute force or its formula, on a fake scorer of three words."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from mtkit.config.decode import DecodeConfig
from mtkit.decode.generate import generate
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.decode.search import invert
from tests.support.fakes import EOS, WORDS, FakeScorer, next_log_probs
from tests.support.searches import SRCS, Scored, every_translation, plain_beam_search

Ids = tuple[int, ...]
EVERYTHING = 150
"""A beam that holds every translation of at most four words."""


def contains(ids: Ids, run: Ids) -> bool:
    return any(ids[i : i + len(run)] == run for i in range(len(ids) - len(run) + 1))


def repeats(ids: Ids, size: int) -> bool:
    runs = [ids[i : i + size] for i in range(len(ids) - size + 1)]
    return len(runs) != len(set(runs))


def best_that(fits: Callable[[Ids], bool], src: Ids) -> list[Scored]:
    return [found for found in every_translation(src, 4, 1.0) if fits(found[0])]


def check(hyps: list[Hypothesis], expected: list[Scored]) -> None:
    assert [hyp.ids for hyp in hyps] == [ids for ids, _ in expected]
    assert [hyp.score for hyp in hyps] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (DecodeConfig(beam_size=EVERYTHING, min_len=2), lambda ids: len(ids) >= 2),
        (DecodeConfig(beam_size=EVERYTHING, no_repeat_ngram_size=1), lambda ids: not repeats(ids, 1)),
        (DecodeConfig(beam_size=EVERYTHING, no_repeat_ngram_size=2), lambda ids: not repeats(ids, 2)),
    ],
)
def test_a_rule_leaves_exactly_what_it_allows(rule: DecodeConfig, fits: Callable[[Ids], bool]) -> None:
    for src, hyps in zip(SRCS, generate(FakeScorer(4), SRCS, rule), strict=True):
        expected = best_that(fits, src)
        # Where all words are forbidden the sentence ends, also one that is yet too short.
        check([hyp for hyp in hyps if fits(hyp.ids)], expected)


def test_banned_runs_are_never_written_and_only_where_they_are_banned() -> None:
    demands = [
        Demand(banned=banned) for banned in (((4, 5),), ((6,), (5, 5, 4)), (), ((4,), (5,)), ((4, 4),))
    ]
    options = DecodeConfig(beam_size=EVERYTHING)
    for src, demand, hyps in zip(
        SRCS, demands, generate(FakeScorer(4), SRCS, options, demands=demands), strict=True
    ):
        check(
            hyps,
            [
                found
                for found in every_translation(src, 4, 1.0)
                if not any(contains(found[0], run) for run in demand.banned)
            ],
        )


def test_a_prefix_leaves_exactly_what_begins_with_it() -> None:
    demands = [Demand(prefix=prefix) for prefix in [(4,), (), (5, 6), (6, 6, 6), (4, 4, 5, 5)]]
    options = DecodeConfig(beam_size=EVERYTHING)
    for src, demand, hyps in zip(
        SRCS, demands, generate(FakeScorer(4), SRCS, options, demands=demands), strict=True
    ):
        check(
            hyps,
            [
                found
                for found in every_translation(src, 4, 1.0)
                if found[0][: len(demand.prefix)] == demand.prefix
            ],
        )


def test_penalised_words_become_rarer_and_scores_stay_the_models() -> None:
    plain = generate(FakeScorer(12), SRCS, DecodeConfig(beam_size=3))
    penalised = generate(FakeScorer(12), SRCS, DecodeConfig(beam_size=3, repetition_penalty=4.0))

    def repeated(found: list[list[Hypothesis]]) -> int:
        return sum(len(hyp.ids) - len(set(hyp.ids)) for hyps in found for hyp in hyps)

    assert repeated(penalised) < repeated(plain)
    for src, hyps in zip(SRCS, penalised, strict=True):
        for hyp in hyps:
            whole = (*hyp.ids, EOS)
            expected = [next_log_probs(src, whole[:i], 12)[token] for i, token in enumerate(whole)]
            assert hyp.token_scores == pytest.approx(expected, abs=1e-5)


def plain_diverse_beam_search(src: Ids, max_words: int, groups: int, size: int, penalty: float) -> list[Ids]:
    """Vijayakumar et al. 2018, algorithm 1, one hypothesis at a time."""
    beams: list[list[Scored]] = [[((), 0.0)] for _ in range(groups)]
    finished: list[list[Scored]] = [[] for _ in range(groups)]
    while any(len(found) < size for found in finished):
        used: Counter[int] = Counter()
        for group in range(groups):
            ranked = []
            for ids, score in beams[group]:
                for token in (EOS, *WORDS):
                    true = score + next_log_probs(src, ids, max_words)[token]
                    ranked.append((true - penalty * used[token], true, (*ids, token)))
            ranked.sort(key=lambda found: -found[0])
            for _, _, ids in ranked[:size]:
                used[ids[-1]] += 1
            if len(finished[group]) >= size:
                continue
            finished[group] += [
                (ids[:-1], true / len(ids))
                for _, true, ids in ranked[:size]
                if ids[-1] == EOS and true > -math.inf
            ]
            beams[group] = [(ids, true) for _, true, ids in ranked if ids[-1] != EOS][:size]
    return [ids for ids, _ in sorted(itertools.chain(*finished), key=lambda pair: -pair[1])]


def test_groups_without_a_penalty_are_equal_beams() -> None:
    options = DecodeConfig(method="diverse_beam", beam_size=6, diversity_groups=2, diversity_penalty=0.0)
    for src, hyps in zip(SRCS, generate(FakeScorer(12), SRCS, options), strict=True):
        expected = plain_beam_search(src, 12, 3, 1.0)
        assert [hyp.ids for hyp in hyps] == [ids for ids, _ in expected for _ in range(2)]


def test_the_second_group_says_something_else_at_first() -> None:
    options = DecodeConfig(method="diverse_beam", beam_size=2, diversity_penalty=50.0)
    for hyps in generate(FakeScorer(9), SRCS, options):
        first = [hyp.ids[:1] for hyp in hyps]
        assert len(set(first)) == 2


def test_a_group_of_one_each_follows_the_algorithm_while_all_run() -> None:
    options = DecodeConfig(method="diverse_beam", beam_size=3, diversity_penalty=0.7)
    srcs = [src for n in range(4) for src in itertools.product(WORDS, repeat=n)]
    found = generate(FakeScorer(1), srcs, options)  # one word at most: all groups take the same steps
    for src, hyps in zip(srcs, found, strict=True):
        assert sorted(hyp.ids for hyp in hyps) == sorted(plain_diverse_beam_search(src, 1, 3, 1, 0.7))


@pytest.mark.parametrize(
    "options",
    [
        DecodeConfig(method="sample", num_samples=1024),
        DecodeConfig(method="sample", num_samples=1024, temperature=0.5),
        DecodeConfig(method="sample", num_samples=1024, top_k=2),
        DecodeConfig(method="sample", num_samples=1024, top_p=0.6),
        DecodeConfig(method="sample", num_samples=1024, top_k=3, top_p=0.8, temperature=2.0),
        DecodeConfig(method="sample", num_samples=1024, epsilon_cutoff=0.1),
        DecodeConfig(method="sample", num_samples=1024, epsilon_cutoff=0.25, temperature=3.0),
        DecodeConfig(method="sample", num_samples=1024, epsilon_cutoff=0.99),
        DecodeConfig(method="mbr", num_samples=1024, epsilon_cutoff=0.08, top_k=3, top_p=0.9),
    ],
)
def test_samples_are_as_frequent_as_the_distribution_says(options: DecodeConfig) -> None:
    [hyps] = generate(FakeScorer(9), [(4,)], options)
    seen = Counter((*hyp.ids, EOS)[0] for hyp in hyps)
    weights = {
        token: math.exp(p / options.temperature) for token, p in enumerate(next_log_probs((4,), (), 9))
    }
    # Padding, unknown and beginning are never said.
    weights = {token: weights[token] / sum(weights[t] for t in (EOS, *WORDS)) for token in (EOS, *WORDS)}
    least = min(options.epsilon_cutoff, max(weights.values()))
    weights = {token: weight if weight >= least else 0.0 for token, weight in weights.items()}
    kept: dict[int, float] = {}
    for token in sorted(weights, key=lambda token: -weights[token])[: options.top_k]:
        total = sum(weights[t] for t in sorted(weights, key=lambda t: -weights[t])[: options.top_k])
        if sum(kept.values()) / total < options.top_p:
            kept[token] = weights[token]
    for token in (EOS, *WORDS):
        expected = kept.get(token, 0.0) / sum(kept.values())
        # Five standard deviations of a binomial count.
        assert abs(seen[token] - 1024 * expected) <= 5 * math.sqrt(1024 * expected * (1 - expected))


@pytest.mark.parametrize("uniform", [0.0, 0.2, 0.25, 0.3, 0.7499, 0.75, 0.99, 1 - 2**-24, 1.0])
def test_a_number_is_inverted_to_the_place_where_the_sum_exceeds_it(uniform: float) -> None:
    weights = [0.0, 1.0, 0.0, 2.0, 0.0, 1.0, 0.0]  # binary fractions, so that all sums are exact
    sums = list(itertools.accumulate(weights))
    expected = next((place for place, total in enumerate(sums) if total > uniform * 4), 5)
    found = invert(torch.tensor([[weights, weights]]), torch.tensor([[[uniform, 0.0], [0.5, uniform]]]))
    assert found.tolist() == [[[expected, 1], [3, expected]]]


def test_without_any_probability_there_is_a_place_all_the_same() -> None:
    drawn = torch.tensor([[0.5]])
    for value in (0.0, math.nan):
        assert 0 <= invert(torch.full((1, 3), value), drawn).item() < 3


def test_the_same_line_draws_the_same_and_another_seed_draws_others() -> None:
    options = DecodeConfig(method="sample", num_samples=8)
    demands = [Demand(seed=7), Demand(seed=8), Demand(seed=7)]
    first, second, third = generate(FakeScorer(9), [(4,), (4,), (4,)], options, demands=demands)
    assert first == third != second
    other = options.model_copy(update={"seed": 2})
    assert generate(FakeScorer(9), [(4,)], other, demands=[Demand(seed=7)]) != [first]


def test_a_patient_beam_finds_no_worse_and_stops_when_it_has_enough() -> None:
    better = 0
    for src in itertools.chain.from_iterable(itertools.product(WORDS, repeat=n) for n in range(4)):
        [[hasty, *_]] = generate(FakeScorer(12), [src], DecodeConfig(beam_size=2))
        [patient] = generate(FakeScorer(12), [src], DecodeConfig(beam_size=2, patience=5.0))
        assert patient[0].score >= hasty.score - 1e-5
        assert len(patient) == 2
        better += patient[0].score > hasty.score + 1e-5
    assert better
