from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch._C._distributed_c10d import HashStore, PrefixStore

from mtkit.errors import InputError, StoppedError, UsageError
from mtkit.train.machine.distributed import World, join_world, world_id
from tests.support.ranks import run_ranks

EXCHANGES = """
import json, sys, torch
from mtkit.train.machine.distributed import join_world
with join_world() as world:
    found = {
        "agreed": world.agree(5.0 + world.rank, stop=world.rank == 1, splits=1 + world.rank),
        "disagreed": world.agree(7.0 + world.rank, stop=False),
        "gathered": world.gather([world.rank]),
        "sum": float(world.sum({"loss": torch.tensor(world.rank + 0.5)})["loss"]),
        "main": [world.on_main(lambda: (world.rank, n)) for n in range(2)],
    }
    print(json.dumps(found))
"""
FAILURES = """
import os, sys, time
from mtkit.cli.failures import report
from mtkit.errors import InputError, StoppedError
from mtkit.train.machine.distributed import join_world
how, rank = sys.argv[1], int(os.environ["RANK"])
try:
    with join_world() as world:
        world.agree(0.0, stop=False)
        if how == "killed" and rank == 1:
            os.kill(os.getpid(), 9)
        if how == "alone" and rank == 1:
            raise InputError("bad line.")
        if how == "killed at work":
            if rank == 1:
                os.kill(os.getpid(), 9)
            world.gather(rank)
        if how == "bug on main":
            world.on_main(lambda: 1 / 0)
        if how == "alike":
            raise StoppedError("stopped.")
        for _ in range(200):
            world.agree(0.0, stop=False)
            time.sleep(0.05)
except BaseException as error:
    sys.exit(report(error))
"""


def test_alone_nothing_changes() -> None:
    with join_world({}) as world:
        assert (world.rank, world.size, world.is_main) == (0, 1, True)
        assert world.agree(3.0, stop=True, splits=4) == (3.0, True, 4)
        assert world.on_main(lambda: 7) == 7
        assert world.gather("a") == ["a"]
        assert world.sum({"loss": torch.tensor(2.0)}) == {"loss": torch.tensor(2.0)}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "RANK = 'x' in the environment must be a number",
        ),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "LOCAL_RANK = '' in the environment must be a number"),
        ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "RANK = 2 must be below WORLD_SIZE = 2"),
        (
            {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "MASTER_ADDR is not set, though WORLD_SIZE = 2",
        ),
    ],
)
def test_a_wrong_environment_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said), join_world(environ):
        pass


def test_a_failure_alone_is_raised_as_it_is() -> None:
    with pytest.raises(InputError, match="bad"), join_world({}):
        raise InputError("bad.")
    world = World()
    error = StoppedError("stopped.")
    assert world.explain(error) is error


def test_what_ranks_exchange(tmp_path: Path) -> None:
    expected = (
        '{"agreed": [5.0, true, 2], "disagreed": [7.0, false, 1], "gathered": [[0], [1]], "sum": 2.0, '
        '"main": [[0, 0], [0, 1]]}\n'
    )
    done = run_ranks(2, ["-c", EXCHANGES], tmp_path)
    assert [(rank.returncode, rank.stdout, rank.stderr) for rank in done] == [(0, expected, "")] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "codes", "said"),
    [
        ("killed", [1, -signal.SIGKILL, 1], "another process of this run ended unexpectedly"),
        ("killed at work", [1, -signal.SIGKILL, 1], "another process of this run ended unexpectedly"),
        ("alone", [3, 3, 3], "rank 1 of 3: bad line."),
        ("bug on main", [70, 70, 70], "a bug in mtkit: ZeroDivisionError"),
        ("alike", [75, 75, 75], "stopped."),
    ],
)
def test_all_end_soon_and_one_says_why(tmp_path: Path, how: str, codes: list[int], said: str) -> None:
    begin = time.monotonic()
    done = run_ranks(3, ["-c", FAILURES, how], tmp_path)
    assert time.monotonic() - begin < 60
    assert [rank.returncode for rank in done] == codes
    spoken = [rank.stderr for rank in done if rank.stderr]
    assert len(spoken) == 1
    assert said in spoken[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_worlds_with_one_store_after_another_have_names_of_their_own(order: tuple[int, ...]) -> None:
    """torchrun keeps its store when it starts ranks again, fewer or more of them."""
    store, names = HashStore(), []
    for size in (3, 3, 2, 3):

        def join(rank: int, size: int = size) -> str:
            time.sleep(0.03 * order.index(rank))
            return world_id(PrefixStore("worlds", store), rank, size)

        with ThreadPoolExecutor(size) as pool:
            (name,) = set(pool.map(join, range(size)))
        names.append(name)
        store.set("worlds/hello/1", "a rank that was killed before it had an answer")
    assert len(set(names)) == 4
