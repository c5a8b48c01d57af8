"""Small subword models."""

from __future__ import annotations

from mtkit.config.data import ModelType, TokenizerConfig
from mtkit.text.subwords import Subwords, train_subwords
from tests.support.corpora import texts


def train(model_type: ModelType) -> Subwords:
    """A model of two hundred pieces, and a symbol."""
    options = TokenizerConfig(vocab_size=200, num_threads=1, model_type=model_type)
    return train_subwords(texts(), options, symbols=["⟦1⟧"])
