"""Corpora too large for the repository, kept beside it; tests that need one are skipped without it."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def corpus(name: str) -> Path:
    """The folder of a corpus, `../shared/data/NAME` as seen from the repository, or a skip."""
    folder = REPOSITORY.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the corpus {name} is not at {folder}")
    return folder
