"""Help and errors, word for word.

Each file in golden/ is a session: a line `$ mtkit …`, what it prints on both streams, and `[exit N]` if N is
not 0. golden/help/ has the help of each command. To update the files after an intended change, set
MTKIT_WRITE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from mtkit.cli.commands import app
from tests.support.corpora import REPOSITORY

GOLDEN = Path(__file__).with_name("golden")
SESSIONS = sorted(GOLDEN.glob("*.txt"))


def commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    """The names of a command and of all commands below it."""
    yield names
    for name, member in getattr(command, "commands", {}).items():
        yield from commands(member, *names, name)


COMMANDS = list(commands(get_command(app)))


@pytest.mark.skipif(not typer.__version__.startswith("0.29."), reason="the help has the layout of typer 0.29")
@pytest.mark.parametrize("names", COMMANDS, ids="-".join)
def test_help(names: tuple[str, ...]) -> None:
    golden = GOLDEN / "help" / f"{'-'.join(('mtkit', *names))}.txt"
    done = CliRunner().invoke(
        app, [*names, "--help"], prog_name="mtkit", env={"COLUMNS": "100", "TERM": "dumb"}, color=False
    )
    found = re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)
    assert done.exit_code == 0
    if os.environ.get("MTKIT_WRITE_GOLDEN"):
        golden.write_text(found, encoding="utf-8", newline="\n")
    assert found == golden.read_text(encoding="utf-8")


def test_each_golden_help_belongs_to_a_command() -> None:
    expected = {"-".join(("mtkit", *names)) for names in COMMANDS}
    assert {path.stem for path in (GOLDEN / "help").iterdir()} == expected


@pytest.mark.parametrize("session", SESSIONS, ids=lambda path: path.stem)
def test_session(session: Path, tmp_path: Path) -> None:
    for config in GOLDEN.glob("*.yaml"):
        shutil.copy(config, tmp_path)
    (tmp_path / "corpus").mkdir()
    for name in ("train.en.gz", "train.fr.gz"):
        (tmp_path / "corpus" / name).touch()  # only looked for
    (tmp_path / "corpus" / "valid.tsv").write_text("a cat\tun chat\n", encoding="utf-8")
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
