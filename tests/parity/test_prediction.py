"""Perplexity and accuracy of tokens equal those that torch computes from the whole logits."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.translate.open import open_translator
from tests.support.fakes import TINY_PAIRS, make_tiny_run

BOS, EOS = 2, 3


@pytest.mark.parametrize("metrics", ["ppl,accuracy", "bleu,accuracy,ppl"])
def test_perplexity_and_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metrics: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_tiny_run(tmp_path)
    done = CliRunner().invoke(
        app,
        ["evaluate", "tiny.yaml", "--test=short", f"--metrics={metrics}", "--json", "--segments=s.jsonl"],
    )
    assert done.exit_code == 0, done.output
    [result] = json.loads(done.stdout)["results"]
    found = {score["metric"]: score for score in result["scores"]}
    assert set(found) == set(metrics.split(","))

    translator = open_translator(tmp_path / "runs/tiny/model", engine="native")
    tokenizer, model = translator.tokenizer, translator.engine.model  # type: ignore[attr-defined]
    loss, hits, tokens = 0.0, 0, 0
    of_lines = []
    for src, tgt in tokenizer.encode_pairs(list(TINY_PAIRS.items())):
        src_ids, tgt_in, tgt_out = (torch.tensor([ids]) for ids in ([*src, EOS], [BOS, *tgt], [*tgt, EOS]))
        with torch.no_grad():
            logits = model(src_ids, torch.ones_like(src_ids, dtype=torch.bool), tgt_in)
        of_line = float(torch.nn.functional.cross_entropy(logits[0], tgt_out[0], reduction="sum"))
        of_lines.append(math.exp(of_line / tgt_out.numel()))
        loss += of_line
        hits += int((logits[0].argmax(-1) == tgt_out[0]).sum())
        tokens += tgt_out.numel()
    assert found["ppl"]["value"] == pytest.approx(float(torch.tensor(loss / tokens).exp()), rel=1e-5)
    rows = [json.loads(line) for line in Path("s.jsonl").read_text("utf-8").splitlines()]
    assert [row["scores"]["ppl"] for row in rows] == pytest.approx(of_lines, rel=1e-5)
    assert found["accuracy"]["value"] == pytest.approx(100 * hits / tokens)
    assert found["ppl"]["signature"] == f"nrefs:1|tok:{tokenizer.fingerprint[:8]}|eos:yes"
