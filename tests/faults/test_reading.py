"""Reading a run while it trains always gives a verified checkpoint."""

from __future__ import annotations

from pathlib import Path

from mtkit.checkpoint import load_model, load_train_state, newest_checkpoint
from mtkit.engine.find import read_model
from tests.faults.figures import trial
from tests.faults.server import ForkServer

READING = "reading a run while it trains always gives a verified checkpoint"
LOADS = 200


def test_loads_against_a_fast_writer(server: ForkServer, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    args = {"model": str(model), "run": str(run)}
    writer = server.start("tests.faults.trials:write_often", tmp_path / "log", **args)
    writer.wait_until(lambda: newest_checkpoint(run)[0] is not None, "the first checkpoint")
    steps: list[int] = []
    try:
        for number in range(LOADS):
            if number % 10:
                steps.append(read_model(run, load_train_state)[1]["step"])
            else:
                steps.append(int(read_model(run, load_model).folder.name.removeprefix("step-")))
    finally:
        writer.send(9)
        assert writer.wait() == -9, writer.said()
    for before, step in zip([0, *steps], steps, strict=False):
        trial(READING, struck=step > 0, kept=step >= before, detail=(before, step))
    assert len(set(steps)) > LOADS / 10, "the writer was too slow to prove anything"
