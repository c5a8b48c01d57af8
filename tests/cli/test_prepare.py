from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from tests.support.commands import MTKIT
from tests.support.corpora import REPOSITORY
from tests.support.terminals import session

Run: TypeAlias = Callable[..., Result]

CONFIG = """
run: run
data:
  root: corpora
  src_lang: en
  tgt_lang: fr
  train:
    - {reader: plain, src: train.en, tgt: train.fr}
    - {reader: tsv, path: more.tsv}
  valid: {reader: plain, src: valid.en, tgt: valid.fr}
tokenizer: {vocab_size: 60, num_threads: 1}
"""
LEDGER = """\
corpus                kept   read  empty  duplicate  overlap
───────────────────  ─────  ─────  ─────  ─────────  ───────
train.en + train.fr  1,200  1,202      1          1        0
more.tsv                 1      2      0          0        1
all                  1,201  1,204      1          1        1

Held-out sentences found in the training corpora, and pairs dropped because of them:
set    sentences  found  left  dropped: equal  same words  similar
─────  ─────────  ─────  ────  ──────────────  ──────────  ───────
valid          1      1     0               1           0        0
"""

TURNED = """
corpus               filter     pairs   share
───────────────────  ─────────  ─────  ──────
train.en + train.fr  kept       1,200   99.8%
                     read       1,202  100.0%
                     empty          1    0.1%
                     duplicate      1    0.1%
more.tsv             kept           1   50.0%
                     read           2  100.0%
                     overlap        1   50.0%
all                  kept       1,201   99.8%
                     read       1,204  100.0%
                     empty          1    0.1%
                     duplicate      1    0.1%
                     overlap        1    0.1%
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    numbers = [*range(1200), 0]
    corpora = {
        "train.en": "".join(f"the house {n}\n" for n in numbers) + "\n",
        "train.fr": "".join(f"la maison {n}\n" for n in numbers) + "vide\n",
        "more.tsv": "the cat\tle chat\nthe dog\tle chien\n",
        "valid.en": "the dog\n",
        "valid.fr": "un chien\n",
    }
    (tmp_path / "corpora").mkdir()
    for name, text in corpora.items():
        (tmp_path / "corpora" / name).write_text(text, "utf-8", newline="\n")
    (tmp_path / "a config.yaml").write_text(CONFIG, "utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda *args, command=("prepare",): CliRunner().invoke(app, [*command, *args])


def test_the_ledger_is_the_result_and_the_next_command_is_said(run: Run) -> None:
    result = run("a config.yaml", "seed=2")
    assert result.exit_code == 0, result.output
    assert result.stdout == LEDGER
    assert re.search(
        r"^1,201 training pairs of [\d,]+ en and [\d,]+ fr tokens, ", result.stderr, re.MULTILINE
    )
    assert result.stderr.endswith("Next: mtkit train 'a config.yaml' seed=2\n")


def test_corpora_of_several_languages_are_not_counted_as_of_one(run: Run) -> None:
    result = run("a config.yaml", "data.train.1.reverse=true", "data.target_tags=true")
    assert result.exit_code == 0, result.output
    assert re.search(r" training pairs of [\d,]+ source and [\d,]+ target tokens, ", result.stderr)


def test_a_narrow_terminal_gets_a_row_for_each_filter(run: Run, tmp_path: Path) -> None:
    command = [
        "env",
        "COLUMNS=50",
        "NO_COLOR=1",
        f"PYTHONPATH={REPOSITORY}",
        *MTKIT,
        "-q",
        "prepare",
        "a config.yaml",
    ]
    shown, code = session(tmp_path, command, [])
    assert (shown.partition("\n\n")[0], code) == (TURNED.strip("\n"), 0)


def test_a_second_time_it_is_up_to_date(run: Run) -> None:
    first, second, forced = run("a config.yaml"), run("a config.yaml"), run("a config.yaml", "--force")
    assert second.stdout.endswith("data: up to date\n")
    assert second.stderr == first.stderr
    assert forced.stdout == first.stdout


def test_unequal_sides_end_with_3_and_both_counts(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "corpora" / "train.fr").open("a", encoding="utf-8") as file:
        file.write("encore\n")
    result = run("a config.yaml")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "train.en: has 1,202 lines, but " in result.stderr
    assert "train.fr has 1,203" in result.stderr
    assert result.stderr.count("\n") == 1


def test_examples_show_what_the_model_sees_and_what_was_dropped(run: Run) -> None:
    result = run("a config.yaml", "--show", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(LEDGER)
    shown = result.stdout.removeprefix(LEDGER)
    assert shown.count("  en  raw         ") == 2
    assert "  en  raw         the cat\n      normalised  the cat\n      pieces      ▁" in shown
    assert "dropped by duplicate: " in shown
    assert "train.en:1201\n  en  the house 0\n  fr  la maison 0\n" in shown
    assert "more.tsv:2 (" in shown


def test_verify_finds_a_changed_byte(run: Run, tmp_path: Path) -> None:
    run("a config.yaml")
    verified = run("a config.yaml", command=("data", "verify"))
    assert verified.exit_code == 0, verified.output
    assert "files are unchanged" in verified.stdout
    path = tmp_path / "run" / "data" / "valid" / "ids.bin"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    assert run("a config.yaml").stdout.endswith("up to date\n")
    damaged = run("a config.yaml", command=("data", "verify"))
    assert damaged.exit_code == 3
    assert "ids.bin: its content has changed since it was written" in damaged.stderr
