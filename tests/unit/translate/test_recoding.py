from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.config.decode import DecodeConfig
from mtkit.errors import InputError
from mtkit.runs.find import Found
from mtkit.translate.account import Account
from mtkit.translate.recoding import Recoding
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import EchoEngine, make_tokenizer

ENCODINGS = ["utf-16", "utf-16-le", "utf-32-be", "iso8859-1", "cp1252", "gb18030", "cp932", "iso2022_jp"]


@pytest.fixture(scope="module")
def run() -> Any:
    """`mtkit translate` with a model from English to French that gives back what it is given."""
    translator = Translator(EchoEngine(), make_tokenizer(), DecodeConfig(), ("en", "fr"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mtkit.runs.find.find_model", lambda path: Found(Path("echo"), Path("echo")))
        patch.setattr("mtkit.runs.find.read_model", lambda path, load: load(path))
        patch.setattr("mtkit.translate.open.open_translator", lambda *_, **__: translator)
        yield lambda *args: CliRunner().invoke(app, ["translate", "-q", *map(str, args)])


@given(
    st.text(st.sampled_from("a\n\r Ċ਼é今カ🙂\u2028"), max_size=12),
    st.sampled_from(ENCODINGS),
    st.integers(1, 9),
)
def test_lines_are_those_of_the_text_and_come_back(text: str, encoding: str, size: int) -> None:
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    recoding = Recoding(encoding, Account("a.txt"), Request())
    pieces = [piece + b"\n" for piece in data.split(b"\n")]
    pieces[-1] = pieces[-1].removesuffix(b"\n")
    windows = [pieces[begin : begin + size] for begin in range(0, len(pieces), size)]
    lines = [line for window in recoding.read(windows) for line in window]  # type: ignore[union-attr]
    assert b"".join(lines).decode() == text
    assert all(line.count(b"\n") == 1 for line in lines[:-1])
    assert b"".join(map(recoding.write, lines)) == (data if text else b"")


def test_what_is_not_of_the_encoding_has_a_place() -> None:
    for encoding, data in (("ascii", b"a\n\xe9\n"), ("utf-16-le", "a\nb".encode("utf-16-le") + b"c")):
        with pytest.raises(InputError, match=rf"^a\.txt:2: is not {encoding}"):
            list(Recoding(encoding, Account("a.txt"), Request()).read([data.splitlines(keepends=True)]))
    with pytest.raises(InputError, match=r"^a\.txt:1001: is not ascii"):
        list(Recoding("ascii", Account("a.txt"), Request(), before=1000).read([[b"\xe9\n"]]))


def test_a_translation_that_cannot_be_written() -> None:
    window: Window[Any] = Window([Source("one", 0), Source("two", 1)], lambda found: found)
    found = [[Translation("un")], [Translation("œuf")]]
    with pytest.raises(InputError, match=r"^a\.txt:2: œ \(U\+0153\) cannot be written in iso8859-1"):
        Recoding("iso8859-1", Account("a.txt"), Request()).held(window).render(found)
    for way, text in (("blank", ""), ("source", "two")):
        account = Account("a.txt")
        held = Recoding("iso8859-1", account, Request(on_error=way)).held(window)  # type: ignore[arg-type]
        assert [best.text for best, *_ in held.render(found)] == ["un", text]
        assert account.counts.total() == 1


@pytest.mark.parametrize("name", ["a.txt", "a.tsv", "a.md", "a.srt", "a.jsonl"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_files_in_utf16_come_back_in_it(
    run: Callable[..., Result], tmp_path: Path, name: str, encoding: str
) -> None:
    texts = {"a.srt": "1\n00:00:01,000 --> 00:00:02,000\nthe cat\n", "a.jsonl": '{"text": "the cat"}\n'}
    data = ("\ufeff" + texts.get(name, "the cat\n")).encode(encoding)
    (tmp_path / name).write_bytes(data)
    result = run("-i", tmp_path / name, "-o", tmp_path / f"out-{name}")
    assert result.exit_code == 0, result.output
    assert (tmp_path / f"out-{name}").read_bytes() == data


def test_an_encoding_can_be_named(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes("the cat\tété\n".encode("cp1252"))
    result = run("-i", tmp_path / "a.tsv", "--encoding", "windows-1252")
    assert result.stdout_bytes == (tmp_path / "a.tsv").read_bytes()
    assert run("-i", tmp_path / "a.tsv", "--encoding", "latin-17").exit_code == 2
    (tmp_path / "a.html").write_bytes(b"<p>the cat</p>")
    assert "say their encoding themselves" in run("-i", tmp_path / "a.html", "--encoding", "cp1252").stderr


def test_a_document_in_another_language_is_refused(run: Callable[..., Result], tmp_path: Path) -> None:
    header = '"Language: {}\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    po = f'msgid ""\nmsgstr ""\n{header}\nmsgid "the cat"\nmsgstr ""\n'
    path = tmp_path / "a.po"
    for language, code in (("fr_CA", 0), ("", 0), ("de", 3)):
        path.write_text(po.format(language))
        assert run("-i", path).exit_code == code
    said = run("-i", path).stderr
    assert f"error: {path}: declares the target language de, but the model translates en to fr." in said
    assert run("-i", path, "--ignore-language").exit_code == 0
    assert run("-i", path, "--tag", "2de").exit_code != 3
