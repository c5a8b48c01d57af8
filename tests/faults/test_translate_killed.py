"""translate of a folder is killed at any time; the same command with --resume ends with the same bytes."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.cases import mostly_slow
from tests.support.faults.figures import trial
from tests.support.faults.server import ForkServer

SAME = "translate of a folder killed at any moment, same command again: the same bytes"
TRANSLATE = "tests.support.faults.trials:translate_and_die"
FILES = {
    "a.md": "# the cat\n\nthe dog *ran*\n",
    "sub/b.txt": "the cat\n\na dog\n",
    "sub/deep/c.srt": "1\n00:00:01,000 --> 00:00:02,000\nthe cat\n",
    "LICENSE": "the cat\n",
}


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translate") / "docs"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file but the records of the job."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".mtkit")
    }


@pytest.mark.parametrize("count", mostly_slow((1, 30), [1]))
def test_killed_at_calls_that_change_the_disk(
    count: int, docs: Path, model: Path, server: ForkServer, tmp_path: Path
) -> None:
    """Each is killed up to three times before it may end."""

    def run(output: Path, **more: object) -> int:
        args = ["-m", str(model), "-i", str(docs), "-o", str(output), "--resume", "--no-guard"]
        return server.start(TRANSLATE, tmp_path / "said", args=args, **more).wait()

    log = tmp_path / "calls"
    assert run(tmp_path / "whole", log=str(log)) == 0
    whole = content(tmp_path / "whole")
    assert whole.keys() == FILES.keys()
    calls, rng = len(log.read_text().splitlines()), random.Random(count)
    assert calls > 30
    for number in range(count):
        output = tmp_path / f"out-{number}"
        killed = []
        for turn in range(1 + number % 3):
            marker = tmp_path / f"{number}-{turn}.struck"
            at = rng.randrange(1, calls + 1 if turn == 0 else calls // 3)
            killed.append(run(output, at=at, marker=str(marker)) == -signal.SIGKILL and marker.exists())
            # A file that is there is complete, even if it is not recorded yet.
            found = content(output) if output.exists() else {}
            names = {name: data for name, data in found.items() if name in whole}
            assert names.items() <= whole.items(), (number, at)
        ended = run(output) == 0
        said = (tmp_path / "said").read_text()
        # A later one may have come too late: there was less left to do.
        trial(SAME, struck=killed[0], kept=ended and content(output) == whole, detail=(number, killed, said))
        shutil.rmtree(output)
