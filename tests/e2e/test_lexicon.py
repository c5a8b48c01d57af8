"""The lexicon from a training to its model, its export and a translation."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.data.read.phrasebook.compose import compose
from mtkit.runs.exports import LEXICON
from mtkit.runs.word_table import read_table, table_bytes
from mtkit.translate.coverage import open_coverage
from tests.support.trainings import go


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go(tmp_path_factory.mktemp("lexicon"), "decode.beam_size=1").config.run


def test_the_final_model_knows_the_words_of_its_training_data(run: Path) -> None:
    table = read_table(run / "model")
    assert table is not None
    assert table.langs == ("en", "fr")
    coverage = open_coverage(run / "model")
    assert coverage is not None
    pairs = list(compose("train", 60, 0, "en", "fr"))
    own = [coverage.of(pair.src, pair.tgt).src_share for pair in pairs]
    others = [coverage.of(pair.src, next_pair.tgt).src_share for pair, next_pair in pairwise(pairs)]
    assert sum(own) / len(own) > 0.8 > sum(others) / len(others) + 0.2


def test_checkpoints_have_none(run: Path) -> None:
    folders = [*(run / "checkpoints").iterdir(), *(run / "best").iterdir()]
    folders = [folder for folder in folders if folder.is_dir()]
    assert folders
    assert [open_coverage(folder) for folder in folders] == [None] * len(folders)


def test_an_export_takes_it_along_and_a_damaged_one_is_refused(run: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    shutil.copytree(run, tmp_path / "run")
    model, export = tmp_path / "run" / "model", tmp_path / "run" / "export" / "ctranslate2"
    arguments = ["--quantization", "float32", "--sample", "2"]
    assert runner.invoke(app, ["export", str(tmp_path / "run"), *arguments]).exit_code == 0
    assert (export / LEXICON).read_bytes() == (model / LEXICON).read_bytes()
    asked = ["translate", "-m", str(tmp_path / "run"), "--device", "cpu", "--engine"]
    for engine, folder in (("ctranslate2", export), ("native", model)):
        done = runner.invoke(app, [*asked, engine], input="A tree.\n")
        assert done.exit_code == 0, done.stderr
        content = bytearray((folder / LEXICON).read_bytes())
        content[-5] ^= 1
        (folder / LEXICON).write_bytes(content)
        done = runner.invoke(app, [*asked, engine], input="A tree.\n")
        assert done.exit_code == 3
        assert f"{LEXICON}: its content has changed" in done.stderr


def test_a_model_of_several_target_languages_has_none(tmp_path: Path) -> None:
    source = "{reader: phrasebook, pairs: 200, src_lang: en, tgt_lang: %s}"
    corpora = f"data.train=[{source % 'fr'}, {source % 'de'}]"
    run = go(tmp_path, corpora, "data.target_tags=true").config.run
    assert read_table(run / "model") is None


def test_equal_trainings_write_equal_lexicons(run: Path, tmp_path: Path) -> None:
    again = go(tmp_path, "decode.beam_size=1").config.run
    first, second = read_table(run / "model"), read_table(again / "model")
    assert first is not None
    assert second is not None
    assert table_bytes(first) == table_bytes(second)
