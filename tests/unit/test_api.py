"""mtkit from Python."""

from __future__ import annotations

import asyncio
import doctest
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from typer.testing import CliRunner

import mtkit
from mtkit.cli.commands import app
from mtkit.errors import ConfigError, InputError, UsageError
from tests.support.corpora import REPOSITORY
from tests.support.fakes import TINY_PAIRS, export_unchecked, make_tiny_run

LINES = [*TINY_PAIRS, "", "  ", "a cat and a dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    make_tiny_run(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> mtkit.Model:
    return mtkit.load(folder / "runs" / "tiny")


def shell(folder: Path, *args: str) -> list[str]:
    text = "".join(f"{line}\n" for line in LINES)
    result = CliRunner().invoke(app, ["translate", "-m", str(folder / "runs/tiny"), *args], input=text)
    assert result.exit_code == 0, result.output
    return result.stdout.removesuffix("\n").split("\n")


def test_importing_it_is_instant() -> None:
    code = "import sys, mtkit; print(*sorted(m for m in sys.modules if m.startswith('mtkit')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mtkit"]
    code = "import sys, mtkit; mtkit.load; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_public_names() -> None:
    """A change of this list is a change for users; docs/python.md describes each."""
    page = (REPOSITORY / "docs" / "python.md").read_text("utf-8")
    names = ["Detailed", "Model", "MtkitError", "evaluate_texts", "load", "prepare_data", "train_model"]
    assert sorted({*dir(mtkit)} - {"__version__"}) == names
    assert [name for name in names if f"`{name}" not in page and f"mtkit.{name}" not in page] == []
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = mtkit.other


def test_lines_are_translated_as_by_the_shell(model: mtkit.Model, folder: Path) -> None:
    assert model(LINES) == shell(folder)
    assert model.translate(LINES, beam_size=4) == shell(folder, "--beam-size", "4")
    assert model(LINES[0]) == shell(folder)[0]
    assert model([]) == []


def test_line_feeds_of_a_text_stay(model: mtkit.Model) -> None:
    one, two = model(LINES[:2])
    assert model(f"{LINES[0]}\n\n{LINES[1]}\n") == f"{one}\n\n{two}\n"
    assert model("") == ""


def test_details(model: mtkit.Model, folder: Path) -> None:
    found = model.translate(LINES, details=True, n_best=3, beam_size=3, alignment=True)
    assert [one.text for one in found] == shell(folder, "--beam-size", "3")
    first = found[0]
    assert len(first.alternatives) == 2
    assert first.score >= first.alternatives[0].score >= first.alternatives[1].score
    assert first.token_scores
    assert max(first.token_scores) <= 0
    words = len(LINES[0].split()), len(first.text.split())
    assert first.alignment
    assert all(0 <= src < words[0] and 0 <= tgt < words[1] for src, tgt in first.alignment)
    assert model.translate(LINES[0], details=True).text == model(LINES[0])


def test_notes_come_with_their_text(model: mtkit.Model) -> None:
    plain, strange = model.translate(["a cat", "a 猫"], details=True)
    assert plain.notes == ()
    assert any("unknown" in note or "猫" in note for note in strange.notes)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a", {"beam_sise": 2}, "beam_sise: unknown option. Did you mean beam_size?"),
        ("a", {"beam_size": 0}, "decode.beam_size: "),
        ("a", {"n_best": 2}, "needs details=True"),
        ("a\nb", {"details": True}, "has several lines"),
        (["a", None], {}, "text 2: is NoneType, expected str."),
        (None, {}, "text 1: is NoneType, expected str."),
        (b"a", {}, "text 1: is bytes, expected str."),
        (["a", "b \ud83d"], {}, "text 2: character 3, '\\ud83d', is half of a surrogate pair."),
        ("a", {"on_error": "skip"}, "on_error = 'skip': expected fail, blank or source."),
        ("a", {"n_best": 0, "details": True}, "n_best = 0: expected a whole number of at least 1."),
        ("a", {"glossary": {" ": "x"}}, "the term ' ': 'x' has an empty side."),
        ("a", {"tags": ["xx"]}, "tag xx: the model does not know it."),
    ],
)
def test_mistakes_are_told(model: mtkit.Model, text: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        model.translate(text, **options)
    assert message in str(caught.value)


def test_a_choice_that_there_is_not_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="engine = 'onnx': expected auto, native or ctranslate2"):
        mtkit.load(folder / "runs/tiny", engine="onnx")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="precision = 'int4': expected"):
        mtkit.load(folder / "runs/tiny", precision="int4")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="metrics = 'blue': expected bleu"):
        mtkit.evaluate_texts(["a"], ["a"], ["blue"])  # type: ignore[list-item]


def test_no_model() -> None:
    with pytest.raises(InputError, match="nowhere: there is no such"):
        mtkit.load("nowhere")


def test_threads_share_a_model(model: mtkit.Model) -> None:
    wanted = model(LINES)
    with ThreadPoolExecutor(4) as pool:
        found: list[Any] = list(pool.map(model, [LINES] * 8))
        assert found == [wanted] * 8

    async def both() -> list[object]:
        return list(await asyncio.gather(*(model.translate_async(LINES) for _ in range(2))))

    assert asyncio.run(both()) == [wanted, wanted]


def test_an_export_hands_over_what_it_cannot_do(tmp_path: Path) -> None:
    folder = tmp_path
    make_tiny_run(folder)
    export_unchecked(folder / "runs/tiny/model", folder / "runs/tiny/export/ctranslate2", "float32")
    model = mtkit.load(folder / "runs/tiny")
    glossary = {"cat": "CHAT"}
    with_terms = model.translate(["the cat"], glossary=glossary)
    assert "CHAT" in with_terms[0]
    assert model(LINES) == shell(folder)
    with pytest.raises(UsageError, match="cannot do this: terms"):
        mtkit.load(folder / "runs/tiny/export/ctranslate2").translate(["the cat"], glossary=glossary)


def test_given_translations_are_scored(model: mtkit.Model, folder: Path) -> None:
    found = model.translate(LINES[0], details=True)
    (same, other) = model.score([(LINES[0], found.text), (LINES[0], "b b b b b b b b")])
    assert same > other
    (folder / "src").write_text(f"{LINES[0]}\n", "utf-8")
    (folder / "tgt").write_text(f"{found.text}\n", "utf-8")
    run = str(folder / "runs/tiny")
    printed = CliRunner().invoke(app, ["score", str(folder / "src"), str(folder / "tgt"), "-m", run])
    assert printed.exit_code == 0, printed.output
    assert float(printed.stdout) == pytest.approx(same, abs=1e-3)


def test_scores_are_those_of_sacrebleu() -> None:
    hyps, refs = ["the cat sat down", "a dog ran"], ["the cat sat", "the dog ran off"]
    bleu, chrf = mtkit.evaluate_texts(hyps, refs)
    assert bleu.value == sacrebleu.corpus_bleu(hyps, [refs]).score
    assert chrf.value == sacrebleu.corpus_chrf(hyps, [refs]).score
    (several,) = mtkit.evaluate_texts(hyps, [refs, hyps], ["bleu"])
    assert several.value == pytest.approx(100)
    with pytest.raises(InputError, match="2 translations, but 1 references"):
        mtkit.evaluate_texts(hyps, refs[:1])


def test_preparing_and_training(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "run: run\ndata:\n  src_lang: en\n  tgt_lang: fr\n"
        "  train: [{reader: phrasebook, split: train, pairs: 300}]\n"
        "  valid: {reader: phrasebook, split: valid, pairs: 8}\n"
        "tokenizer: {vocab_size: 400}\n"
        "model: {d_model: 16, d_ff: 32, num_heads: 2, num_encoder_layers: 1, num_decoder_layers: 1}\n"
        "train: {max_steps: 4, batch_tokens: 256, validate_every: 4, save_every: 4}\n"
        "export: {to: []}\n"
    )
    report = mtkit.prepare_data(path)
    assert (report.train_pairs, report.up_to_date) == (300, False)
    assert mtkit.prepare_data([path]).up_to_date
    events: list[object] = []
    finished = mtkit.train_model(path, ["seed=1"], listen=events.append)
    assert finished.step == 4
    assert events
    translation = mtkit.load(tmp_path / "run")("Good morning.")
    assert isinstance(translation, str)
    with pytest.raises(ConfigError, match=r"train\.max_stepps: unknown option"):
        mtkit.train_model(path, ["train.max_stepps=3"])
    with pytest.raises(InputError, match=r"data\.train\.0"):
        mtkit.prepare_data(path, ["data.train=[{reader: tsv, path: gone.tsv}]"])


def test_the_examples_of_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    page = (REPOSITORY / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "python.md", None, 0)
    assert len(examples.examples) > 8
    result = doctest.DocTestRunner().run(examples)
    assert result.failed == 0, capsys.readouterr().out
