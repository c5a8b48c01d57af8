"""The search for translations that contain terms against brute force, on fake scorers of a few pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.decode.generate import generate
from mtkit.decode.hypothesis import Demand, Hypothesis, Terms
from mtkit.decode.terms import TermStates
from tests.support.fakes import EOS, FakeScorer, next_log_probs
from tests.support.searches import SRCS, every_translation

Ids = tuple[int, ...]
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
PIECES = (*SPECIAL, "▁a", "▁b", "▁c")
EVERYTHING = 150
"""A beam that holds every translation of at most four words."""


def terms(*runs: Ids, pieces: Sequence[str] = PIECES, spaced: bool = True) -> Terms:
    return Terms(tuple((run,) for run in runs), pieces, spaced)


def count(ids: Ids, run: Ids) -> int:
    return sum(ids[i : i + len(run)] == run for i in range(len(ids) - len(run) + 1))


@pytest.mark.parametrize("beam_size", [1, 3, 5, EVERYTHING])
def test_terms_are_said_and_a_beam_that_holds_everything_finds_the_best(beam_size: int) -> None:
    asked: list[tuple[Ids, ...]] = [((4, 5),), ((6,), (4,)), ((5, 5),), (), ((4, 6, 5),)]
    demands = [Demand(terms=terms(*own)) if own else Demand() for own in asked]
    options = DecodeConfig(beam_size=beam_size)
    max_words = 4 if beam_size == EVERYTHING else 12
    found = generate(FakeScorer(max_words), SRCS, options, demands=demands)
    for src, own, hyps in zip(SRCS, asked, found, strict=True):
        assert hyps
        assert all(count(hyp.ids, term) for hyp in hyps for term in own)
        if beam_size == EVERYTHING:
            fitting = [f for f in every_translation(src, 4, 1.0) if all(count(f[0], term) for term in own)]
            assert hyps[0].ids == fitting[0][0]
            assert hyps[0].score == pytest.approx(fitting[0][1], abs=1e-5)


@pytest.mark.parametrize("beam_size", [2, 5])
def test_what_is_asked_of_other_sentences_changes_nothing(beam_size: int) -> None:
    asked = [Demand(), *(Demand(terms=terms(*own)) for own in [((4,),), ((5, 5), (6, 4)), ((4, 6, 5),)])]
    options = DecodeConfig(beam_size=beam_size)
    for demands in itertools.permutations(asked):
        together = generate(FakeScorer(9), SRCS[:4], options, demands=demands)
        alone = [
            generate(FakeScorer(9), [src], options, demands=[demand])[0]
            for src, demand in zip(SRCS[:4], demands, strict=True)
        ]
        assert together == alone


def test_scores_are_the_models() -> None:
    [hyps] = generate(
        FakeScorer(9), [(4, 5)], DecodeConfig(beam_size=3), demands=[Demand(terms=terms((6, 6)))]
    )
    for hyp in hyps:
        whole = (*hyp.ids, EOS)
        expected = [next_log_probs((4, 5), whole[:i], 9)[token] for i, token in enumerate(whole)]
        assert hyp.token_scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("run", [(4, 5), (4, 4)])
def test_a_term_given_twice_is_said_twice(run: Ids) -> None:
    [hyps] = generate(
        FakeScorer(6), [(4,)], DecodeConfig(beam_size=4), demands=[Demand(terms=terms(run, run))]
    )
    assert hyps
    assert all(count(hyp.ids, run) >= 2 for hyp in hyps)


def test_a_term_within_another_has_to_stand_elsewhere_too() -> None:
    demand = Demand(terms=terms((4, 5), (5,)))
    [hyps] = generate(FakeScorer(6), [(4,)], DecodeConfig(beam_size=4), demands=[demand])
    assert hyps
    assert all(count(hyp.ids, (5,)) >= 2 and count(hyp.ids, (4, 5)) for hyp in hyps)


def test_terms_that_do_not_fit_end_with_the_longest_output() -> None:
    demand = Demand(terms=terms((4, 5)))
    [hyps] = generate(FakeScorer(1), [(4,)], DecodeConfig(beam_size=2), demands=[demand])
    assert hyps  # the scorer allows one word only


class TableScorer:
    """Log-probabilities of the next token that follow from the last one alone, without a source."""

    def __init__(self, table: Mapping[int, Mapping[int, float]]) -> None:
        self.table = table

    def start(self, src_ids: Tensor, src_mask: Tensor) -> TableScorer:
        return self

    def select(self, rows: Tensor, width: int | None = None) -> TableScorer:
        return self

    def step(self, tokens: Tensor, state: TableScorer) -> tuple[Tensor, TableScorer]:
        log_probs = torch.full((len(tokens), 8), -math.inf)
        for row, last in enumerate(tokens.tolist()):
            for token, value in self.table.get(last, {}).items():
                log_probs[row, token] = value
        return log_probs, self


BOS, A, B, C, T = 2, 4, 5, 6, 7
RARE = {BOS: -9.0, A: -7.0, B: -9.0, C: -9.0}
"""The price of T, which fits best behind A."""

LIKELY = {BOS: (A, B), A: (B, C), B: (C, A), C: (EOS, A), T: (C, EOS)}


def table() -> dict[int, dict[int, float]]:
    """After each token one is likely and one possible, others are not, and T is rare."""
    found = {}
    for last, (best, second) in LIKELY.items():
        row = dict.fromkeys((A, B, C, EOS), -6.0)
        row |= {best: math.log(0.98), second: math.log(0.01), T: RARE.get(last, -9.0)}
        found[last] = row
    return found


@pytest.mark.parametrize("beam_size", [1, 2, 3, 4, 5, 8, 16])
def test_a_rare_term_is_said_where_it_fits_best_and_the_sentence_ends(beam_size: int) -> None:
    rows = table()

    def score(ids: Ids) -> float:
        path = (BOS, *ids, EOS)
        return sum(rows[last][token] for last, token in itertools.pairwise(path))

    words = (A, B, C, T)
    every = [ids for n in range(1, 7) for ids in itertools.product(words, repeat=n) if T in ids]
    pieces = (*SPECIAL, "▁a", "▁b", "▁c", "▁t")
    demand = Demand(terms=terms((T,), pieces=pieces))
    options = DecodeConfig(beam_size=beam_size, length_penalty=0.0)
    [hyps] = generate(TableScorer(rows), [(A,)], options, demands=[demand])
    assert hyps[0].ids == max(every, key=score)
    assert hyps[0].score == pytest.approx(score(hyps[0].ids), abs=1e-5)


@pytest.mark.parametrize("beam_size", [2, 3, 4, 5])
def test_a_term_after_which_the_model_goes_on_forever_does_not_make_the_translation_long(
    beam_size: int,
) -> None:
    likely = {BOS: A, A: B, B: EOS, T: C, C: C}
    rows = {
        last: dict.fromkeys((A, B, C, T, EOS), -6.0) | {best: math.log(0.98)} for last, best in likely.items()
    }
    options = DecodeConfig(beam_size=beam_size)
    [[plain, *_]] = generate(TableScorer(rows), [(A,)], options)
    assert plain.ids == (A, B)
    demand = Demand(terms=terms((T,), pieces=(*SPECIAL, "▁a", "▁b", "▁c", "▁t")))
    [hyps] = generate(TableScorer(rows), [(A,)], options, demands=[demand])
    assert all(T in hyp.ids and len(hyp.ids) <= len(plain.ids) + 1 for hyp in hyps)


# ---- the text of terms

TEXT = (*SPECIAL, "▁New", "▁York", "▁Del", "hi", "▁N", "ew", "▁Yorks", "hire", "▁", "York", ".", "'", "▁new")
NEW, YORK, DEL, HI, N, EW, YORKS, HIRE, SPACE, BARE_YORK, DOT, QUOTE, SMALL = range(4, 17)


def complete(wanted: Terms, ids: Ids) -> bool:
    states = TermStates(wanted)
    state = states.START
    for token in (*ids, EOS):
        state = states.after(state, token)
    return states.said[state] == states.goal


@pytest.mark.parametrize(
    ("ids", "is_said"),
    [
        ((NEW, YORK), True),
        ((N, EW, YORK), True),
        ((N, EW, SPACE, BARE_YORK, DOT), True),
        ((NEW, NEW, YORK), True),
        ((NEW, DEL, HI, NEW, YORK), True),
        ((QUOTE, NEW, YORK, QUOTE), True),
        ((NEW, YORKS, HIRE), False),
        ((NEW, DOT, YORK), False),
        ((SMALL, YORK), False),
        ((NEW,), False),
        ((), False),
    ],
)
def test_a_term_is_recognised_in_any_segmentation_as_whole_words(ids: Ids, is_said: bool) -> None:
    assert complete(terms((NEW, YORK), pieces=TEXT), ids) is is_said


def test_terms_with_the_same_first_piece_are_told_apart() -> None:
    both = terms((NEW, YORK), (NEW, DEL, HI), pieces=TEXT)
    assert complete(both, (NEW, DEL, HI, NEW, YORK))
    assert not complete(both, (NEW, DEL, HI, NEW))


def test_the_beginning_of_a_term_may_repeat() -> None:
    assert complete(terms((A, A, B)), (A, A, A, B))


def test_any_run_of_a_term_will_do() -> None:
    either = Terms((((NEW, YORK), (SMALL, YORK)),), TEXT)
    assert complete(either, (NEW, YORK))
    assert complete(either, (SMALL, YORK))


def test_between_words_without_spaces_a_term_is_recognised_anywhere() -> None:
    pieces = (*SPECIAL, "▁", "玩", "滑板", "玩滑", "板", "了")
    board = terms((6,), pieces=pieces, spaced=False)
    assert complete(board, (4, 5, 6, 9))
    assert complete(board, (7, 8, 9))
    assert not complete(board, (7, 9, 8))


def test_a_state_tells_how_far_it_is_and_what_goes_on() -> None:
    states = TermStates(terms((NEW, YORK), (NEW, DEL, HI), pieces=TEXT))
    new = states.after(states.START, NEW)
    assert (states.goal, states.said[new]) == (5, 1)
    assert set(states.wanted(new)) == {YORK, DEL}
    assert set(states.wanted(states.after(new, HIRE))) == {NEW}
    york = states.after(new, YORK)
    assert states.said[york] == 2
    assert states.said[states.after(york, HIRE)] == 0


def hypotheses(beam_size: int) -> list[Hypothesis]:
    demand = Demand(terms=terms((4,)))
    return generate(FakeScorer(9), [(4,)], DecodeConfig(beam_size=beam_size), demands=[demand])[0]


def test_no_more_translations_are_given_than_the_beam_is_wide() -> None:
    assert all(1 <= len(hypotheses(size)) <= size for size in (1, 2, 5))
