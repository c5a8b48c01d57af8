"""Screens, word for word: at 80 and 140 columns, with and without colours, and in a pipe.

golden/screens/ has a file for each. An escape character is written as `^[`. To update the files after an
intended change, set MTKIT_WRITE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import MTKIT
from tests.support.corpora import REPOSITORY
from tests.support.terminals import session

pytest.importorskip("pty")

GOLDEN = Path(__file__).with_name("golden")
COMMANDS = (["config", "check", "bad.yaml"], ["config", "presets"], ["trian"])
SCREENS = {
    "80": {"COLUMNS": "80"},
    "80-no-color": {"COLUMNS": "80", "NO_COLOR": "1"},
    "140": {"COLUMNS": "140"},
    "pipe": {"COLUMNS": "80"},
}


def play(screen: str, folder: Path) -> str:
    """What stands there after all commands."""
    shown = ""
    for args in COMMANDS:
        shown += f"$ {' '.join(['mtkit', *args])}\n"
        if screen == "pipe":
            done = subprocess.run(
                [*MTKIT, *args], cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False
            )
            shown += (done.stderr + done.stdout).decode()
        else:
            shown += session(folder, [*MTKIT, *args], [])[0]
    return shown.replace("\x1b", "^[")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(GOLDEN / "bad.yaml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("screen", SCREENS)
def test_screen(screen: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **SCREENS[screen]}.items():
        monkeypatch.setenv(name, value)
    found = play(screen, folder)
    golden = GOLDEN / "screens" / f"{screen}.txt"
    if os.environ.get("MTKIT_WRITE_GOLDEN"):
        golden.write_text(found, encoding="utf-8", newline="\n")
    assert found == golden.read_text(encoding="utf-8")


def screen_text(screen: str) -> str:
    return (GOLDEN / "screens" / f"{screen}.txt").read_text(encoding="utf-8")


def test_what_the_screens_have_in_common() -> None:
    def words(screen: str) -> list[str]:
        return re.sub(r"\^\[\[[\d;]*m", "", screen_text(screen)).split()

    assert "^[" in screen_text("80")
    assert "^[" in screen_text("140")
    assert "^[" not in screen_text("80-no-color") + screen_text("pipe")
    assert words("140") == words("pipe")
    assert sorted(words("80-no-color")) == sorted(words("80"))


@pytest.mark.parametrize("screen", ["80-no-color", "140"])
def test_no_line_is_wider_than_the_screen(screen: str) -> None:
    text = re.sub(r"\^\[\[[\d;]*m", "", screen_text(screen))
    assert max(map(len, text.splitlines())) <= int(screen[:3].rstrip("-"))


@pytest.mark.parametrize("width", [80, 140])
def test_help_uses_the_width(width: int) -> None:
    done = subprocess.run(
        [*MTKIT, "translate", "--help"],
        env=os.environ | {"COLUMNS": str(width), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    widest = max(map(len, done.stdout.splitlines()))
    assert width - 20 < widest <= width
