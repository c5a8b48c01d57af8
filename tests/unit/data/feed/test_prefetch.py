"""Steps that another process makes; its faults are in tests/faults/test_prefetch.py."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from mtkit.data.feed.loader import Cursor, PairTable, Steps
from mtkit.data.feed.prefetch import MOST_REPLACED, prefetch
from mtkit.data.prepare.shards import write_shard
from mtkit.errors import InputError, MtkitError
from tests.support.steps import content, take

PAIRS = [([5 + n % 9] * (1 + n % 4), [6 + n % 7] * (1 + n % 5)) for n in range(60)]


@pytest.fixture
def table(tmp_path: Path) -> PairTable:
    return PairTable([write_shard(tmp_path / "shard", PAIRS, {})])


def test_the_same_steps_come_and_no_process_stays(table: PairTable) -> None:
    begin = take(table, 3, Cursor())[-1].cursor
    with closing(prefetch(Steps(table, 60, 20, 3), begin, 2)) as steps:
        found = list(itertools.islice(steps, 12))
        (worker,) = multiprocessing.active_children()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            assert worker.pid is not None
            os.kill(worker.pid, number)  # the trainer's business, not the worker's
        found += itertools.islice(steps, 12)
        assert multiprocessing.active_children() == [worker]
    assert [content(step) for step in found] == [content(step) for step in take(table, 24, begin, micro=20)]
    assert [step.cursor for step in found] == [step.cursor for step in take(table, 24, begin, micro=20)]
    assert multiprocessing.active_children() == []


def test_what_is_expected_is_raised_at_once(table: PairTable, caplog: pytest.LogCaptureFixture) -> None:
    begin = time.monotonic()
    table.shards[0].folder.joinpath("lengths.bin").write_bytes(b"")
    steps = prefetch(Steps(table, 60, None, 3), Cursor(), 2)
    with closing(steps), pytest.raises(InputError, match="is damaged"):
        next(steps)
    assert time.monotonic() - begin < 60
    assert "is restarted" not in caplog.text


def test_a_process_that_cannot_be_started_is_tried_again(
    table: PairTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(process: multiprocessing.Process) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuse)
    steps = prefetch(Steps(table, 60, None, 3), Cursor(), 2)
    with (
        closing(steps),
        pytest.raises(MtkitError, match=r"step 1: .* cannot be started: .*, 4 times in a row"),
    ):
        next(steps)
    assert caplog.text.count("It is restarted at this step") == MOST_REPLACED
