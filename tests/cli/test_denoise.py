"""denoise: all text of a config becomes pairs of noised and original lines, a table for each language."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.augment import denoise as library
from mtkit.augment.noise import MASK, noised
from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.config.load import load_config
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared

Run: TypeAlias = Callable[..., Result]

CONFIG = """\
run: runs/new
seed: 3
data:
  src_lang: en
  tgt_lang: zh
  train:
    - {reader: plain, src: talks.en, tgt: talks.zh}
    - {reader: mono, path: more.zh, side: tgt}
    - {reader: tsv, path: laws.tsv, src_lang: zh, tgt_lang: fr, reverse: true}
  valid: {reader: plain, src: talks.en, tgt: talks.zh}
tokenizer: {vocab_size: 60}
"""
EN = [f"the cat sat on mat number {number}" for number in range(40)]
ZH = [f"猫坐在第{number}张垫子上" for number in range(40)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library, "PAIRS_AT_ONCE", 8)
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    Path("c.yaml").write_text(CONFIG, "utf-8")
    Path("talks.en").write_text("".join(f"{line}\n" for line in EN), "utf-8")
    Path("talks.zh").write_text("".join(f"{line}\n" for line in ZH), "utf-8")
    Path("more.zh").write_text("天气很好\n\n下雨了\n", "utf-8")
    Path("laws.tsv").write_text("法律是这样的\tla loi est ainsi\n", "utf-8")
    return lambda *args: CliRunner().invoke(app, ["denoise", "c.yaml", "-o", "noise", *args])


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in Path("noise", name).read_text("utf-8").split("\n")[:-1]]


def test_each_language_has_a_table_of_all_its_text(run: Run) -> None:
    found = run()
    assert found.exit_code == 0, found.output
    assert [row[1] for row in rows("en.tsv")] == EN
    assert [row[1] for row in rows("zh.tsv")] == [*ZH, "天气很好", "下雨了", "法律是这样的"]
    assert [row[1] for row in rows("fr.tsv")] == ["la loi est ainsi"]
    assert rows("en.tsv")[7][0] == noised(EN[7], random.Random("3 en 7"))
    assert sum(MASK in src for src, _ in rows("zh.tsv")) > 30


def test_a_stopped_job_resumes_with_the_same_bytes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def interrupted(*args: object, **more: object) -> str:
        nonlocal calls
        calls += 1
        if calls == 60:  # in the second table
            raise KeyboardInterrupt
        return noised(*args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(library, "noised", interrupted)
        assert run().exit_code == 75
    assert Path("noise/en.tsv").exists()
    assert not Path("noise/zh.tsv").exists()
    monkeypatch.setattr(console.state, "in_a_hurry", False)
    assert run().exit_code == 0
    names = ("en.tsv", "zh.tsv", "fr.tsv")
    resumed = [Path("noise", name).read_bytes() for name in names]
    assert run("-o", "whole").exit_code == 0
    assert resumed == [Path("whole", name).read_bytes() for name in names]


def test_another_seed_is_another_job_with_other_noise(run: Run) -> None:
    assert run("--seed", "3").exit_code == 0
    refused = run("--seed", "4")
    assert refused.exit_code == 2
    assert "--seed changed" in refused.output
    assert run("--seed", "4", "-o", "other").exit_code == 0
    assert Path("other/en.tsv").read_bytes() != Path("noise/en.tsv").read_bytes()
    assert run().exit_code == 0  # the seed of the config


def test_a_folder_of_other_files_and_a_missing_corpus_are_refused(run: Run) -> None:
    Path("noise").mkdir()
    Path("noise/mine.txt").write_text("mine")
    refused = run()
    assert refused.exit_code == 2
    assert "was not created by mtkit" in refused.output
    Path("more.zh").unlink()
    missing = run("-o", "new")
    assert missing.exit_code == 3
    assert "more.zh" in missing.output


def test_the_tables_are_corpora_of_a_first_stage_whose_tokenizer_knows_the_mask(run: Run) -> None:
    assert run().exit_code == 0
    stage = """\
run: runs/noise
data:
  train:
    - {reader: tsv, path: noise/en.tsv, src_lang: en, tgt_lang: en}
    - {reader: tsv, path: noise/zh.tsv, src_lang: zh, tgt_lang: zh}
  valid: {reader: cut, pairs: 5}
  filters: [{filter: empty}]
"""
    Path("noise.yaml").write_text(stage, "utf-8")
    config = load_config([Path("c.yaml"), Path("noise.yaml")], ["run=runs/noise"]).config
    assert prepare(config).train_pairs == 40 + 43 - 5
    pieces = open_prepared(config).tokenizer.src
    assert all(0 not in ids and 1 not in ids for ids in pieces.encode([f"the {MASK} sat", f"猫{MASK}上"]))
