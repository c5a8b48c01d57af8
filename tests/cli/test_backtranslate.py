"""backtranslate: a reverse model makes pairs from text, in several attempts if need be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.augment import backtranslate as library
from mtkit.augment.pair_folder import PairFolder
from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.config.load import load_config
from mtkit.config.sources import MonoSource
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.translate.call import Call, Encoded
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request, Translation
from mtkit.translate.translator import Translator
from tests.support.fakes import TextEngine, make_tiny_run

Run: TypeAlias = Callable[..., Result]

CONFIG = """\
run: runs/new
data:
  src_lang: fr
  tgt_lang: en
  train:
    - {reader: plain, src: test.fr, tgt: test.en}
    - {reader: mono, path: more.en, side: tgt}
    - {reader: tsv, path: back/pairs.tsv, tags: ["origin:back"]}
  mixing: [{weights: [3, 1]}]
  valid: {reader: plain, src: test.fr, tgt: test.en}
  filters: [{filter: empty}]
tokenizer: {vocab_size: 60}
"""
WORDS = ("the", "cat", "sat", "on", "a", "dog", "ran", "mat")
LINES = [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 2 + i % 3)) for i in range(24)]
SAMPLED = ("--method", "sample", "--temperature", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model from English to French, and a config of the other direction."""
    folder = tmp_path_factory.mktemp("back")
    make_tiny_run(folder)
    (folder / "new.yaml").write_text(CONFIG, "utf-8")
    (folder / "more.en").write_text("\n".join([*LINES[:9], "", " \t", *LINES[9:]]), "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(library, "PAIRS_AT_ONCE", 6)
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    args = ["backtranslate", "new.yaml", "-m", "runs/tiny", "-o", str(tmp_path / "back")]
    return lambda *more: CliRunner().invoke(app, [*args, *more])


def rows(folder: Path) -> list[list[str]]:
    return [line.split("\t") for line in (folder / "pairs.tsv").read_text("utf-8").split("\n")[:-1]]


@pytest.mark.parametrize("flags", [("--beam-size", "1"), SAMPLED], ids=["beam", "sampled"])
def test_an_interrupted_job_ends_with_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    whole = run(*flags, "-o", str(tmp_path / "whole"))
    assert whole.exit_code == 0, whole.output
    real, calls = Call.translate, 0

    def interrupt(self: Call, window: Encoded) -> list[list[Translation]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return real(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(Call, "translate", interrupt)
        stopped = run(*flags)
    assert stopped.exit_code == 75
    assert "resume" in stopped.output
    assert not (tmp_path / "back/pairs.tsv").exists()
    kept = json.loads((tmp_path / "back/pairs.tsv.partial.json").read_bytes())["lines"]
    assert 0 < kept < len(LINES)
    assert kept % 6 == 0
    calls = 0
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    assert run(*flags).exit_code == 0
    assert (tmp_path / "back/pairs.tsv").read_bytes() == (tmp_path / "whole/pairs.tsv").read_bytes()
    assert [row[1] for row in rows(tmp_path / "back")] == LINES  # blank lines make no pairs


def test_samples_depend_on_the_seed_and_a_finished_job_is_not_done_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*SAMPLED, "--seed", "1")
    first = rows(tmp_path / "back")
    run(*SAMPLED, "--seed", "2", "-o", str(tmp_path / "other"))
    assert [row[0] for row in rows(tmp_path / "other")] != [row[0] for row in first]
    monkeypatch.setattr(Call, "translate", lambda *_: pytest.fail("was translated again"))
    again = run(*SAMPLED, "--seed", "1")
    assert again.exit_code == 0
    assert "24 pairs" in again.output
    changed = run(*SAMPLED, "--seed", "3")
    assert changed.exit_code == 2
    assert "decode.seed changed" in changed.output


def test_tabs_and_hostile_lines_stay_in_their_rows(run: Run, tmp_path: Path) -> None:
    lines = ['the\tcat\r\n"a dog\n\x00\n', "the\u2028cat \u0085 ran\n", "\ufffd\udcff the mat"]
    (tmp_path / "in.txt").write_bytes("".join(lines).encode(errors="surrogateescape"))
    found = run("-i", str(tmp_path / "in.txt"))
    assert found.exit_code == 0, found.output
    made = rows(tmp_path / "back")
    assert [row[1] for row in made] == [
        "the cat",
        '"a dog',
        "\x00",
        "the\u2028cat \u0085 ran",
        "\ufffd\ufffd the mat",
    ]
    assert all(len(row) == 3 for row in made)


def test_a_model_of_another_direction_and_a_config_without_text_are_refused(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    wrong = run("data.src_lang=de")
    assert wrong.exit_code == 2
    assert "from en to fr, expected en to de" in wrong.output
    none = run("data.train=[{reader: plain, src: test.fr, tgt: test.en}]", "data.mixing=[]")
    assert none.exit_code == 2
    assert "reader: mono" in none.output
    assert run("--method", "guess").exit_code == 2
    assert not (tmp_path / "back").exists()


def test_a_model_of_several_languages_is_asked_for_the_source_language(folder: Path) -> None:
    data = load_config([folder / "new.yaml"]).config.data
    opened = open_translator(folder / "runs/tiny/model")
    several = Translator(opened.engine, opened.tokenizer, opened.options, ("en", "de"), ("2de",))
    asked = library.reverse_request(Request(search={"beam_size": 1}), several, data)
    assert asked.search == {"beam_size": 1, "tags": ("2fr",)}
    assert library.reverse_request(Request(), opened, data) == Request()


def test_a_translation_that_the_guard_objects_to_is_left_empty(folder: Path, tmp_path: Path) -> None:
    translator = open_translator(folder / "runs/tiny/model")
    text = " ".join(["the cat"] * 9)
    engine = TextEngine(translator.tokenizer, lambda src: text if "dog" in src else src[::-1])
    looping = Translator(engine, translator.tokenizer, translator.options, ("en", "fr"))
    (tmp_path / "in.txt").write_text("a dog ran\nthe mat\n")
    made = PairFolder(tmp_path / "made", {"test": 1})
    source = MonoSource(reader="mono", path=tmp_path / "in.txt")
    library.backtranslate(looping, Request(guard=True), [source], made, lambda *_: None)
    assert [row[:2] for row in rows(tmp_path / "made")] == [["", "a dog ran"], ["tam eht", "the mat"]]
    assert made.count(library.PAIRS) == (2, 1)


def test_the_pairs_are_a_corpus_with_a_tag_and_a_weight(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("--beam-size", "1").exit_code == 0
    path = tmp_path / "back/pairs.tsv"
    config = load_config(
        [folder / "new.yaml"], [f"data.train.2.path={path}", f"run={tmp_path / 'run'}", "data.max_dropped=1"]
    ).config
    report = prepare(config)
    usable = sum(bool(row[0]) for row in rows(path.parent))
    assert 0 < usable < len(LINES)
    assert [row.kept for row in report.ledger.rows] == [2, usable]
    prepared = open_prepared(config)
    tag = prepared.tokenizer.tag_ids(["origin:back"])[0]
    real, back = prepared.train
    assert all(back.src(number)[0] == tag for number in range(len(back)))
    assert all(tag not in real.src(number) for number in range(len(real)))
