"""The process of one contender: worker.py wall|cpu|translate|translate-cpu NAME[-TRICK] CONFIG [KEY=VALUE…].

It trains on requests from standard input, measured by that clock. `translate` trains for `train.max_time` of
wall time (`translate-cpu`: CPU time), then translates the test set greedily. A TRICK is an optimisation of
mtkit to turn off.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
from pace import Finished, Job, Pace

from mtkit.model.tricks import tricks


def main() -> None:
    way, name, path, *overrides = sys.argv[1:]
    name, _, without = name.partition("-")
    if without:
        setattr(tricks, without, False)
    job = Job.load(overrides, path)
    torch.manual_seed(job.config.seed)
    torch.set_num_threads(job.config.train.num_threads or 1)
    contender = importlib.import_module(name)
    if way.startswith("translate"):
        if way == "translate-cpu":
            time.monotonic = time.process_time  # type: ignore[assignment]  # all loops end by this clock
        Pace().answer(hyps=contender.train_and_translate(job))
        return
    with contextlib.suppress(Finished):
        contender.train(job, Pace(way))


if __name__ == "__main__":
    main()
