"""Several files at once: names are kept, nothing else is touched, and a job can be resumed."""

from __future__ import annotations

import gzip
import os
import re
import shlex
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.runs.find import Found
from mtkit.translate.translator import Translator
from tests.support.corpora import REPOSITORY
from tests.support.fakes import EchoEngine, make_tokenizer

FILES = {
    "a.md": b"# the cat\n\nthe dog *ran*\n",
    "sub/b.txt": b"the cat\n\na dog\n",
    "sub/deep/c.srt": b"1\n00:00:01,000 --> 00:00:02,000\nthe cat\n",
    "sub/image.png": b"\x89PNG\r\n\x1a\n\x00\xff",
    "LICENSE": b"the cat\n",
}


class Backwards(EchoEngine):
    """Gives the ids of a source in the reverse order; stops at the call of a number."""

    stop_at = 0

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.calls.append([])
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        return [[hyp] for hyp in self.score(src_ids, [ids[::-1] for ids in src_ids], options)]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backwards:
    engine = Backwards()
    tokenizer = make_tokenizer()
    model = tmp_path / "model"
    model.mkdir()
    (model / "manifest.json").write_text("{}")
    monkeypatch.setattr("mtkit.runs.find.find_model", lambda path: Found(model, model))
    monkeypatch.setattr("mtkit.runs.find.read_model", lambda path, load: load(path))
    monkeypatch.setattr(
        "mtkit.translate.open.open_translator", lambda *_, **__: Translator(engine, tokenizer, DecodeConfig())
    )
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    monkeypatch.chdir(tmp_path)
    for name, data in FILES.items():
        (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / name).write_bytes(data)
    return engine


@pytest.fixture
def run(engine: Any) -> Callable[..., Result]:
    return lambda *args: CliRunner().invoke(app, ["translate", "--no-guard", *args])


def content(folder: str) -> dict[str, bytes]:
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if not path.name.startswith(".mtkit")
    }


def test_a_folder_keeps_names_and_copies_what_is_no_text(run: Callable[..., Result]) -> None:
    result = run("-i", "docs", "-o", "out")
    assert result.exit_code == 0, result.output
    found = content("out")
    assert set(found) == set(FILES)
    same = {name for name, data in found.items() if data == FILES[name]}
    assert same == {"LICENSE", "sub/image.png"}
    assert "docs/sub/b.txt: 3 lines" in result.stderr
    assert "3 files translated" in result.stderr
    assert content("docs") == FILES


def test_a_file_alone_and_in_a_folder_is_translated_alike(run: Callable[..., Result]) -> None:
    assert run("-i", "docs/a.md", "-i", "docs/sub/b.txt", "-o", "out").exit_code == 0
    for name in ("a.md", "sub/b.txt"):
        alone = run("-i", f"docs/{name}")
        assert (Path("out") / Path(name).name).read_bytes() == alone.stdout_bytes


@pytest.mark.parametrize("number", [1, 2, 3])
def test_stopped_and_resumed_it_is_as_if_undisturbed(
    run: Callable[..., Result], engine: Backwards, number: int
) -> None:
    assert run("-i", "docs", "-o", "whole").exit_code == 0
    calls = len(engine.calls)
    engine.calls.clear()
    engine.stop_at = number
    stopped = run("-i", "docs", "-o", "out")
    assert stopped.exit_code == 75, stopped.output
    assert content("out").items() <= content("whole").items()
    assert len(content("out")) < len(FILES)
    refused = run("-i", "docs", "-o", "out")
    assert refused.exit_code == 2
    assert "Add --resume" in refused.stderr
    engine.stop_at = 0
    engine.calls.clear()
    resumed = run("-i", "docs", "-o", "out", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert len(engine.calls) == calls - number + 1
    assert content("out") == content("whole")
    other = run("-i", "docs", "-o", "out", "--resume", "--beam-size", "2")
    assert other.exit_code == 2
    assert "another job: decode.beam_size changed" in other.stderr


def test_a_bad_file_does_not_stop_the_others(run: Callable[..., Result]) -> None:
    Path("docs/bad.srt").write_bytes(b"no time code\n")
    result = run("-i", "docs", "-o", "out")
    assert result.exit_code == 3
    assert "docs/bad.srt:1: " in result.stderr
    assert set(content("out")) == set(FILES)
    assert run("-i", "docs", "-o", "strict", "--strict").exit_code == 3
    assert set(content("strict")) == {"LICENSE", "a.md"}
    Path("docs/bad.srt").write_bytes(FILES["sub/deep/c.srt"])
    assert run("-i", "docs", "-o", "out", "--resume").exit_code == 0
    assert "bad.srt" in content("out")


def test_what_is_not_mtkits_is_not_touched(run: Callable[..., Result]) -> None:
    Path("own").mkdir()
    Path("own/a.md").write_text("mine\n")
    assert run("-i", "docs", "-o", "own").exit_code == 2
    assert content("own") == {"a.md": b"mine\n"}
    assert run("-i", "docs", "-o", "out").exit_code == 0
    Path("out/a.md").write_text("corrected\n")
    Path("out/more.md").write_text("mine\n")
    Path("docs/more.md").write_text("the cat\n")
    result = run("-i", "docs", "-o", "out", "--resume")
    assert result.exit_code == 3
    assert "out/a.md: was changed since mtkit wrote it." in result.stderr
    assert Path("out/a.md").read_text() == "corrected\n"
    assert Path("out/more.md").read_text() == "mine\n"


@pytest.mark.parametrize("output", ["docs", "docs/out", "."])
def test_input_and_output_are_apart(run: Callable[..., Result], output: str) -> None:
    Path("link").symlink_to("docs")
    for source in ("docs", "link"):
        result = run("-i", source, "-o", output)
        assert result.exit_code == 2
        assert "Choose a folder beside it." in result.stderr
    assert content("docs") == FILES
    assert run("-i", "docs/a.md", "-o", "link/a.md").exit_code == 2


def test_links_and_pipes(run: Callable[..., Result]) -> None:
    Path("secret.md").write_text("the cat\n")
    Path("docs/out.md").symlink_to(Path("secret.md").resolve())
    Path("docs/in.md").symlink_to("a.md")
    Path("docs/loop").symlink_to(".")
    result = run("-i", "docs", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "docs/out.md: is a link out of the folder, and is left out." in result.stderr
    assert set(content("out")) == {*FILES, "in.md"}
    assert content("out")["in.md"] == content("out")["a.md"]
    os.mkfifo("docs/pipe")
    assert "docs/pipe: is a pipe" in run("-i", "docs", "-o", "other").stderr
    assert not Path("other").exists()


def test_compressed_files_are_written_decompressed(run: Callable[..., Result]) -> None:
    Path("docs/z.md.gz").write_bytes(gzip.compress(FILES["a.md"]))
    assert run("-i", "docs", "-o", "out").exit_code == 0
    assert content("out")["z.md"] == content("out")["a.md"]


def test_the_format_chooses_among_the_files_of_a_folder(run: Callable[..., Result]) -> None:
    assert run("-i", "docs", "-o", "out", "--format", "md").exit_code == 0
    found = content("out")
    assert {name for name, data in found.items() if data != FILES[name]} == {"a.md"}


def test_two_files_of_one_name_are_refused(run: Callable[..., Result]) -> None:
    Path("a.md").write_text("the cat\n")
    result = run("-i", "a.md", "-i", "docs/a.md", "-o", "out")
    assert result.exit_code == 2
    assert "docs/a.md: would be written as a.md, and so would a.md." in result.stderr
    assert run("-i", "a.md", "-i", "docs").exit_code == 2


def test_a_bilingual_folder(run: Callable[..., Result]) -> None:
    result = run("-i", "docs", "-o", "out", "--bilingual")
    assert result.exit_code == 3
    assert "docs/a.md: --bilingual has no room in the format md." in result.stderr
    assert "text, tsv, csv, srt, vtt, ass, html, docx" in result.stderr
    assert run("-i", "docs", "-o", "alone").exit_code == 0
    found, alone = content("out"), content("alone")
    pairs = zip(FILES["sub/b.txt"].split(b"\n")[:-1], alone["sub/b.txt"].split(b"\n")[:-1], strict=True)
    assert found["sub/b.txt"] == b"".join(b"%s\t%s\n" % pair for pair in pairs)
    assert found["sub/deep/c.srt"] == FILES["sub/deep/c.srt"] + alone["sub/deep/c.srt"].split(b"\n", 2)[2]
    changed = run("-i", "docs", "-o", "out", "--resume")
    assert changed.exit_code == 2
    assert "another job: --bilingual changed" in changed.stderr


DOCS = (REPOSITORY / "docs" / "translate.md").read_text("utf-8")


@pytest.mark.parametrize(
    "command", re.findall(r"^    mtkit translate (.*(?:docs/|film).*)$", DOCS, re.MULTILINE)
)
def test_the_examples_of_the_page(run: Callable[..., Result], command: str) -> None:
    Path("page.md").write_bytes(FILES["a.md"])
    Path("film.srt").write_bytes(FILES["sub/deep/c.srt"])
    args = shlex.split(command)
    result = run(*args)
    assert result.exit_code == 0, result.output
    named = [name for flag, name in pairwise(args) if flag == "-i"]
    expected = {*FILES} if named == ["docs/"] else {*named}
    assert {*content(args[args.index("-o") + 1])} == expected


def test_what_the_page_says_of_several_files(run: Callable[..., Result]) -> None:
    line = re.search(r"`docs/a\.md: (\d+) texts", DOCS)
    assert line
    Path("docs/a.md").write_text("".join(f"the cat {n}\n\n" for n in range(int(line[1]))))
    result = run("-i", "docs/", "-o", "docs.fr/")
    assert line[0].strip("`") in result.stderr
