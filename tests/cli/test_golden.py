"""Help and errors, word for word.

Each file in golden/ is a session: a line `$ mtkit …`, what it prints on both streams, and `[exit N]` if N is
not 0. To write the files anew after a wanted change, set MTKIT_WRITE_GOLDEN=1, then read the difference.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.support.corpora import REPOSITORY

GOLDEN = Path(__file__).with_name("golden")
SESSIONS = sorted(GOLDEN.glob("*.txt"))


@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.stem)
def test_session(session: Path, tmp_path: Path) -> None:
    if session.stem.startswith("help") and not typer.__version__.startswith("0.29."):
        pytest.skip("the layout of the help is that of typer 0.29")
    for config in GOLDEN.glob("*.yaml"):
        shutil.copy(config, tmp_path)
    expected = session.read_text(encoding="utf-8")
    found = "\n".join(play(line, tmp_path) for line in expected.split("\n") if line.startswith("$ "))
    if os.environ.get("MTKIT_WRITE_GOLDEN"):
        session.write_text(found, encoding="utf-8", newline="\n")
    assert found == expected


def play(line: str, folder: Path) -> str:
    """The line, and what its command prints."""
    command, *args = shlex.split(line.removeprefix("$ "))
    assert command == "mtkit"
    width = {"COLUMNS": "100", "TERM": "dumb", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mtkit", *args],
        cwd=folder,
        env=os.environ | width,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    said = re.sub(r" +$", "", done.stdout.replace(str(folder), "/here"), flags=re.MULTILINE)
    return f"{line}\n{said}" + (f"[exit {done.returncode}]\n" if done.returncode else "")
