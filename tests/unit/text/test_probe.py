from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.errors import InputError
from mtkit.text.probe import probe
from mtkit.text.subwords import train_subwords


def test_a_model_that_passed_is_not_tried_again_and_one_that_failed_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    train_subwords(["the cat sat", "a dog ran"] * 20, TokenizerConfig(vocab_size=30)).save(tmp_path / "m")
    model = (tmp_path / "m").read_bytes()
    tried: list[bytes] = []
    run = subprocess.run

    def watched(*args: object, **options: object) -> object:
        tried.append(b"")
        return run(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", watched)
    for _ in range(2):
        probe.cache_clear()
        probe(model)
    assert len(tried) == 1
    for _ in range(2):
        with pytest.raises(InputError, match="not a usable SentencePiece model"):
            probe(b"no model")
    assert len(tried) == 3
