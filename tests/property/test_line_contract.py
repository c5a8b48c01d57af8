"""One record out for each line in, whatever the bytes: the command with a stand-in for the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from unicodedata import category

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from mtkit.cli import streams
from mtkit.cli.commands import app
from mtkit.config.decode import DecodeConfig
from mtkit.errors import InputError
from mtkit.runs.find import Found
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import Account
from mtkit.translate.input import Input
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Pause
from tests.support.corpora import REPOSITORY
from tests.support.fakes import EchoEngine, make_tokenizer

Command: TypeAlias = Callable[..., Result]

KNOWN = b"the cat sat on the mat"
BLANK = ["", " \t", "\r", "\x00", "\u2028", "\x85", "\ufeff", "\u200b", "\u3000\x0b\x0c", "\x1b[31m\x1b[0m"]
AWKWARD = [
    *(b"\r", b"\x00", b"\xff\xfe", b"\xc3", b"\xf0\x9f", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8"),
    *(b"\xc2\x85", b"\x0b", b"\x0c", b"\x1c", b"\x1b[31mred\x1b[0m", b"\x1b]0;title\x07", b"\xe2\x80\xae"),
    *(
        b"\xe2\x9f\xa61\xe2\x9f\xa7",
        "今天。天气".encode(),
        "e\u0301\u200d".encode(),
        b"|||",
        b"\t",
        b'{"text": "a"}',
    ),
]
CHUNK = st.sampled_from([KNOWN, *(blank.encode() for blank in BLANK), *AWKWARD, b"\n", b"\n\n"])
DATA = st.lists(CHUNK | st.binary(max_size=12) | st.just(b"\n" + KNOWN + b"\n"), max_size=24).map(b"".join)
UNSEEN = "\u202d\u202e\ufeff\u200b"
FLAGS = st.sampled_from([[], ["--flush", "line"], ["--flush", "batch"], ["--flush", "auto", "--scores"]])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return make_tokenizer()


@pytest.fixture(scope="module")
def command(tokenizer: Tokenizer) -> Any:
    """`mtkit translate` with a model that gives back what it is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mtkit.runs.find.find_model", lambda path: Found(Path("echo"), Path("echo")))
        patch.setattr("mtkit.runs.find.read_model", lambda path, load: load(path))
        patch.setattr(
            "mtkit.translate.open.open_translator",
            lambda *_, **__: Translator(EchoEngine(), tokenizer, DecodeConfig()),
        )
        yield lambda data, *args: CliRunner().invoke(app, ["translate", "-q", *args], input=data)


def check_contract(data: bytes, result: Result) -> None:
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines, shown = data.split(b"\n"), result.stdout_bytes.split(b"\n")
    assert len(shown) == len(lines)
    for line, answer in zip(lines, shown, strict=True):
        text = answer.decode().split("\t")[0]
        assert not any(category(char) in ("Cc", "Cs", "Zl", "Zp") or char in UNSEEN for char in text)
        if line.removesuffix(b"\r") == KNOWN:
            assert text == KNOWN.decode()
        if line.decode(errors="replace") in BLANK:
            assert text == ""


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(DATA, FLAGS)
def test_any_bytes(command: Command, data: bytes, flags: list[str]) -> None:
    check_contract(data, command(data, *flags))


@pytest.mark.slow
@settings(max_examples=1000, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
@given(DATA | st.binary(max_size=400), FLAGS)
def test_a_thousand_random_streams(command: Command, data: bytes, flags: list[str]) -> None:
    check_contract(data, command(data, *flags))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("awkward", [*AWKWARD, *(blank.encode() for blank in BLANK)])
def test_the_end_of_the_last_line_is_as_it_was(command: Command, awkward: bytes, end: bytes) -> None:
    data = KNOWN + b"\n" + awkward + b"\n" + KNOWN + end
    result = command(data)
    check_contract(data, result)
    assert result.stdout_bytes.endswith(KNOWN + end.removeprefix(b"\r"))


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"\n\n", b" ", b"\x00"])
def test_nothing_and_next_to_nothing(command: Command, data: bytes) -> None:
    result = command(data)
    assert result.exit_code == 0
    assert result.stdout_bytes == b"\n" * data.count(b"\n")


@pytest.mark.parametrize(
    "unit", [b"the cat sat on the mat. ", b"the cat ", b"the", b"x\xff", b"\xe4\xbb\x8a", b"\x00", b"<a>"]
)
def test_a_line_of_a_megabyte(command: Command, unit: bytes) -> None:
    long = unit * ((1 << 20) // len(unit))
    data = KNOWN + b"\n" + long + b"\n" + KNOWN
    result = command(data)
    check_contract(data, result)
    if unit.isascii() and unit.startswith(b"the"):
        found, asked = result.stdout_bytes.split(b"\n")[1].split(), long.split()
        assert b"".join(found) == b"".join(asked)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(DATA, st.sampled_from(["tsv", "jsonl"]), st.sampled_from(["blank", "source"]))
def test_other_line_formats(command: Command, data: bytes, kind: str, on_error: str) -> None:
    row = b"the cat" if kind == "tsv" else b'{"text": "the cat", "n": 1.0}'
    data = row + b"\n" + data + b"\n" + row
    result = command(data, "--format", kind, "--on-error", on_error)
    assert result.exit_code == 0, result.output
    shown = result.stdout_bytes.split(b"\n")
    assert len(shown) == data.count(b"\n") + 1
    assert shown[0] == shown[-1] == row
    for line, answer in zip(data.split(b"\n"), shown, strict=True):
        if line == KNOWN:
            assert answer == (line if kind == "tsv" or on_error == "source" else b"")


@settings(max_examples=20)
@given(DATA)
def test_json_has_an_object_for_a_line(command: Command, data: bytes) -> None:
    result = command(data, "--json", "--token-scores", "--alignment")
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stdout_bytes.split(b"\n") if line]
    assert [json.loads(line)["number"] for line in lines] == list(
        range(len(data.split(b"\n")) - (data[-1:] in b"\n"))
    )


# ---------------------------------------------------------------- arrival


class Sender:
    """A stream that gives its bytes in these chunks, and pauses after some of them."""

    def __init__(self, chunks: Sequence[tuple[bytes, bool]]) -> None:
        self.chunks = [chunk for chunk in chunks if chunk[0]]
        self.pauses = False

    def read1(self, size: int) -> bytes:
        if not self.chunks:
            return b""
        data, self.pauses = self.chunks.pop(0)
        return data


@settings(max_examples=100)
@given(st.lists(st.tuples(DATA, st.booleans()), max_size=8))
def test_however_bytes_arrive_lines_are_the_same_and_a_pause_is_told(
    chunks: list[tuple[bytes, bool]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_more_is_there", lambda stream: not stream.pauses)
        windows = list(streams._arriving(Sender(chunks), "test"))  # type: ignore[arg-type]
    lines = [line for window in windows if not isinstance(window, Pause) for line in window]
    data = b"".join(chunk for chunk, _ in chunks)
    assert b"".join(lines) == data
    assert all(line.endswith(b"\n") for line in lines[:-1])
    assert len(lines) == len(data.split(b"\n")) - (data[-1:] in b"\n")
    assert sum(isinstance(window, Pause) for window in windows) == sum(
        pauses for chunk, pauses in chunks if chunk
    )


@settings(max_examples=60)
@given(st.lists(st.tuples(DATA, st.booleans()), max_size=8))
def test_arrival_changes_no_answer(tokenizer: Tokenizer, chunks: list[tuple[bytes, bool]]) -> None:
    def answered(windows: Any) -> bytes:
        translator = Translator(EchoEngine(), tokenizer, DecodeConfig())
        answers = Input().answers(translator, windows, Request(), Account())
        return b"".join(answer for _, answer in answers)

    data = b"".join(chunk for chunk, _ in chunks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_more_is_there", lambda stream: not stream.pauses)
        found = answered(streams._arriving(Sender(chunks), "test"))  # type: ignore[arg-type]
    once = [line + b"\n" for line in data.split(b"\n")]
    once[-1] = once[-1].removesuffix(b"\n")
    assert found == answered([[line] for line in once if line])


def test_a_line_without_end_is_refused_before_memory_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtkit.data.read.lines.MAX_LINE", 1 << 21)
    monkeypatch.setattr(streams, "_more_is_there", lambda stream: True)
    sender = Sender([(b"a\n", False), *[(b"x" * (1 << 16), False)] * 100])
    with pytest.raises(InputError, match=r"^test:2: the line has more than 2,097,152 bytes"):
        list(streams._arriving(sender, "test"))  # type: ignore[arg-type]
    assert len(sender.chunks) == 100 - 32


# ---------------------------------------------------------------- endless input

ENDLESS = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import mtkit.runs.find, mtkit.translate.open
from mtkit.config.decode import DecodeConfig
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Pause
from tests.support.fakes import EchoEngine, make_tokenizer

class Forgetful(EchoEngine):
    def decode(self, *args):
        found = super().decode(*args)
        self.calls.clear()
        return found

mtkit.runs.find.find_model = lambda path: mtkit.runs.find.Found(Path("echo"), Path("echo"))
mtkit.runs.find.read_model = lambda path, load: load(path)
mtkit.translate.open.open_translator = lambda *_, **__: Translator(
    Forgetful(), make_tokenizer(), DecodeConfig()
)
from mtkit.cli.app import main
sys.argv = ["mtkit", "translate", "-q"]
try:
    main()
finally:
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
    print(peak, file=sys.stderr)
"""


def peak_kib(lines: int) -> int:
    """The most memory that so many lines took."""
    code = ENDLESS.format(root=str(REPOSITORY))
    sender = f"yes 'a dog ran\n\nthe cat' | head -n {lines}"
    done = subprocess.run(
        ["sh", "-c", f'{sender} | "$0" -c "$1" | wc -l', sys.executable, code],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
    )
    assert int(done.stdout) == lines
    return int(done.stderr)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_ten_million_lines_take_the_memory_of_a_hundred_thousand() -> None:
    assert peak_kib(10_000_000) < peak_kib(100_000) + (16 << 10)
