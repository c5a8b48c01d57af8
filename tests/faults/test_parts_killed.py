"""Parts of a translation and their join are killed at any time; the same commands end with the same bytes."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

SAME = "translate --part and --join killed at any moment, same commands again: the same bytes"
TRANSLATE = "tests.support.faults.trials:translate_and_die"
COUNT = 3
TEXT = "the cat\r\n\na dog ran\u2028on\nthe mat sat on a dog\nran".encode()


@pytest.mark.slow  # tests/unit/translate/test_divided.py strikes each call, without processes
@pytest.mark.parametrize("count", [5])
def test_killed_at_calls_that_change_the_disk(
    count: int, model: Path, server: ForkServer, tmp_path: Path
) -> None:
    """In each trial every part and the join are killed once before they may end, in any order."""
    (tmp_path / "in.txt").write_bytes(TEXT)

    def run(output: Path, *args: str, **more: object) -> int:
        given = ["-m", str(model), "-i", str(tmp_path / "in.txt"), "-o", str(output), "--no-guard", *args]
        return server.start(TRANSLATE, tmp_path / "said", args=given, **more).wait()

    def calls(*args: str) -> int:
        assert run(tmp_path / "logged.gz", *args, log=str(tmp_path / "calls")) == 0
        return len((tmp_path / "calls").read_text().splitlines())

    assert run(tmp_path / "whole.gz") == 0
    whole = (tmp_path / "whole.gz").read_bytes()
    commands = [("--part", f"{number}/{COUNT}") for number in range(1, COUNT + 1)]
    join = ("--join", str(COUNT))
    most = {command: calls(*command) for command in (*commands, join)}
    removed = 2 * COUNT
    rng = random.Random(count)
    for number in range(count):
        folder = tmp_path / str(number)
        output = folder / "out.gz"
        struck = []
        for command in (*rng.sample(commands, COUNT), join):
            marker = tmp_path / f"{number}-{command[1].replace('/', '-')}.struck"
            # Once the joined file is there, what is left is to delete its parts.
            last = most[command] - (removed if command == join else 0)
            killed = run(output, *command, at=rng.randrange(1, last + 1), marker=str(marker))
            struck.append(killed == -signal.SIGKILL and marker.exists())
            if command != join:
                assert run(output, *command) == 0, (tmp_path / "said").read_text()
        is_there = output.exists()
        kept = output.read_bytes() == whole if is_there else run(output, *join) == 0
        kept = kept and output.read_bytes() == whole
        left = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".tmp-"))
        kept = kept and (is_there or left == ["out.gz"])
        trial(SAME, struck=all(struck), kept=kept, detail=(number, left, (tmp_path / "said").read_text()))
