"""The queue of sentences: nothing is lost or mixed, whatever the engine and the clients do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.errors import MtkitError
from mtkit.serve.orders import FullError, GoneError
from mtkit.serve.queue import BATCH_TOKENS, BULK_TOKENS, SentenceQueue
from mtkit.serve.queued_engine import QueuedEngine
from mtkit.translate.account import Account
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator
from tests.support.fakes import EchoEngine, TextEngine, make_tokenizer

GREEDY = DecodeConfig(beam_size=1)


class Reversing(EchoEngine):
    """Gives each source backwards; `trouble` may change the answers to a batch, or raise."""

    def __init__(
        self, trouble: Callable[[list[Any], Sequence[Any]], list[Any]] = lambda found, ids: found
    ) -> None:
        super().__init__()
        self.trouble = trouble
        self.demands: list[Any] = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.calls.append([list(ids) for ids in src_ids])
        self.demands.append(demands)
        self.begun.set()
        self.gate.wait()
        return self.trouble([[Hypothesis(tuple(reversed(ids)), -1.0, ())] for ids in src_ids], src_ids)


@pytest.fixture(name="queue")
def _queue() -> Iterator[SentenceQueue]:
    queue = SentenceQueue()
    yield queue
    queue.stop()


def asked(queue: SentenceQueue, engine: Any, sources: list[list[int]], **more: Any) -> list[tuple[int, ...]]:
    """The answers to one order that asks once."""
    with queue.order(**more) as order:
        return [own[0].ids for own in QueuedEngine(engine, queue, order).decode(sources, GREEDY)]


def backwards(sources: list[list[int]]) -> list[tuple[int, ...]]:
    return [tuple(reversed(source)) for source in sources]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_lone_job_is_answered_in_order(queue: SentenceQueue) -> None:
    sources = [[1], [1, 2, 3], [1, 2], [4, 5, 6]]
    assert asked(queue, Reversing(), sources) == backwards(sources)
    assert asked(queue, Reversing(), []) == []
    assert (queue.open_orders, queue.waiting_tokens, queue.counts.sentences) == (0, 0, 4)


def _dropped(found: list[Any], ids: Sequence[Any]) -> list[Any]:
    return found[:-1] if len(found) > 2 else found


def _doubled(found: list[Any], ids: Sequence[Any]) -> list[Any]:
    return [*found, found[0]] if len(found) > 2 else found


def _raised(found: list[Any], ids: Sequence[Any]) -> list[Any]:
    if len(found) > 2:
        raise RuntimeError("too many")
    return found


def _emptied(found: list[Any], ids: Sequence[Any]) -> list[Any]:
    return [[] for _ in found] if len(found) > 2 else found


@pytest.mark.parametrize("trouble", [_dropped, _doubled, _raised, _emptied, lambda found, ids: found])
def test_many_clients_get_their_own_answers(queue: SentenceQueue, trouble: Any) -> None:
    engine = Reversing(trouble)

    def client(number: int) -> None:
        draw = random.Random(number)
        for turn in range(12):
            sources = [
                [number, turn, place, *draw.choices(range(50), k=draw.randrange(9))]
                for place in range(draw.randrange(1, 12))
            ]
            assert asked(queue, engine, sources, is_bulk=number % 3 == 0) == backwards(sources)

    with ThreadPoolExecutor(24) as clients:
        list(clients.map(client, range(24)))
    assert (queue.open_orders, queue.waiting_tokens, queue.counts.failures) == (0, 0, 0)
    assert max(map(len, engine.calls)) > 2  # else nothing was batched


def test_an_error_hits_only_the_sentence_that_causes_it(queue: SentenceQueue) -> None:
    def poisoned(found: list[Any], ids: Sequence[Any]) -> list[Any]:
        if any(666 in source for source in ids):
            raise ValueError("poison")
        return found

    engine = Reversing(poisoned)
    engine.gate.clear()
    with ThreadPoolExecutor(9) as clients:
        first = clients.submit(asked, queue, engine, [[0]])
        until(engine.begun.is_set)
        sources = [[[number], [number, 666 if number == 4 else 7]] for number in range(8)]
        found = [clients.submit(asked, queue, engine, own) for own in sources]
        until(lambda: queue.open_orders == 9)
        engine.gate.set()
        assert first.result() == [(0,)]
        for number, (own, answer) in enumerate(zip(sources, found, strict=True)):
            if number == 4:
                with pytest.raises(ValueError, match="poison"):
                    answer.result()
            else:
                assert answer.result() == backwards(own)
    assert (queue.waiting_tokens, queue.counts.failures) == (0, 1)


def test_sentences_of_different_requests_are_not_decoded_together(queue: SentenceQueue) -> None:
    engine, other = Reversing(), Reversing()
    wide, prefix = DecodeConfig(beam_size=3), Demand(prefix=(9,))
    engine.gate.clear()
    with ThreadPoolExecutor(6) as clients, queue.order() as blocking:
        clients.submit(QueuedEngine(engine, queue, blocking).decode, [[0]], GREEDY)
        until(engine.begun.is_set)
        orders = [queue.open() for _ in range(5)]
        calls: list[Any] = [
            (engine, [[1]], GREEDY, None, True),
            (engine, [[2]], wide, None, True),
            (engine, [[3]], GREEDY, None, False),
            (engine, [[4]], GREEDY, [prefix], True),
            (other, [[5]], GREEDY, None, True),
        ]
        found = [
            clients.submit(QueuedEngine(one, queue, order).decode, *rest)
            for order, (one, *rest) in zip(orders, calls, strict=True)
        ]
        engine.gate.set()
        assert [each.result()[0][0].ids for each in found] == [(number,) for number in range(1, 6)]
    assert sorted(engine.calls) == [[[number]] for number in range(5)]
    assert engine.demands[engine.calls.index([[4]])] == [prefix]
    assert other.calls == [[[5]]]


def test_people_go_before_files_and_do_not_wait_for_all_of_them(queue: SentenceQueue) -> None:
    engine = Reversing()
    engine.gate.clear()
    large = [[7] * 63 for _ in range(3 * BULK_TOKENS // 64)]
    with ThreadPoolExecutor(3) as clients:
        bulk = clients.submit(asked, queue, engine, large, is_bulk=True)
        until(engine.begun.is_set)
        people = clients.submit(asked, queue, engine, [[1, 2]])
        until(lambda: len(engine.calls) == 2)
        assert engine.calls[1] == [[1, 2]]  # at once, although a batch of the file is under way
        engine.gate.set()
        assert people.result() == [(2, 1)]
        assert bulk.result() == backwards(large)
    sizes = [sum(len(ids) + 1 for ids in call) for call in engine.calls if call != [[1, 2]]]
    assert max(sizes) <= BULK_TOKENS < BATCH_TOKENS


def test_jobs_take_turns(queue: SentenceQueue) -> None:
    engine = Reversing()
    engine.gate.clear()
    large, small = [[7] * 63 for _ in range(4 * BULK_TOKENS // 64)], [[1, 2, 3]]
    with ThreadPoolExecutor(3) as clients:
        first = clients.submit(asked, queue, engine, large, is_bulk=True)
        until(engine.begun.is_set)
        second = clients.submit(asked, queue, engine, small, is_bulk=True)
        until(lambda: queue.open_orders == 2 and queue.waiting_tokens > 3 * BULK_TOKENS - 64)
        engine.gate.set()
        assert (second.result(), len(first.result())) == ([(3, 2, 1)], len(large))
    assert small[0] in engine.calls[1]


def test_a_client_that_goes_away_frees_its_work(queue: SentenceQueue) -> None:
    engine = Reversing()
    engine.gate.clear()
    with ThreadPoolExecutor(3) as clients, queue.order() as first:
        clients.submit(QueuedEngine(engine, queue, first).decode, [[0]], GREEDY)
        until(engine.begun.is_set)
        second = clients.submit(asked, queue, engine, [[2]])
        until(lambda: len(engine.calls) == 2)  # both threads decode
        leaving = queue.open()
        call = clients.submit(QueuedEngine(engine, queue, leaving).decode, [[8], [9]], GREEDY)
        until(lambda: queue.waiting_tokens == 4)
        queue.cancel(leaving)
        with pytest.raises(GoneError):
            call.result(20)
        assert queue.waiting_tokens == 0
        with pytest.raises(GoneError):
            QueuedEngine(engine, queue, leaving).decode([[1]], GREEDY)
        with pytest.raises(GoneError):
            QueuedEngine(engine, queue, leaving).score([[1]], [[1]], GREEDY)
        queue.close(leaving)
        queue.close(leaving)
        engine.gate.set()
        assert second.result() == [(2,)]
    assert not any([8] in batch for batch in engine.calls)
    assert (queue.open_orders, queue.counts.cancelled) == (0, 1)


def test_what_is_too_much_is_refused(queue: SentenceQueue) -> None:
    small = SentenceQueue(most_orders=3, most_tokens=5)
    engine = Reversing()
    engine.gate.clear()
    with ThreadPoolExecutor(4) as clients:
        busy = [clients.submit(asked, small, engine, [[1]]) for _ in range(1)]
        until(engine.begun.is_set)
        busy.append(clients.submit(asked, small, engine, [[2]]))
        until(lambda: len(engine.calls) == 2)
        busy.append(clients.submit(asked, small, engine, [[3, 3]]))
        until(lambda: small.waiting_tokens == 3)
        with pytest.raises(FullError) as refused:
            small.open()
        assert refused.value.retry_after >= 1
        engine.gate.set()
        assert [each.result() for each in busy] == [[(1,)], [(2,)], [(3, 3)]]
    engine.gate.clear()
    engine.begun.clear()
    with ThreadPoolExecutor(2) as clients, small.order(is_bulk=True) as order:
        first = clients.submit(QueuedEngine(engine, small, order).decode, [[1, 1, 1]], GREEDY)
        until(engine.begun.is_set)
        second = clients.submit(
            QueuedEngine(engine, small, order).decode, [[1] * 6], GREEDY
        )  # an order that was taken is done
        until(lambda: small.waiting_tokens == 7)
        with pytest.raises(FullError):
            small.open()
        engine.gate.set()
        assert (len(first.result()), len(second.result())) == (1, 1)
    small.stop()
    assert small.counts.refused == 2


def test_it_drains_and_then_cancels(queue: SentenceQueue) -> None:
    engine = Reversing()
    engine.gate.clear()
    with ThreadPoolExecutor(2) as clients:
        under_way = clients.submit(asked, queue, engine, [[1, 2]])
        until(engine.begun.is_set)
        drained = clients.submit(queue.drain, 20)
        until(lambda: queue._is_stopping)
        with pytest.raises(FullError):
            queue.open()
        engine.gate.set()
        assert (drained.result(), under_way.result()) == (True, [(2, 1)])
    stuck = SentenceQueue()
    engine.gate.clear()
    engine.begun.clear()
    with ThreadPoolExecutor(1) as clients:
        left = clients.submit(asked, stuck, engine, [[1, 2]])
        until(engine.begun.is_set)
        assert not stuck.drain(0.01)
        with pytest.raises(GoneError):
            left.result(20)
        engine.gate.set()
    stuck.stop()


def test_translators_over_the_queue_answer_as_they_do_alone(queue: SentenceQueue) -> None:
    tokenizer = make_tokenizer()
    engine = TextEngine(tokenizer, lambda text: text[::-1])
    alone = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    texts = ["the cat sat. a dog ran over the hill.", "", "the mat {x} sat", "12", "http://a.b the cat", "好"]
    request = Request(guard=True)
    expected = list(alone.translate(texts, request))

    def client(number: int) -> tuple[list[str], int]:
        account = Account()
        with queue.order(is_bulk=number % 2 == 0) as order:
            translator = Translator(
                QueuedEngine(engine, queue, order), tokenizer, DecodeConfig(), ("en", "fr")
            )
            return list(translator.translate(texts, request, account)), sum(account.counts.values())

    reference = Account()
    list(alone.translate(texts, request, reference))
    with ThreadPoolExecutor(16) as clients:
        for found, notes in clients.map(client, range(48)):
            assert (found, notes) == (expected, sum(reference.counts.values()))


def test_an_engine_that_always_fails_is_the_error_of_the_call(queue: SentenceQueue) -> None:
    tokenizer = make_tokenizer()

    def fails(text: str) -> str:
        raise RuntimeError("broken")

    engine = TextEngine(tokenizer, fails)
    with queue.order() as order, pytest.raises(MtkitError, match="the engine failed at it"):
        list(
            Translator(QueuedEngine(engine, queue, order), tokenizer, DecodeConfig()).translate(
                ["the cat", "a dog"]
            )
        )
    with queue.order() as order:
        lines = Translator(QueuedEngine(engine, queue, order), tokenizer, DecodeConfig()).translate(
            ["the cat", "a dog"], Request(on_error="source")
        )
        assert list(lines) == ["the cat", "a dog"]


@pytest.mark.parametrize(("lengths_at_once", "expected"), [(0, [12]), (1, [4, 4, 4]), (2, [8, 4])])
def test_lengths_are_decoded_together_if_the_engine_needs_it(
    queue: SentenceQueue, lengths_at_once: int, expected: list[int]
) -> None:
    engine = Reversing()
    engine.lengths_at_once = lengths_at_once
    engine.gate.clear()
    sources = [[number] * (1 + number % 3) for number in range(12)]
    with ThreadPoolExecutor(14) as clients:
        clients.submit(asked, queue, engine, [[99]])
        until(engine.begun.is_set)
        clients.submit(asked, queue, engine, [[99]])
        until(lambda: len(engine.calls) == 2)  # both threads are busy meanwhile
        found = [clients.submit(asked, queue, engine, [own]) for own in sources]
        until(lambda: queue.waiting_tokens == sum(len(own) + 1 for own in sources))
        engine.gate.set()
        assert [each.result() for each in found] == [backwards([own]) for own in sources]
    batches = engine.calls[2:]
    assert sorted(len(batch) for batch in batches) == sorted(expected)
    if lengths_at_once:
        assert all(len({len(ids) for ids in batch}) <= lengths_at_once for batch in batches)
