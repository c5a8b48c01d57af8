"""distill: of the best translations of a teacher, the one closest to the reference becomes a pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from sacrebleu import sentence_chrf
from typer.testing import CliRunner, Result

from mtkit.augment import distill as library
from mtkit.augment.pair_folder import PairFolder
from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.translate.call import Call, Encoded
from mtkit.translate.request import Translation
from mtkit.translate.translator import Translator
from tests.support.fakes import EchoEngine, make_tiny_run

Run: TypeAlias = Callable[..., Result]

CONFIG = """\
run: runs/prepared
data:
  src_lang: en
  tgt_lang: fr
  train:
    - {reader: tsv, path: talks.tsv}
    - {reader: plain, src: test.en, tgt: test.fr}
  valid: {reader: plain, src: test.en, tgt: test.fr}
  filters: [{filter: empty}]
tokenizer: {vocab_size: 60}
"""
PAIRS = [
    ("the cat", "le chat"),
    ("the dog ran", "le chien a couru"),
    ("", "vide"),  # dropped by prepare
    ("a mat", "un tapis"),
    ("the cat sat", "le chat est sur le tapis"),
    ("a cat ran", "un chat a couru"),
    ("the mat", "le tapis"),
]
EIGHT = ("--no-guard", "--n-best", "8", "--beam-size", "8")
TABLES = ("train-000.tsv", "train-001.tsv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher and prepared data of another run."""
    folder = tmp_path_factory.mktemp("distill")
    make_tiny_run(folder)
    (folder / "talks.tsv").write_text("".join(f"{src}\t{tgt}\n" for src, tgt in PAIRS), "utf-8")
    (folder / "new.yaml").write_text(CONFIG, "utf-8")
    prepare(load_config([folder / "new.yaml"]).config)
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(library, "PAIRS_AT_ONCE", 2)
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    args = ["distill", "-m", "runs/tiny", "-o", str(tmp_path / "made")]
    return lambda *more: CliRunner().invoke(app, [*args, *(more or ["new.yaml"])])


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").split("\n")[:-1]]


def test_the_closest_of_the_best_is_chosen_and_a_stopped_job_resumes_with_the_same_bytes(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Call.translate, 0

    def interrupt(self: Call, window: Encoded) -> list[list[Translation]]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(Call, "translate", interrupt)
        stopped = run()
    assert stopped.exit_code == 75, stopped.output
    assert not (tmp_path / "made" / TABLES[0]).exists()
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    resumed = run()
    assert resumed.exit_code == 0, resumed.output
    assert run("new.yaml", "-o", str(tmp_path / "whole")).exit_code == 0
    for name in TABLES:
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    kept = [pair for pair in PAIRS if pair[0]]
    made = rows(tmp_path / "made" / TABLES[0])
    assert [src for src, _, _ in made] == [src for src, _ in kept]
    assert len(rows(tmp_path / "made" / TABLES[1])) == 2
    chosen_later = 0
    for (src, text, score), (_, ref) in zip(made, kept, strict=True):
        (tmp_path / "in.txt").write_text(f"{src}\n", "utf-8")
        listed = CliRunner().invoke(
            app,
            ["translate", "-q", "-m", "runs/tiny", "-i", str(tmp_path / "in.txt"), *EIGHT],
        )
        best = [line.split(" ||| ")[1] for line in listed.stdout.splitlines()]
        scores = [sentence_chrf(one, [ref]).score for one in best]
        assert text == best[scores.index(max(scores))]
        assert float(score) == pytest.approx(max(scores), abs=0.006)
        chosen_later += text != best[0]
    assert chosen_later


def test_another_number_of_translations_is_another_job(run: Run, tmp_path: Path) -> None:
    assert run("new.yaml", "--n-best", "1").exit_code == 0
    changed = run("new.yaml", "--n-best", "2")
    assert changed.exit_code == 2
    assert "--n-best" in changed.output
    assert "changed" in changed.output


def test_each_corpus_keeps_its_tags(run: Run, folder: Path, tmp_path: Path) -> None:
    more = [f"run={tmp_path / 'run'}", "data.train.0.tags=['domain:talks']"]
    prepare(load_config([folder / "new.yaml"], more).config)
    unknown = run("new.yaml", *more)
    assert unknown.exit_code == 2
    assert "domain:talks: the model does not know it" in unknown.output
    assert not (tmp_path / "made").exists()


def test_known_tags_begin_each_source(folder: Path, tmp_path: Path) -> None:
    more = [f"run={tmp_path / 'run'}", "data.train.0.tags=['domain:talks']"]
    config = load_config([folder / "new.yaml"], more).config
    prepare(config)
    prepared, engine = open_prepared(config), EchoEngine()
    translator = Translator(engine, prepared.tokenizer, config.decode, ("en", "fr"))
    request = library.teacher_request(translator, config.data)
    made = PairFolder(tmp_path / "made", {"test": 1})
    library.distill(translator, request, config, prepared, made, lambda *_: None)
    tag = prepared.tokenizer.tag_ids(["domain:talks"])[0]
    asked = [ids for ids in itertools.chain.from_iterable(engine.calls) if ids[0] == tag]
    assert len(asked) == len(rows(made.path / TABLES[0])) == 6
    assert made.count(TABLES[1]) == (2, 2)


def test_data_that_are_not_prepared_or_have_symbols_in_place_of_text_are_refused(
    run: Run, tmp_path: Path
) -> None:
    missing = run("new.yaml", f"run={tmp_path / 'none'}")
    assert missing.exit_code == 3
    assert "mtkit prepare" in missing.output
    protected = run("new.yaml", "text.protect=[urls]")
    assert protected.exit_code == 2
    assert "text.protect" in protected.output
    assert not (tmp_path / "made").exists()
