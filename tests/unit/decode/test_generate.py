from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from mtkit.config.decode import DecodeConfig
from mtkit.decode.generate import batch_tokens, generate, plan_batches
from mtkit.decode.hypothesis import Demand, Terms
from mtkit.model.shortlist import Shortlist
from tests.support.fakes import EOS, VOCAB, FakeScorer, FakeState


class Constant(FakeScorer):
    """The same log-probabilities at every step."""

    def __init__(self, probs: list[float]) -> None:
        super().__init__(0)
        self.probs = probs

    def step(self, tokens: Tensor, state: FakeState) -> tuple[Tensor, FakeState]:
        return torch.tensor(self.probs).log().repeat(len(tokens), 1), state


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_longest_output_follows_the_source_and_is_ended_at_its_price(beam_size: int) -> None:
    endless = Constant([0, 0, 0, 1e-9, 0.5, 0.3, 0.2])
    options = DecodeConfig(beam_size=beam_size, max_len_ratio=1.5)
    for src, hyps in zip([[4], [4] * 5], generate(endless, [[4], [4] * 5], options), strict=True):
        words = int(1.5 * len(src)) + 50
        assert hyps[0].ids == (4,) * words
        assert hyps[0].token_scores[-1] == pytest.approx(torch.tensor(1e-9).log().item(), abs=1e-3)
        assert len(hyps[0].token_scores) == words + 1
        assert hyps[0].score == pytest.approx(sum(hyps[0].token_scores) / (words + 1))


def test_padding_unknown_and_beginning_are_never_generated() -> None:
    [hyps] = generate(Constant([0.4, 0.2, 0.3, 0.04, 0.03, 0.02, 0.01]), [[4, 4]], DecodeConfig(beam_size=5))
    assert all(token > EOS for hyp in hyps for token in hyp.ids)


def test_a_model_that_gives_nan_comes_to_an_end() -> None:
    [[hyp]] = generate(Constant([float("nan")] * VOCAB), [[4]], DecodeConfig(beam_size=1))
    assert len(hyp.ids) <= 52


def test_nothing_to_translate() -> None:
    assert generate(FakeScorer(3), [], DecodeConfig()) == []


def test_batches_keep_the_budget_and_hold_each_sentence_once() -> None:
    lengths = [3, 90, 7, 7, 1, 500, 12, 3]
    batches = list(plan_batches(lengths, tokens=200, width=2))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or 2 * len(batch) * max(lengths[i] for i in batch) <= 200
    assert batches[0] == [5]


@pytest.mark.parametrize(("device", "usual"), [("cpu", 4096), ("cuda", 65_536), ("cuda:1", 65_536)])
def test_batches_are_large_on_a_gpu_unless_the_options_say_a_size(device: str, usual: int) -> None:
    assert batch_tokens(DecodeConfig(), device) == usual
    assert batch_tokens(DecodeConfig(batch_tokens=99), device) == 99


TERMS = Terms((((4, 5),),), ["", "", "", "", " a", " b", " c"])


@pytest.mark.parametrize(
    ("options", "terms", "copies"),
    [
        (DecodeConfig(beam_size=3), None, 1),
        (DecodeConfig(method="diverse_beam", beam_size=2), None, 1),
        (DecodeConfig(method="sample", num_samples=2, top_p=0.9), None, 1),
        (DecodeConfig(beam_size=2), TERMS, 2),  # with terms the search itself is on the CPU
    ],
)
def test_a_step_waits_for_the_device_as_rarely_as_possible(
    options: DecodeConfig, terms: Terms | None, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Counter[str]()

    def count(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def counted(*args: object) -> object:
            calls[name] += 1
            return method(*args)

        monkeypatch.setattr(owner, name, counted)

    count(Tensor, "cpu")
    count(Constant, "step")
    scorer = Constant([0, 0, 0, 0.2, 0.3, 0.3, 0.2])
    generate(scorer, [[4], [4, 5, 6]], options, demands=[Demand(terms=terms)] * 2)
    assert calls["step"] > 1
    assert calls["cpu"] == copies * calls["step"]


def test_finished_sentences_leave_the_batch() -> None:
    class Watched(FakeScorer):
        rows: list[int]

        def step(self, tokens: Tensor, state: FakeState) -> tuple[Tensor, FakeState]:
            self.rows.append(len(tokens))
            return super().step(tokens, state)

    scorer = Watched(9)
    scorer.rows = []
    hyps = generate(scorer, [(4,), (5,), (6,), (4, 4)], DecodeConfig(beam_size=1))
    steps = sorted(len(hyp.token_scores) for [hyp] in hyps)
    assert scorer.rows == [sum(n > step for n in steps) for step in range(steps[-1])]


def test_a_shortlist_bounds_the_search_but_not_prefixes_terms_and_scores() -> None:
    lists = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1]), torch.tensor([5], dtype=torch.int32)
    shortlist = Shortlist(torch.tensor([EOS], dtype=torch.int32), *lists)
    scorer = Constant([0, 0, 0, 0.1, 0.5, 0.3, 0.1])
    options = DecodeConfig(beam_size=1, max_len_ratio=1.0)
    pieces = [""] * 4 + ["▁a", "▁b", "▁c"]
    demands = [Demand(), Demand(), Demand(prefix=(6,)), Demand(terms=Terms((((6,),),), pieces))]
    found = generate(scorer, [[4], [5], [4], [4]], options, demands=demands, shortlist=shortlist)
    listed, other, begun, termed = (hyps[0] for hyps in found)
    assert {*listed.ids} == {5}  # 4 is more probable, but not listed
    assert listed.token_scores[0] == pytest.approx(math.log(0.3))
    assert other.ids == ()  # nothing but the end is listed for it
    assert begun.ids[0] == 6
    assert {*begun.ids[1:]} == {5}
    assert 6 in termed.ids
    assert 4 not in termed.ids
