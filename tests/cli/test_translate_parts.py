"""`translate --part` and `--join`: the joined file is that of one run, byte for byte."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.translate.call import Call, Encoded
from mtkit.translate.request import Translation
from tests.support.corpora import REPOSITORY
from tests.support.fakes import export_unchecked, make_tiny_run

Run: TypeAlias = Callable[..., Result]

REAL = (REPOSITORY / "docs" / "translate.md").read_text("utf-8").splitlines()[:24]
HOSTILE = [
    b"\xef\xbb\xbfthe cat sat",
    b"",
    b"a dog ran\r",
    "the\u2028cat\x0b\x85 sat".encode(),
    b"the \xff\xfe cat \xe2\x80",
    b" \t",
    b"a dog ran over the mat. " * 20,
    b"\0the mat",
]
LINES = [*HOSTILE[:7], *(line.encode() for line in REAL), *HOSTILE[1:], b"the cat sat on the mat"]
FAST = ["--engine", "ctranslate2", "--no-guard", "--beam-size", "1"]
TEXT, CRLF = b"\n".join(LINES), b"\r\n".join(LINES[:20]) + b"\r\n"
TABLE = b"id\ten\tnote\n" + b"".join(b"%d\tthe cat %d\tx\n" % (n, n) for n in range(60))
JSONL = b"".join(b'{"n": %d, "en": "a dog ran \\u2028 on %d"}\n\n' % (n, n) for n in range(40))
LATIN = "caf\xe9 the cat\na d\xf4g\n\n".encode("latin-1") * 20
CASES = {
    "text": ("in.txt", TEXT, "out.txt", 5, []),
    "numbers": ("in.txt.gz", gzip.compress(TEXT), "out.txt", 4, ["--json"]),
    "sampled": ("in.txt", CRLF, "out.txt", 3, ["--engine", "native", "--method", "sample", "--seed", "3"]),
    "compressed": ("in.gz", gzip.compress(TEXT), "out.gz", 3, ["--format", "text", "--scores"]),
    "crlf": ("in.txt", CRLF, "out.bz2", 3, ["--format", "text", "--bilingual"]),
    "header": ("in.tsv", TABLE, "out.tsv", 7, ["--column", "en", "--bilingual"]),
    "objects": ("in.jsonl", JSONL, "out.xz", 2, ["--field", "en"]),
    "encoding": ("in.txt", LATIN, "out.txt", 3, ["--encoding", "latin-1"]),
    "empty": ("in.txt", b"", "out.gz", 2, []),
    "more parts than lines": (
        "in.txt",
        b"the cat\na dog",
        "out.txt",
        6,
        ["--n-best", "2", "--beam-size", "2"],
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    make_tiny_run(folder)
    model = folder / "runs" / "tiny" / "model"
    export_unchecked(model, model.parent / "export" / "ctranslate2", "int8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    for path in [*folder.glob("out*"), *folder.glob("in*")]:
        path.unlink()
    return lambda *args: CliRunner().invoke(app, ["translate", "-m", "runs/tiny", *FAST, *args])


def written(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stderr


@pytest.mark.parametrize("name", CASES)
def test_the_joined_file_is_that_of_one_run(name: str, run: Run, folder: Path) -> None:
    source, data, target, count, flags = CASES[name]
    (folder / source).write_bytes(data)
    args = ["-i", source, "-o", target, *flags]
    written(run(*args))
    whole = (folder / target).read_bytes()
    (folder / target).unlink()
    numbers = list(range(1, count + 1))
    random.Random(name).shuffle(numbers)
    for number in numbers:
        written(run(*args, "--part", f"{number}/{count}"))
        assert not (folder / target).exists()
    said = written(run(*args, "--join", str(count)))
    assert (folder / target).read_bytes() == whole
    assert f"joined from {count} parts" in said
    assert [path.name for path in folder.glob("out*")] == [target]


def test_an_interrupted_part_resumes_and_a_finished_one_is_not_done_again(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "in.txt").write_bytes(b"the cat sat\na dog\n" * 300)
    args = ["-i", "in.txt", "-o", "out.gz", "--json"]
    written(run(*args))
    whole, calls, real = (folder / "out.gz").read_bytes(), 0, Call.translate

    def interrupt(self: Call, window: Encoded) -> list[list[Translation]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(self, window)

    monkeypatch.setattr(console.state, "in_a_hurry", False)
    with monkeypatch.context() as patch:
        patch.setattr(Call, "translate", interrupt)
        stopped = run(*args, "--part", "2/2")
    assert stopped.exit_code == 75
    assert "256 lines are kept in out.gz.part-2-of-2.partial." in stopped.stderr
    assert "part 2/2 is not finished." in run(*args, "--join", "2").stderr
    assert "out.gz.part-2-of-2.partial: resuming after 256 lines." in written(run(*args, "--part", "2/2"))
    assert "part 2/2 is finished already." in written(run(*args, "--part", "2/2", "--resume"))
    written(run(*args, "--part", "1/2"))
    written(run(*args, "--join", "2"))
    assert (folder / "out.gz").read_bytes() == whole


def test_parts_of_another_job_are_refused_and_done_again(run: Run, folder: Path) -> None:
    (folder / "in.txt").write_bytes(CRLF)
    args = ["-i", "in.txt", "-o", "out.txt"]
    for number in (1, 2):
        written(run(*args, "--part", f"{number}/3"))
    refused = run(*args, "--join", "3")
    assert refused.exit_code == 3
    assert "part 3/3 is missing. Run, with the options of the other parts: mtkit translate" in refused.stderr
    written(run(*args, "--part", "3/3", "--beam-size", "3"))
    refused = run(*args, "--join", "3")
    assert refused.exit_code == 3
    assert "part 3/3 belongs to another job: decode.beam_size was 3, now 1." in refused.stderr
    refused = run(*args, "--join", "3", "--json")
    assert refused.stderr.count("--json was False, now True") == 3
    written(run(*args, "--part", "3/3"))
    (folder / "in.txt").write_bytes(CRLF + b"more\n")
    refused = run(*args, "--join", "3")
    assert refused.stderr.count("belongs to another job: the input was in.txt") == 3
    (folder / "in.txt").write_bytes(CRLF)
    assert run("-m", "runs/tiny", *args, "--join", "3").stderr.count("the model was") == 3
    written(run(*args, "--join", "3"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-i", "in.txt", "--part", "1/2"], "--part: needs an input file and an output file."),
        (["-o", "out.txt", "--join", "2"], "--join: needs an input file and an output file."),
        (["-i", "in.txt", "-o", "out.txt", "--part", "3/2"], "--part 3/2: expected K/N"),
        (["-i", "in.txt", "-o", "out.txt", "--part", "0/2"], "--part 0/2: expected K/N"),
        (["-i", "in.txt", "-o", "out.txt", "--part", "second"], "--part second: expected K/N"),
        (["-i", "in.txt", "-o", "out.txt", "--join", "100000"], "there are at most 99,999 parts."),
        (["-i", "in.txt", "-o", "out.txt", "--part", "1/2", "--join", "2"], "exclude each other"),
        (["-i", "in.txt", "-i", "in.txt", "-o", "out", "--part", "1/2"], "--part: needs a single input"),
        (["-i", "in.txt", "-o", "/dev/null", "--part", "1/2"], "/dev/null is not a regular file"),
        (["-i", "in.txt", "-o", "out.md", "--format", "md", "--part", "1/2"], "is translated as a whole"),
        (["-i", "in.txt", "-o", "out.csv", "--format", "csv", "--join", "2"], "is translated as a whole"),
        (
            ["-i", "in.txt", "-o", "out", "--encoding", "utf-16-le", "--part", "1/2"],
            "not supported in utf-16-le",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(run: Run, folder: Path, args: list[str], said: str) -> None:
    (folder / "in.txt").write_bytes(b"the cat\n")
    refused = run(*args)
    assert refused.exit_code == 2, refused.output
    assert said in refused.stderr
    assert not list(folder.glob("out*"))
