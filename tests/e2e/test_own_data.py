"""From a table of one's own to a scored translator: four lines are typed, and no file is edited."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.config.sources import PhrasebookSource
from mtkit.data.read.readers import read_pairs

TINY = (
    "train.max_steps=4", "train.validate_every=2", "train.precision=fp32", "train.tensorboard=false",
    "model.d_model=32", "model.d_ff=32", "model.num_encoder_layers=1", "model.num_decoder_layers=1",
)  # fmt: skip
"""A budget for a test; the others of the four lines are as in the documentation."""


def typed(*arguments: str, stdin: str = "") -> Result:
    done = CliRunner().invoke(app, list(arguments), input=stdin)
    assert done.exit_code == 0, done.output
    return done


def test_four_typed_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = PhrasebookSource(reader="phrasebook", pairs=600)
    rows = [f"{pair.src}\t{pair.tgt}\n" for pair in read_pairs(source, "en", "fr")]
    Path("my.en-fr.tsv").write_text("".join(rows), "utf-8")

    begun = typed("init", "my.en-fr.tsv").stderr
    assert "my.en-fr.tsv: TSV, columns 1 and 2, 600 pairs, English to French" in begun
    assert "600 pairs is very little: expect" in begun

    trained = typed("train", *TINY).stderr
    assert "Verdict: not usable yet" in trained
    assert trained.count("reference: ") == 3
    assert "pairs were seen" in trained

    scored = typed("evaluate")
    head, _, row, *_ = scored.stdout.splitlines()
    assert head.split() == ["test", "set", "pairs", "BLEU", "chrF"]
    assert row.split()[:2] == ["held-out", "30"]
    assert "held-out: not usable yet" in scored.stderr
    assert len(typed("translate", stdin="Where is the station?\n").stdout.splitlines()) == 1
