"""Reading a run while it trains always gives a verified checkpoint."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mtkit.model.checkpoint import load_model, load_train_state, newest_checkpoint
from mtkit.runs.find import read_model
from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import PATIENCE_S, ForkServer

READING = "reading a run while it trains always gives a verified checkpoint"


@pytest.mark.parametrize("loads", mostly_slow((20, 200), [20]))
def test_loads_against_a_fast_writer(loads: int, server: ForkServer, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    args = {"model": str(model), "run": str(run)}
    writer = server.start("tests.support.faults.trials:write_often", tmp_path / "log", **args)
    writer.wait_until(lambda: newest_checkpoint(run)[0] is not None, "the first checkpoint")
    steps: list[int] = []
    try:
        end = time.monotonic() + PATIENCE_S
        while len(steps) < loads or len(set(steps)) < loads / 10:  # the writer was really at work
            assert time.monotonic() < end, f"{len(steps)} loads in {PATIENCE_S:.0f} s"
            if len(steps) % 10:
                steps.append(read_model(run, load_train_state)[1]["step"])
            else:
                steps.append(int(read_model(run, load_model).folder.name.removeprefix("step-")))
    finally:
        writer.send(9)
        assert writer.wait() == -9, writer.said()
    for before, step in zip([0, *steps], steps, strict=False):
        trial(READING, struck=step > 0, kept=step >= before, detail=(before, step))
