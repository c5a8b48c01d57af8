"""A model for both directions with every option of text, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import mtkit

CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  target_tags: true
  train:
    - {reader: phrasebook, pairs: 300, tags: [domain:book]}
    - {reader: phrasebook, pairs: 300, seed: 2, reverse: true}
  valid: {reader: phrasebook, split: valid, pairs: 20}
  test:
    there: {reader: phrasebook, split: test, pairs: 10}
    back: {reader: phrasebook, split: test, pairs: 10, reverse: true}
text: {casing: inline, quotes: straight, protect: [numbers, placeholders], max_spans: 3}
tokenizer: {vocab_size: 200, separate: true, model_type: bpe, sampling: {segmentations: 2}}
model: {d_model: 32, d_ff: 64, num_heads: 2, num_encoder_layers: 1,
  num_decoder_layers: 1, tie_embeddings: tgt}
train: {max_steps: 4, batch_tokens: 300, validate_every: 4, tensorboard: false}
decode: {beam_size: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "mtkit.yaml").write_text(CONFIG, encoding="utf-8")
    trained = mtkit("train", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    return folder


def test_a_model_folder_translates_by_itself_with_its_form_and_tags(folder: Path) -> None:
    moved = folder / "elsewhere"
    (folder / "run" / "model").rename(moved)
    try:
        done = mtkit("translate", "-m", "elsewhere", "--tag", "2en", cwd=folder, input="Il a {n} chats.\n\n")
    finally:
        moved.rename(folder / "run" / "model")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split("\n")[:2]
    assert "{n}" in first  # where the model put it, or at the end
    assert "⟦" not in first
    assert second == ""


def test_an_unknown_tag_is_refused_with_a_guess(folder: Path) -> None:
    wrong = mtkit("translate", "--tag", "domain:boook", cwd=folder, input="x\n")
    assert wrong.returncode == 2
    assert "tag domain:boook: the model does not know it. Did you mean domain:book?" in wrong.stderr
    assert mtkit("translate", "--tag", "domain:book", cwd=folder, input="x\n").returncode == 0


def test_each_test_set_is_translated_in_its_direction(folder: Path) -> None:
    done = mtkit("evaluate", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert {"there", "back"} <= set(done.stdout.split())


def test_what_the_model_sees_is_shown(folder: Path) -> None:
    done = mtkit("prepare", "--show", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "  en  raw " in done.stdout
    assert "pieces      <2fr> <domain:book> ▁" in done.stdout
    assert "pieces      <2en> ▁" in done.stdout
    assert "sampled 1   <2fr> <domain:book> ▁" in done.stdout
    assert "phrasebook train reversed" in mtkit("prepare", "--force", cwd=folder).stdout
