"""Texts: made up here, or from corpora too large for the repository, without which a test is skipped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def corpus(name: str) -> Path:
    """The folder of a corpus, `../shared/data/NAME` as seen from the repository, or a skip."""
    folder = REPOSITORY.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the corpus {name} is not at {folder}")
    return folder


def texts(count: int = 400) -> list[str]:
    """Lines of words that a small subword model can learn, always the same."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 7))) for _ in range(300)]
    return [" ".join(rng.choices(words, k=8)) for _ in range(count)]


def edited(text: str, spaced: bool, rng: random.Random) -> str:
    """`text` with one word or character of twelve replaced, dropped or doubled, and a change at an end."""
    words = text.split() if spaced else [*text]
    for _ in range(max(1, len(words) // 12)):
        place = rng.randrange(len(words))
        words[place : place + 1] = rng.choice([["quite"] if spaced else ["\u5f88"], [], [words[place]] * 2])
    result = (" " if spaced else "").join(words)
    return rng.choice([result, result.upper(), result.rstrip(".\u3002") + "!", f"- {result}"])
