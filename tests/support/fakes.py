"""Stand-ins for trained models."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.export import Quantization
from mtkit.config.load import load_config
from mtkit.convert import ctranslate2
from mtkit.convert.parity import Differences, Parity
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.interface import Feature
from mtkit.model.checkpoint import weights_of, write_model
from mtkit.model.transformer import build_model
from mtkit.runs.layout import open_run
from mtkit.runs.training import Training
from mtkit.text.subwords import SEPARATOR, train_subwords
from mtkit.text.term_marks import TERM_MARKS
from mtkit.text.tokenizer import Tokenizer

EOS = 3
WORDS = (4, 5, 6)
VOCAB = 7


@functools.cache
def next_log_probs(src: tuple[int, ...], prefix: tuple[int, ...], max_words: int) -> list[float]:
    """Log-probabilities over seven tokens, a random function of source and prefix."""
    draw = random.Random(repr((src, prefix)))
    weights = [exp(draw.gauss(0, 1.5)) for _ in range(VOCAB)]
    if len(prefix) >= max_words:
        return [0.0 if token == EOS else -inf for token in range(VOCAB)]
    return [log(weight / sum(weights)) for weight in weights]


@dataclass(frozen=True)
class FakeState:
    """Source and prefix of each row."""

    rows: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

    def select(self, rows: Tensor, width: int | None = None) -> FakeState:
        return FakeState(tuple(self.rows[row] for row in rows.tolist()))


class FakeScorer:
    """Random log-probabilities that end every translation after `max_words` words."""

    def __init__(self, max_words: int) -> None:
        self.max_words = max_words

    def start(self, src_ids: Tensor, src_mask: Tensor) -> FakeState:
        both = zip(src_ids.tolist(), src_mask.tolist(), strict=True)
        srcs = [tuple(itertools.compress(ids, mask)) for ids, mask in both]
        assert all(src[-1] == EOS for src in srcs)
        return FakeState(tuple((src[:-1], ()) for src in srcs))

    def step(self, tokens: Tensor, state: FakeState) -> tuple[Tensor, FakeState]:
        both = zip(state.rows, tokens.tolist(), strict=True)
        rows = tuple((src, prefix if token == 2 else (*prefix, token)) for (src, prefix), token in both)
        return torch.tensor([next_log_probs(*row, self.max_words) for row in rows]), FakeState(rows)


class EchoEngine:
    """An engine whose translation is the source; counts what it was asked."""

    name = "echo"
    at_once = 1
    lengths_at_once = 0
    aligns = True

    def __init__(self) -> None:
        self.calls: list[list[list[int]]] = []

    def refusals(self, options: DecodeConfig, features: Collection[Feature] = ()) -> list[str]:
        return []

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.calls.append([list(ids) for ids in src_ids])
        return [[hyp] for hyp in self.score(src_ids, src_ids, options)]

    def score(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[Hypothesis]:
        return [Hypothesis(tuple(ids), -1.0, (-1.0,) * (len(ids) + 1)) for ids in tgt_ids]

    def align(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[list[tuple[int, int]]]:
        both = zip(src_ids, tgt_ids, strict=True)
        return [[(i, i) for i in range(min(len(src), len(tgt)))] for src, tgt in both]


class TextEngine(EchoEngine):
    """An engine whose translation is what `change` makes of the source's text."""

    def __init__(self, tokenizer: Tokenizer, change: Callable[[str], str]) -> None:
        super().__init__()
        self._tokenizer, self._change = tokenizer, change

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        self.calls.append([list(ids) for ids in src_ids])
        ids = self._tokenizer.src.encode([self._change(text) for text in self._tokenizer.src.decode(src_ids)])
        return [[hyp] for hyp in self.score(ids, ids, options)]


TINY_RUN = """\
run: {run}
data:
  src_lang: en
  tgt_lang: fr
  train: [{{reader: phrasebook}}]
  valid: {{reader: phrasebook, split: valid}}
  test:
    short: {{reader: plain, src: test.en, tgt: test.fr}}
    again: {{reader: plain, src: test.en, tgt: test.fr}}
tokenizer: {{vocab_size: 60}}
model: {{preset: tiny, d_model: 16, d_ff: 32, num_encoder_layers: 1, num_decoder_layers: 1}}
decode: {{beam_size: 2}}
"""
TINY_PAIRS = {"the cat sat on the mat": "le chat est sur le tapis", "a dog ran": "un chien a couru"}


def make_tiny_run(folder: Path, *overrides: str) -> Path:
    """Writes `tiny.yaml`, its test set and an untrained model as its run; gives the path of the config.

    Args:
        folder: where.
        overrides: options of the run that are not in `tiny.yaml`.
    """
    config_path = folder / "tiny.yaml"
    config_path.write_text(TINY_RUN.format(run="runs/tiny"), "utf-8")
    (folder / "test.en").write_text("".join(f"{src}\n" for src in TINY_PAIRS), "utf-8")
    (folder / "test.fr").write_text("".join(f"{tgt}\n" for tgt in TINY_PAIRS.values()), "utf-8")
    config = load_config([config_path], overrides).config
    texts = [*TINY_PAIRS, *TINY_PAIRS.values()]
    pieces = [
        *(f"<{tag}>" for tag in config.data.tags),
        *([SEPARATOR] if config.data.memory else ()),
        *(TERM_MARKS if config.data.terms else ()),
    ]
    tokenizer = Tokenizer(train_subwords(texts * 20, config.tokenizer, tags=pieces))
    model = build_model(config.model, tokenizer.src.size, tokenizer.tgt.size, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)  # sharper, so that different lines get different translations
    open_run(config.run)
    write_model(config.run / "model", config, tokenizer, weights_of(model), training=Training(1))
    return config_path


def export_unchecked(model: Path, output: Path, quantization: Quantization) -> None:
    """Exports a model folder to CTranslate2; rounding changes an untrained model too much for the check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctranslate2, "compare", lambda *_: Parity(0, 0, 0, 0, Differences(0.0, 0.0)))
        ctranslate2.write_ctranslate2(model, output, quantization, lambda _: None)


def make_tokenizer() -> Tokenizer:
    """A small tokenizer for an engine that echoes."""
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    return Tokenizer(train_subwords(["the cat sat on the mat", "a dog ran over the hill."] * 20, options))
