"""Making pairs is killed at calls that change the disk; the next attempt ends with the same bytes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

SAME = "pairs killed at any call that changes the disk, same command again: the same bytes"
COMMAND = "tests.support.faults.trials:translate_and_die"
CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: plain, src: talks.en, tgt: talks.fr}]
  valid: {reader: plain, src: talks.en, tgt: talks.fr}
"""
TABLES = ("en.tsv", "fr.tsv")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "c.yaml").write_text(CONFIG)
    for name in ("talks.en", "talks.fr"):
        (folder / name).write_text("".join(f"line {number} of {name}\n" for number in range(2500)))
    return folder / "c.yaml"


@pytest.mark.parametrize("every", mostly_slow((1, 29), [29]))
def test_killed_at_calls_that_change_the_disk(
    every: int, config: Path, server: ForkServer, tmp_path: Path
) -> None:
    """Each attempt is killed twice: at a call, and at half of that in the second attempt."""

    def run(output: Path, **more: object) -> int:
        args = [str(config), "-o", str(output)]
        return server.start(COMMAND, tmp_path / "said", args=args, command="denoise", **more).wait()

    log = tmp_path / "calls"
    assert run(tmp_path / "whole", log=str(log)) == 0
    whole = [(tmp_path / "whole" / name).read_bytes() for name in TABLES]
    calls = len(log.read_text().splitlines())
    assert calls > 20
    for at in range(1, calls + 1, every):
        output, struck = tmp_path / f"out-{at}", []
        for turn, place in enumerate((at, max(1, at // 2))):
            marker = tmp_path / f"{at}-{turn}.struck"
            struck.append(run(output, at=place, marker=str(marker)) == -signal.SIGKILL and marker.exists())
            there = [path.read_bytes() for name in TABLES if (path := output / name).exists()]
            assert there == whole[: len(there)], at  # a table that is there is complete
        ended = run(output) == 0
        kept = ended and [(output / name).read_bytes() for name in TABLES] == whole
        trial(SAME, struck=struck[0], kept=kept, detail=(at, struck, (tmp_path / "said").read_text()))
        shutil.rmtree(output)
