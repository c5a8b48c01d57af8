"""What is written where, with and without colours, and how it breaks."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtkit.cli import console
from mtkit.cli.console import filled
from mtkit.errors import ConfigError, InputError

SGR = re.compile(r"\x1b\[([\d;]*)m")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    streams = SimpleNamespace(stderr=screen, __stderr__=screen)  # pytest takes back the real one
    monkeypatch.setattr(console, "sys", streams)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return screen


def speak() -> None:
    console.fail(ConfigError(["a.yaml:1: x.", "a.yaml:2: y."]))
    console.warn("few pairs.")
    console.say("BLEU ", console.strong("36.1"))
    console.say_next("mtkit train")


PLAIN = "error: a.yaml:1: x.\nerror: a.yaml:2: y.\nwarning: few pairs.\nBLEU 36.1\nNext: mtkit train\n"


def test_each_colour_has_one_meaning(screen: Screen) -> None:
    speak()
    red, yellow, bold, green = "1;31", "1;33", "1", "32"
    assert SGR.sub("", screen.getvalue()) == PLAIN
    for style, text in ((red, "error:"), (yellow, "warning:"), (bold, "36.1"), (green, "Next:")):
        assert f"\x1b[{style}m{text}\x1b[0m" in screen.getvalue()
    assert {*SGR.findall(screen.getvalue())} == {red, yellow, bold, green, "0"}


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(
    name: str, value: str, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    speak()
    assert screen.getvalue() == PLAIN


def test_a_pipe_gets_no_colours_and_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    speak()
    console.fail(InputError("word " * 50))
    assert capsys.readouterr() == ("", f"{PLAIN}error: {'word ' * 49}word\n")


def test_warnings_of_the_library_look_like_those_of_commands(screen: Screen) -> None:
    console.set_up(quiet=False, debug=False)
    logging.getLogger("mtkit.train").warning("spike")
    logging.getLogger("mtkit.train").info("fine")
    assert screen.getvalue() == "\x1b[1;33mwarning:\x1b[0m spike\nfine\n"


def test_a_terminal_breaks_lines_between_words(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    text = "no model here. Train one with `mtkit train`, or name one."
    console.fail(InputError(text))
    lines = SGR.sub("", screen.getvalue()).splitlines()
    assert " ".join(lines) == f"error: {text}"
    assert max(map(len, lines)) <= 30
    assert len(lines) > 1


@pytest.mark.parametrize("width", [1, 7, 10, 23, 79])
@pytest.mark.parametrize(
    "text", ["", "a", "    indented by four", "/a/path/that/is/longer/than/any/line and more", "a  b   c" * 9]
)
def test_breaks_replace_spaces(text: str, width: int) -> None:
    lines = console.filled(text, width).split("\n")
    assert console.filled(text, width).replace("\n", " ") == text
    for line in lines:
        assert len(line) <= width or " " not in line.strip()


def test_a_command_to_be_copied_is_one_line(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    console.say_next("mtkit train a.yaml train.max_time=30m")
    assert screen.getvalue().count("\n") == 1


def test_control_characters_do_not_come_in_by_a_style(screen: Screen) -> None:
    console.say(console.strong("a\x1b[31mb"))
    assert screen.getvalue() == "\x1b[1ma\\u001b[31mb\x1b[0m\n"


def test_a_terminal_shows_paths_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width_on", lambda stream: 2000)
    other = f"/mnt{tmp_path}/b"
    console.say(f"{tmp_path}/runs/a: '{tmp_path}/c' {other} {tmp_path}")
    assert capsys.readouterr().err == f"runs/a: 'c' {other} {tmp_path}\n"


@pytest.mark.parametrize("indent", [0, 10])
def test_a_broken_line_keeps_its_words_and_its_indent(indent: int) -> None:
    text = "data      " + " ".join(["pairs"] * 40)
    lines = filled(text, 50, indent).split("\n")
    assert " ".join(lines) == text
    assert [len(line) <= 50 - indent * bool(number) for number, line in enumerate(lines)] == [True] * len(
        lines
    )
