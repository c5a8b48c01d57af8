from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeAlias

import docx
import polib
import pytest
import zstandard
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from tests.support.fakes import make_tiny_run

Run: TypeAlias = Callable[..., Result]

COMMAND = [sys.executable, "-m", "mtkit", "translate"]
AWKWARD = (
    b"the cat sat\n\n  \t \na dog\r\nthe\x00cat \x85 sat\n\xff\xfe broken \xc3\n\xef\xbb\xbf\n"
    b"the cat\xe2\x80\xa8sat\x0bon\x0cthe mat\n" + b"a dog ran " * 400 + b"\nno line feed at the end"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translate")
    make_tiny_run(folder)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MTKIT_MODEL", raising=False)

    def invoke(*args: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(app, ["translate", *args], input=stdin)

    return invoke


def test_one_line_out_for_each_line_in(run: Run) -> None:
    result = run(stdin=AWKWARD)
    assert result.exit_code == 0, result.output
    lines = result.stdout_bytes.decode().split("\n")
    assert len(lines) == AWKWARD.count(b"\n") + 1
    assert [not line for line in lines][1:3] == [True, True]
    assert "model: runs/tiny (of ./tiny.yaml)" in result.stderr
    assert "parts" in result.stderr


def test_equals_the_library(run: Run, folder: Path) -> None:
    lines = ["the cat sat", "", "a dog ran on the mat", "the mat"]
    expected = list(open_translator(folder / "runs/tiny/model").translate(lines, Request(guard=True)))
    assert len(set(expected)) == len(lines)
    assert run(stdin="\n".join(lines).encode()).stdout.split("\n") == expected


@pytest.mark.parametrize("engine", ["native", "ctranslate2"])
def test_neighbours_batches_and_arrival_change_no_text(run: Run, folder: Path, engine: str) -> None:
    if engine == "ctranslate2":
        args = ["export", "runs/tiny", "--quantization", "float32", "--sample", "12", "-o", "exported"]
        result = CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
    model = "runs/tiny" if engine == "native" else "exported"
    words = ("the", "cat", "sat", "on", "a", "dog", "ran", "mat")
    lines = [" ".join(words[(i * k) % 8] for k in range(1, 2 + i % 9)) for i in range(60)] + [
        "a dog ran. The cat " * 60
    ]
    (folder / "lines.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (folder / "reversed.txt").write_text("".join(f"{line}\n" for line in lines[::-1]), "utf-8")
    flags = ["-m", model, "--no-guard", "--beam-size", "2"]
    expected = run(*flags, "-i", "lines.txt").stdout.split("\n")
    assert len(expected) == len(lines) + 1
    assert run(*flags, "-i", "lines.txt", "--flush", "line").stdout.split("\n") == expected
    assert run(*flags, "-i", "lines.txt", "--flush", "batch").stdout.split("\n") == expected
    assert run(*flags, stdin=(folder / "lines.txt").read_bytes()).stdout.split("\n") == expected
    assert run(*flags, "-i", "reversed.txt").stdout.split("\n")[:-1] == expected[-2::-1]
    assert (
        run(*flags, "-i", "lines.txt", "--engine", "native").stdout.split("\n") == expected
        or engine != "native"
    )


def test_files(run: Run, folder: Path) -> None:
    expected = run(stdin=AWKWARD).stdout_bytes
    (folder / "in.txt").write_bytes(AWKWARD)
    result = run("-i", "in.txt", "-o", "out/put.txt", "-m", "tiny.yaml")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes == b""
    assert [path.name for path in (folder / "out").iterdir()] == ["put.txt"]
    assert (folder / "out/put.txt").read_bytes() == expected


def test_fuzzy_messages_of_a_catalogue(run: Run) -> None:
    messages = 'msgid "the cat"\nmsgstr ""\n\n#, fuzzy\nmsgid "a dog"\nmsgstr "old"\n'
    found = []
    for flags in ([], ["--fuzzy"], ["--redo-fuzzy"], ["--fuzzy", "--redo-fuzzy"]):
        result = run("--format", "po", *flags, stdin=messages.encode())
        assert result.exit_code == 0, result.output
        entries = polib.pofile(result.stdout)
        found.append([(entry.fuzzy, bool(entry.msgstr), entry.msgstr == "old") for entry in entries])
    new, old = (False, True, False), (True, True, True)
    assert found == [[new, old], [(True, True, False), old], [new, new], [(True, True, False)] * 2]
    result = run("--format", "md", "--redo-fuzzy")
    assert result.exit_code == 2
    assert "--redo-fuzzy: --format md has no fuzzy messages." in result.stderr


def test_a_failure_leaves_the_old_output(run: Run, folder: Path) -> None:
    (folder / "old.txt").write_text("kept\n")
    result = run("-i", "missing.txt", "-o", "old.txt")
    assert result.exit_code == 3
    assert "missing.txt" in result.stderr
    assert (folder / "old.txt").read_text() == "kept\n"
    assert not list(folder.glob(".tmp-*"))


def test_output_that_cannot_be_written(run: Run) -> None:
    result = run("-o", "tiny.yaml/out.txt", stdin=b"a\n")
    assert result.exit_code == 1
    assert "tiny.yaml/out.txt: cannot be written" in result.stderr


def test_search_options_are_checked_against_the_schema(run: Run) -> None:
    result = run("--beam-size", "0", stdin=b"a\n")
    assert result.exit_code == 2
    assert "decode.beam_size" in result.stderr
    greedy, beam = (run("--beam-size", size, stdin=b"the cat sat\n") for size in ("1", "8"))
    assert greedy.exit_code == beam.exit_code == 0
    assert greedy.stdout != beam.stdout


def test_no_model(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(stdin=b"a\n")
    assert result.exit_code == 3
    assert "mtkit train" in result.stderr
    assert run("-m", "nowhere").exit_code == 3


def test_a_slow_sender_is_answered_line_by_line_in_utf8_whatever_the_locale(folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    translator = open_translator(folder / "runs/tiny/model")
    process = subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("the cat sat", "un chien à été couru", ""):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            [answer] = translator.translate([line], Request(guard=True))
            assert process.stdout.readline().decode() == f"{answer}\n"
        process.stdin.close()
        assert process.wait() == 0


def test_a_reader_that_goes_away_ends_it_silently(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mtkit", "-q", "translate"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(b"the cat\n" * 10)
    assert process.returncode == 141
    assert errors == b""


def test_an_office_document_is_translated_by_its_name(folder: Path, run: Run) -> None:
    document = docx.Document()
    document.add_paragraph("the cat sat")
    document.save(str(folder / "a.docx"))
    assert run("-i", "a.docx", "-o", "b.docx").exit_code == 0
    assert len(docx.Document(str(folder / "b.docx")).paragraphs) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_in_one_line(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "mtkit", "-q", "translate"],
            cwd=folder,
            input=b"the cat\n",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr.decode() == "error: standard output: cannot be written: No space left on device.\n"


def test_a_closed_standard_input_is_said(folder: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND], cwd=folder, capture_output=True, check=False
    )
    assert result.returncode == 2
    assert b"standard input is closed" in result.stderr


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_files_are_compressed_by_their_names(run: Run, folder: Path, suffix: str) -> None:
    source = b"the cat sat\na dog ran\n"
    unpack: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.decompress,
        "bz2": bz2.decompress,
        "xz": lzma.decompress,
        "zst": zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    expected = run(stdin=source).stdout_bytes
    assert run("-o", f"out.txt.{suffix}", stdin=source).exit_code == 0
    packed = (folder / f"out.txt.{suffix}").read_bytes()
    assert unpack[suffix](packed) == expected
    assert run("-o", f"again.txt.{suffix}", stdin=source).exit_code == 0
    assert (folder / f"again.txt.{suffix}").read_bytes() == packed
    # The output of one translation is the input of another.
    assert run("-i", f"out.txt.{suffix}").stdout_bytes == run(stdin=expected).stdout_bytes
    refused = run("-i", f"out.txt.{suffix}", "-o", f"more.txt.{suffix}", "--resume")
    assert refused.exit_code == 2
    assert f"more.txt.{suffix} is compressed" in refused.stderr


def test_how_far_it_is_of_a_file_and_of_a_folder(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(
        "mtkit.cli.console.progress", lambda: nullcontext(lambda *how_far: told.append(how_far))
    )
    monkeypatch.setattr("mtkit.translate.windows.FIRST_WINDOW", 1)
    text, table = b"the cat sat\n\na dog\r\n\xff", b"1\tthe cat\n2\ta dog\n"
    (folder / "some.txt").write_bytes(text)
    (folder / "some.tsv").write_bytes(table)
    (folder / "some.md").write_bytes(b"the cat\n\na dog\n")
    for name, size, first in (("some.txt", len(text), 12), ("some.tsv", len(table), 10)):
        told.clear()
        assert run("-i", name, "-o", "how_far", "--column", "2").exit_code == 0
        assert told[0] == ("bytes translated", first, size)
        assert told[-1] == ("bytes translated", size, size)
    told.clear()
    assert run("-i", "some.txt", "-i", "some.md", "-o", "how_far_folder").exit_code == 0
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert {12, len(text), len(text) + 15} <= {done for _, done, _ in told}
    assert {total for _, _, total in told} == {len(text) + 15}


def test_how_far_it_is_of_a_redirected_file(folder: Path) -> None:
    (folder / "in.txt").write_bytes(b"the cat sat\n" * 20)
    code = (
        "from mtkit.cli import console; console.SECONDS_BETWEEN_LINES = 0\n"
        "from mtkit.translate import windows; windows.WINDOW = 10\n"
        "from mtkit.cli.app import main; main()"
    )
    with (folder / "in.txt").open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code, "translate", "-m", "runs/tiny"],
            cwd=folder,
            stdin=file,
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
    assert "bytes translated: 240 of 240 (100 %)" in done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["Hello world"], "To translate a text: echo 'Hello world' | mtkit translate"),
        (["Hello", "world"], "To translate a text: echo 'Hello world' | mtkit translate"),
        (["letter.txt"], "To translate a file: mtkit translate -i letter.txt"),
        (["test.en"], "To translate a file: mtkit translate -i test.en"),
    ],
)
def test_what_is_typed_as_an_argument_is_explained(run: Run, given: list[str], expected: str) -> None:
    result = run("-m", "runs/tiny", *given)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [f"error: unexpected argument: {given[0]}. {expected}"]


def test_a_new_folder_is_named(run: Run, folder: Path) -> None:
    result = run("-o", "no/such/out.txt", stdin=b"the cat\n")
    assert result.exit_code == 0
    assert "no/such: creating the folder." in result.stderr
    assert (folder / "no/such/out.txt").is_file()
    assert "creating" not in run("-o", "no/such/out.txt", stdin=b"the cat\n").stderr


def test_lines_of_json_in_a_json_file(run: Run, folder: Path) -> None:
    (folder / "lines.json").write_text('{"text": "the cat"}\n{"text": "a dog"}\n')
    result = run("-i", "lines.json")
    assert result.exit_code == 3
    assert "lines.json: looks like jsonl, but its name says json. Set --format jsonl" in result.stderr
    assert run("-i", "lines.json", "--format", "jsonl").exit_code == 0
    (folder / "one.json").write_text('{"text": "the cat"}\n')
    assert run("-i", "one.json").exit_code == 0


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.po", 'msgid "the cat"\nmsgstr "le chat"\n', "no entry in it lacks a translation; --redo-fuzzy"),
        (
            "a.xlf",
            "<xliff><trans-unit><source>the cat</source><target>le chat</target></trans-unit></xliff>",
            "no entry in it lacks a translation)",
        ),
        ("a.md", "```\ncode\n```\n", "there is no text in it"),
    ],
)
def test_why_there_is_nothing_to_translate(
    run: Run, folder: Path, name: str, data: str, expected: str
) -> None:
    (folder / name).write_text(data)
    result = run("-i", name)
    assert result.exit_code == 0
    assert result.stdout == data
    assert expected in result.stderr
