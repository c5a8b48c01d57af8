"""`mtkit translate` as a person at a terminal sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtkit.translate.open import open_translator
from tests.support.corpora import REPOSITORY
from tests.support.fakes import make_tiny_run
from tests.support.terminals import CTRL_C, CTRL_D, SECONDS, session

pytest.importorskip("pty")

HINT = "Type a line and press Enter to translate it. :help explains, exit ends."
COMMAND = [sys.executable, "-m", "mtkit", "translate", "-m", "runs/tiny", "--no-guard"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    make_tiny_run(folder)
    return folder


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("INPUTRC", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def test_each_line_is_answered_after_a_prompt_until_ctrl_d(folder: Path) -> None:
    translator = open_translator(folder / "runs/tiny/model")
    lines = ["the cat sat", "", "a dog ran"]
    first, _, last = translator.translate(lines)
    steps = [(b"> ", f"{line}\n".encode()) for line in lines]
    shown, code = session(folder, COMMAND, [*steps, (b"> ", CTRL_D)])
    assert code == 0
    asked = "en→fr> "
    expected = f"{asked}the cat sat\n{first}\n\n{asked}\n\n\n{asked}a dog ran\n{last}\n\n{asked}\n"
    said = "3 lines, by PyTorch, float32 on cpu\n"
    assert shown == f"model: runs/tiny\n{HINT}\n{expected}{said}"


@pytest.mark.parametrize("word", ["exit", ":quit"])
def test_words_for_people_are_not_translated(folder: Path, word: str) -> None:
    steps = [(b"> ", b":help\n"), (b"> ", b"the cat sat\n"), (b"> ", f"{word}\n".encode())]
    shown, code = session(folder, COMMAND, steps)
    assert code == 0
    assert "en→fr> :help\nexit, quit or Ctrl-D ends" in shown
    assert "before one of these words" in " ".join(shown.split())
    assert shown.endswith(f"en→fr> {word}\n1 line, by PyTorch, float32 on cpu\n")


def test_a_line_in_another_language_is_remarked_on(folder: Path) -> None:
    steps = [(b"> ", "Скажите, где вокзал?\n".encode()), (b"> ", CTRL_D)]
    shown, code = session(folder, COMMAND, steps)
    assert code == 0
    assert "warning: this looks like " in shown
    assert "The model translates from English." in " ".join(shown.split())


def test_ctrl_d_may_be_typed_while_a_line_is_translated(folder: Path) -> None:
    slowly = """
import sys, time
from mtkit.cli.app import main
from mtkit.translate.call import Call
translate = Call.translate
Call.translate = lambda *args: (time.sleep(1), translate(*args))[1]
sys.argv = ["mtkit", *sys.argv[1:]]
main()
"""
    [answer] = open_translator(folder / "runs/tiny/model").translate(["the cat sat"])
    command = [sys.executable, "-c", slowly, *COMMAND[3:], "-q"]
    shown, code = session(folder, command, [(b"", b"the cat sat\n"), (b"sat\r\n", CTRL_D)])
    assert code == 0
    assert shown.endswith(f"{answer}\n\n")


def test_ctrl_c_ends_without_a_traceback(folder: Path) -> None:
    steps = [(b"> ", b"the cat sat\n"), (b"> ", b"a dog"), (b"a dog", CTRL_C)]
    shown, code = session(folder, COMMAND, steps)
    assert code == 130
    assert shown.endswith(("\nen→fr> a dog\n", "\nen→fr> a dog^C\n"))


def test_quiet_says_nothing(folder: Path) -> None:
    [answer] = open_translator(folder / "runs/tiny/model").translate(["the cat sat"])
    steps = [(b"", b"the cat sat\n"), (f"{answer}\r\n".encode(), CTRL_D)]
    shown, code = session(folder, [*COMMAND, "-q"], steps)
    assert code == 0
    assert shown.replace("the cat sat\n", "") == f"{answer}\n\n"


def test_bytes_of_the_data_do_not_drive_the_terminal(folder: Path) -> None:
    (folder / "a.tsv").write_bytes(b"the cat\t\x1b[31mred\x1b[0m \x07\xe2\x80\xae\xff\r\n")
    shown, code = session(folder, [*COMMAND, "-q", "-i", "a.tsv", "--format", "tsv"], [])
    assert code == 0
    assert shown.endswith("\\u001b[31mred\\u001b[0m \\u0007\\u202e\ufffd\n")
    assert set(shown) & {"\x1b", "\x07", "\u202e"} == set()
    piped = subprocess.run(
        [*COMMAND, "-q", "-i", "a.tsv", "--format", "tsv"], cwd=folder, capture_output=True, check=True
    )
    assert piped.stdout.endswith(b"\t\x1b[31mred\x1b[0m \x07\xe2\x80\xae\xff\r\n")


def test_a_reader_that_has_enough_ends_it_while_it_waits_for_more(folder: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "-q"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"the cat sat\n")
    process.stdin.flush()
    assert process.stdout.readline().endswith(b"\n")
    process.stdout.close()  # as `head -1` does; nothing more is written to either end
    assert process.wait(SECONDS) == 141
    assert process.stderr.read() == b""
    process.stdin.close()
    process.stderr.close()
