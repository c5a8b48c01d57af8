"""Small corpora and configs to prepare, and what a preparation does and leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtkit.config.schema import Config
from mtkit.data.prepare import stages
from mtkit.data.prepare.cleaning import Chunk, CleanSpec, clean_chunk
from mtkit.data.prepare.encoding import EncodeSpec, EncodeTask, encode_part
from mtkit.data.prepare.learn_subwords import learn_subwords

WORDS = [
    "the",
    "a",
    "red",
    "green",
    "house",
    "tree",
    "cat",
    "dog",
    "sees",
    "likes",
    "near",
    "old",
    "young",
    "big",
]

Pairs = list[tuple[str, str]]


MILD: list[dict[str, Any]] = [
    {"filter": "empty"},
    {"filter": "length"},
    {"filter": "duplicate"},
    {"filter": "overlap", "near": None},
    {"filter": "tokens"},
]
"""Filters that let reversed words pass for a translation."""


def sentences(count: int, start: int = 0) -> Pairs:
    """Different pairs."""
    numbers = range(start, start + count)
    texts = [" ".join(WORDS[n // 14**place % 14] for place in range(4)) + f" {n}" for n in numbers]
    return [(text, text[::-1]) for text in texts]


def write(folder: Path, name: str, pairs: Pairs) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for side, suffix in enumerate(("src", "tgt")):
        (folder / f"{name}.{suffix}").write_bytes("".join(f"{pair[side]}\n" for pair in pairs).encode())
    return {"reader": "plain", "src": str(folder / f"{name}.src"), "tgt": str(folder / f"{name}.tgt")}


def make(folder: Path, train: Pairs, *more: Pairs, tokenizer: Any = None, **data: Any) -> Config:
    """A config with these training corpora, 20 validation and 20 test pairs."""
    corpora = folder / "corpora"
    values = {
        "run": str(folder / "run"),
        "data": {
            "src_lang": "en",
            "tgt_lang": "fr",
            "train": [write(corpora, f"train{n}", pairs) for n, pairs in enumerate((train, *more))],
            "valid": write(corpora, "valid", sentences(20, 50_000)),
            "test": {"one": write(corpora, "test", sentences(20, 60_000))},
            "filters": MILD,
            **data,
        },
        "tokenizer": {"vocab_size": 120, "num_threads": 1, **(tokenizer or {})},
    }
    return Config.model_validate_json(json.dumps(values))


def changed(config: Config, **update: Any) -> Config:
    return config.model_copy(update=update)


def with_data(config: Config, **update: Any) -> Config:
    """The config with other options of `data`."""
    values = config.model_dump(mode="json")
    values["data"] |= update
    return Config.model_validate_json(json.dumps(values))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".mtkit"
    }


def bytes_of(config: Config) -> dict[str, bytes]:
    found = snapshot(config.run / "data")
    del found["manifest.json"]  # which knows the times of the input files
    return found


class Counted:
    """How many parts each stage made in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cleaned: list[str] = []
        self.encoded = self.tokenizers = 0

        def count_clean(task: tuple[CleanSpec, Chunk]) -> dict[str, Any]:
            if task[1].stored is None:
                self.cleaned.append(task[1].path.parent.name)
            return clean_chunk(task)

        def count_encode(task: tuple[EncodeSpec, EncodeTask]) -> dict[str, Any]:
            self.encoded += 1
            return encode_part(task)

        def count_learn(*args: Any, **kwargs: Any) -> Any:
            self.tokenizers += 1
            return learn_subwords(*args, **kwargs)

        monkeypatch.setattr(stages, "clean_chunk", count_clean)
        monkeypatch.setattr(stages, "encode_part", count_encode)
        monkeypatch.setattr(stages, "learn_subwords", count_learn)

    def take(self) -> tuple[int, int, int]:
        """Parts cleaned, tokenizers made, parts encoded since the last call."""
        result = len(self.cleaned), self.tokenizers, self.encoded
        self.cleaned, self.tokenizers, self.encoded = [], 0, 0
        return result
