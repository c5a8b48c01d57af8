"""Two ranks: what strikes one of them is answered by both, and the same command ends with the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import torch

from mtkit.model.checkpoint import load_weights, newest_checkpoint
from tests.support.cases import mostly_slow
from tests.support.corpora import REPOSITORY
from tests.support.faults.bench import DECODE, GRADIENT, NEWEST, PREPARED, RENAME, outcome
from tests.support.faults.figures import trial
from tests.support.faults.pair import PLAIN, Pair, codes, said

SPLIT = "out of memory on one of two ranks: all split and keep the update's tokens, or all stop"
STOP = "two ranks: a signal stops all at the same step with 75, and the run ends with the same bytes"
KILLED = "two ranks: where one is killed the other ends within a minute, and the run ends with the same bytes"


@pytest.fixture(scope="module")
def whole(pair: Pair) -> dict[str, Any]:
    """What two undisturbed ranks leave."""
    return pair.finish(pair.make("whole"))


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("victim", mostly_slow((0, 1), [1]))
def test_out_of_memory_on_one_rank(victim: int, pair: Pair) -> None:
    plain, split = pair.make(f"plain-{victim}"), pair.make(f"split-{victim}")
    options = (*PLAIN, "train.batch_tokens=300")  # several pairs for each rank
    expected = pair.finish(plain, *options)
    marker = split.with_name(f"{split.name}.struck")
    memory = {"run_out_of_memory": {"above": 1, "at": 5, "marker": str(marker)}}
    done = pair.start(split, {victim: memory}, *options)
    ended, found = codes(done), outcome(split)
    told = "out of memory" in done[0].said() and not re.search("out of memory|Traceback", done[1].said())
    theirs = [line for line in found["metrics"] if "train/splits" not in line]
    weights = [load_weights(run / "checkpoints" / "step-00000012") for run in (plain, split)]
    # The same sums over another grouping of the pairs, in fp32. A bias of keys changes nothing, so that its
    # gradient is noise, which Adam makes large.
    close = all(
        torch.allclose(weight, weights[1][name], atol=1e-6)
        for name, weight in weights[0].items()
        if not name.endswith("kv_proj.bias")
    )
    same = [line.keys() for line in theirs] == [line.keys() for line in expected["metrics"]] and all(
        line[name] == pytest.approx(value, abs=1e-5)
        for line, other in zip(theirs, expected["metrics"], strict=True)
        for name, value in other.items()
        if "loss" in name or "norm" in name
    )
    tokens = found["progress"]["tokens_seen"] == expected["progress"]["tokens_seen"]
    struck = ended == [0, 0] and marker.exists()
    trial(SPLIT, struck=struck, kept=told and close and same and tokens, detail=(close, same, said(done)))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_run_that_was_split_goes_on_as_it_was(victim: int, pair: Pair) -> None:
    """All have split, so that a resumed run adds up in the same order whichever rank had no memory."""
    straight, killed = pair.make(f"straight-{victim}"), pair.make(f"killed-{victim}")
    marker = killed.with_name(f"{killed.name}.struck")
    memory = {"run_out_of_memory": {"above": 1, "at": 1, "marker": str(marker)}}
    expected = pair.finish(straight, *PLAIN, hooks={victim: memory})
    update = "mtkit.train.update:Updater.__call__"  # each computes many gradients
    kill = {"kill_at_call": {"target": update, "at": 9, "marker": f"{marker}.killed"}}
    done = pair.start(killed, {victim: memory, 1 - victim: kill}, *PLAIN)
    struck = sorted(codes(done)) == [-signal.SIGKILL, 75] and marker.exists()
    kept = pair.finish(killed, *PLAIN, hooks={victim: memory})["files"] == expected["files"]
    trial(SPLIT, struck=struck, kept=kept, detail=said(done))


def test_a_sentence_too_large_for_one_rank_stops_both(pair: Pair) -> None:
    run = pair.make("too-large")
    marker = run.with_name(f"{run.name}.struck")
    done = pair.start(run, {1: {"run_out_of_memory": {"above": 0, "at": 5, "marker": str(marker)}}})
    ended, told = codes(done), said(done)
    settings = "Lower max_tokens of the filter tokens in data.filters, or choose a smaller model.preset."
    kept = ended == [1, 1] and told.count("rank 1 of 2: step") == told.count(settings) == 1
    trial(SPLIT, struck=marker.exists(), kept=kept and "Traceback" not in told, detail=(ended, told))


# ---------------------------------------------------------------- signals


SIGNALLED = [
    *((0, GRADIENT, at) for at in (1, 2, 5, 9, 13)),  # the first is a rehearsal
    *((1, GRADIENT, at) for at in (1, 3, 6, 10, 12)),
    *((0, DECODE, at) for at in (1, 2, 3)),
    *((0, RENAME, at) for at in (2, 5, 8)),
    *((rank, target, 1) for rank in (0, 1) for target in (PREPARED, NEWEST)),
]
PAIRED = [
    (*moment, (signal.SIGTERM, signal.SIGUSR1)[n % 2], n % 3 == 0) for n, moment in enumerate(SIGNALLED)
]


@pytest.mark.parametrize(
    ("rank", "target", "at", "number", "both"), mostly_slow(PAIRED, [PAIRED[7], PAIRED[12]])
)
def test_a_signal_stops_both_at_the_same_step(
    rank: int, target: str, at: int, number: int, both: bool, pair: Pair, whole: dict[str, Any]
) -> None:
    """To one rank, as `kill` sends it, or to both, as torchrun and Slurm do."""
    run = pair.make(f"{target.rpartition(':')[2]}-{rank}-{at}")
    marker = run.with_name(f"{run.name}.struck")
    hook = {"target": target, "at": at, "number": int(number), "marker": str(marker)}
    done = pair.start(run, {rank: {"signal_at_call": hook}})
    if both:
        done[rank].wait_until(marker.exists, "the moment")
        done[1 - rank].send(number)
    ended = codes(done)
    late = ended == [0, 0] and (run / "model").exists()  # amid the last scores it is too late
    kept = (ended == [75, 75] or late) and "Traceback" not in said(done)
    trial(
        STOP,
        struck=marker.exists(),
        kept=kept and pair.finish(run) == whole,
        detail=(rank, target, at, ended, said(done)),
    )
    shutil.rmtree(run)


# ---------------------------------------------------------------- kills


VICTIMS = [
    *((0, GRADIENT, at) for at in (2, 8)),
    *((1, GRADIENT, at) for at in (2, 8, 12)),
    *((0, DECODE, at) for at in (1, 2)),
    *((0, RENAME, at) for at in (3, 7)),
    *((rank, target, 1) for rank in (0, 1) for target in (PREPARED, NEWEST)),
]


@pytest.mark.parametrize(("rank", "target", "at"), mostly_slow(VICTIMS, [VICTIMS[3]]))
def test_a_killed_rank_ends_the_other(
    rank: int, target: str, at: int, pair: Pair, whole: dict[str, Any]
) -> None:
    run = pair.make(f"killed-{target.rpartition(':')[2]}-{rank}-{at}")
    marker = run.with_name(f"{run.name}.struck")
    hook = {"target": target, "at": at, "marker": str(marker)}
    done = pair.start(run, {rank: {"kill_at_call": hook}})
    killed = done[rank].wait()
    begin = time.monotonic()
    left = done[1 - rank].wait()
    took, told = time.monotonic() - begin, said(done)
    kept = left == 75 and took < 60 and told.count("ended unexpectedly") == 1 and "Traceback" not in told
    trial(
        KILLED,
        struck=killed == -signal.SIGKILL and marker.read_text() == target,
        kept=kept and pair.finish(run) == whole,
        detail=(rank, target, at, left, took, told),
    )
    shutil.rmtree(run)


@pytest.mark.slow
def test_torchrun_passes_a_signal_on(pair: Pair) -> None:
    run = pair.make("torchrun")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [
        "-m",
        "mtkit",
        "train",
        "c.yaml",
        f"run={run}",
        "train.max_steps=100000",
        "train.save_every=100000",
    ]
    environ = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=pair.folder, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if "step 8  valid" in line:
            process.send_signal(signal.SIGTERM)
    process.stderr.close()
    ended = process.wait()
    found = re.search(r"stopped after saving step ([\d,]+)", told)
    newest = newest_checkpoint(run)[0]
    kept = (
        found is not None and newest is not None and newest.name.endswith(f"-{found[1].replace(',', ''):>08}")
    )
    trial(STOP, struck=ended != 0 and "step 8  valid" in told, kept=kept, detail=told)
