from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from mtkit.data.prepare.workers import Workers
from mtkit.errors import InputError, MtkitError


def where(number: int) -> tuple[int, int]:
    return number, os.getpid()


def slow_if_even(number: int) -> int:
    time.sleep(0.05 * (1 - number % 2))
    return number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise InputError("corpus.txt:3: is bad.", "Repair it.")
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    with Workers(count) as workers:
        assert list(workers.map(slow_if_even, range(10))) == list(range(10))


def test_several_processes_work_but_not_for_a_single_task() -> None:
    with Workers(2) as workers:
        assert list(workers.map(where, [7])) == [(7, os.getpid())]
        assert os.getpid() not in {process for _, process in workers.map(where, range(20))}


def test_little_work_is_done_without_processes() -> None:
    with Workers(2, alone=60) as workers:
        assert {process for _, process in workers.map(where, range(20))} == {os.getpid()}
        assert list(workers.map(slow_if_even, [])) == []
    with Workers(2, alone=0.02) as workers:
        assert list(workers.map(slow_if_even, range(6))) == list(range(6))
        assert os.getpid() not in {process for _, process in workers.map(where, range(20))}


def test_tasks_are_drawn_as_they_are_needed() -> None:
    drawn = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    with Workers(2) as workers:
        results = workers.map(slow_if_even, tasks())
        assert next(results) == 0
        assert len(drawn) <= 6


@pytest.mark.parametrize("count", [1, 2])
def test_a_failure_is_raised_as_it_was(count: int) -> None:
    with Workers(count) as workers, pytest.raises(InputError, match="is bad") as caught:
        list(workers.map(fail_at_three, range(10)))
    assert caught.value.hint == "Repair it."


def test_a_killed_worker_is_noticed() -> None:
    with Workers(2) as workers, pytest.raises(MtkitError, match="worker process was killed"):
        list(workers.map(die, range(10)))


def test_workers_end_with_a_killed_parent() -> None:
    script = """
import os, signal, time
from mtkit.data.prepare.workers import Workers
if __name__ == "__main__":
    with Workers(2) as workers:
        for process in workers.map(os.getpgid, [0] * 3):
            pass
        print(*workers._pool._processes, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    processes = [int(word) for word in done.stdout.split()]
    assert len(processes) == 2
    deadline = time.monotonic() + 20
    while any(_lives(process) for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
