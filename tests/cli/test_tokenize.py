from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.config.data import TokenizerConfig
from mtkit.config.text import TextConfig
from mtkit.text.form import TextForm
from mtkit.text.subwords import Subwords, train_subwords
from mtkit.text.tokenizer import Tokenizer

TEXT = "the house 12\n\n  a\u00a0 tree e\u0301 \r\nhouse\u2028tree\n"
NORMALISED = "the house 12\n\na tree é\nhouse tree\n"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    options = TokenizerConfig(vocab_size=60, num_threads=1, byte_fallback=False)
    tokenizer = train_subwords([f"the house a tree é {n}" for n in range(200)], options)
    tokenizer.save(tmp_path / "run" / "data" / "tokenizer.model")
    return tmp_path / "run"


def run(command: str, *args: object, text: str) -> Result:
    return CliRunner().invoke(app, [command, *map(str, args)], input=text.encode())


@pytest.mark.parametrize("options", [[], ["--ids"]])
def test_there_and_back(run_folder: Path, options: list[str]) -> None:
    pieces = run("tokenize", "-m", run_folder, *options, text=TEXT)
    assert pieces.exit_code == 0, pieces.output
    assert pieces.stdout.count("\n") == 4
    back = run("detokenize", "-m", run_folder, *options, text=pieces.stdout)
    assert back.stdout == NORMALISED


def test_ids_are_those_of_the_tokenizer(run_folder: Path) -> None:
    file = run_folder / "data" / "tokenizer.model"
    (ids,) = Subwords(file.read_bytes()).encode(["the house 12"])
    assert (
        run("tokenize", "-m", file, "--ids", text="the house 12\n").stdout == " ".join(map(str, ids)) + "\n"
    )


def test_a_file_is_read_instead_of_standard_input(run_folder: Path) -> None:
    path = run_folder / "text.txt"
    path.write_bytes(TEXT.encode())
    found = run("tokenize", "-m", run_folder, "-i", path, text="")
    assert found.stdout == run("tokenize", "-m", run_folder, text=TEXT).stdout


@pytest.mark.parametrize("line", ["house", "1 2x", "99999", "9" * 20, "9" * 5000, "4 -1", "1_0", "4  5", "٣"])
def test_what_is_not_ids(run_folder: Path, line: str) -> None:
    found = run("detokenize", "-m", run_folder, "--ids", text=f"5\n{line}\n")
    assert found.exit_code == 3
    assert found.stdout.count("\n") == 1
    size = Subwords((run_folder / "data" / "tokenizer.model").read_bytes()).size
    place = r"standard input:2: word [12] is not an id of this tokenizer, which has ids from 0 to"
    assert re.match(rf"error: {place} {size - 1}\.", found.stderr)


def test_no_tokenizer(tmp_path: Path) -> None:
    found = run("tokenize", "-m", tmp_path, text="")
    assert found.exit_code == 3
    assert "there is no tokenizer.model" in found.stderr


def test_the_form_of_the_run_is_applied(tmp_path: Path) -> None:
    text = TextConfig(protect=("placeholders",), casing="inline", quotes="straight")
    form = TextForm(text)
    options = TokenizerConfig(vocab_size=60, num_threads=1)
    lines = [form.source(f"the house a tree “é” {n}").text for n in range(200)]
    src = train_subwords(lines, options, symbols=form.symbols, tags=["<2fr>"])
    tgt = train_subwords(lines[:90], options, symbols=form.symbols)
    folder = tmp_path / "run" / "data"
    Tokenizer(src, tgt, form).save(folder)
    (folder / "manifest.json").write_text(json.dumps({"settings": {"text": text.model_dump(mode="json")}}))
    found = run("tokenize", "-m", tmp_path / "run", "--tag", "2fr", text="The {a} HOUSE “é”\n").stdout
    assert found.startswith("<2fr> ▁")
    assert "⟦C⟧" in found
    assert "⟦1⟧" in found
    back = run("detokenize", "-m", tmp_path / "run", "--side", "src", text=found).stdout
    assert back == 'The ⟦1⟧ HOUSE "é"\n'
    assert run("tokenize", "-m", tmp_path / "run", "--side", "tgt", text="The {a}\n").exit_code == 0
    wrong = run("tokenize", "-m", tmp_path / "run", "--tag", "2f", text="a\n")
    assert wrong.exit_code == 2
    assert "tag 2f: the model does not know it. Did you mean 2fr?" in wrong.stderr
