"""The subword model of prepared data: trained on its text, or an existing one with what it lacks."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence

from mtkit.config.auto import choose_vocab_size
from mtkit.config.data import TokenizerConfig
from mtkit.config.schema import Config
from mtkit.text.extending import extend_for
from mtkit.text.form import TextForm
from mtkit.text.subwords import SEPARATOR, Subwords, default_coverage, has_many_characters, train_subwords
from mtkit.text.term_marks import TERM_MARKS

logger = logging.getLogger(__name__)

_MORE_PIECES = {"unigram": " model_type: bpe finds more in repetitive text.", "bpe": ""}
"""Advice when the text gives fewer pieces than asked for, by model type."""


def control_pieces(config: Config, sides: Collection[int]) -> list[str]:
    """The pieces of these sides (0: source, 1: target) that no text gives."""
    data, pieces = config.data, []
    if 0 in sides:
        pieces += [f"<{tag}>" for tag in data.tags]
        pieces += [SEPARATOR] if data.memory else []
        pieces += TERM_MARKS if data.terms else []
    if 1 in sides and config.decode.target_tag is not None:
        pieces.append(f"<{config.decode.target_tag}>")
    return list(dict.fromkeys(pieces))


def learn_subwords(
    config: Config,
    given: Subwords | None,
    texts: Iterable[str],
    num_pairs: int,
    languages: Sequence[str],
    tags: Sequence[str],
) -> Subwords:
    """The subword model for `texts`; equal arguments give an equal one.

    A warning says when the texts give fewer pieces than the user asked for.

    Args:
        config: of the run.
        given: model to extend; without one, a model is trained.
        texts: of the training pairs, in the form that the model reads.
        num_pairs: all of them, which decides the size if it is `auto`.
        languages: of the texts.
        tags: pieces that no text gives.
    """
    symbols, coverage = TextForm(config.text).symbols, default_coverage(*languages)
    if given:
        coverage = config.tokenizer.character_coverage or coverage
        return extend_for(given, texts, coverage, symbols=symbols, tags=tags)
    subwords = train_subwords(
        texts,
        _with_size(config.tokenizer, num_pairs, languages),
        coverage,
        symbols=symbols,
        tags=tags,
        keep_spaces=config.text.whitespace == "keep",
    )
    asked = config.tokenizer.vocab_size
    if asked != "auto" and subwords.size < asked:
        logger.warning(
            "tokenizer.vocab_size = %d is more than this text gives: %d pieces.%s",
            asked,
            subwords.size,
            _MORE_PIECES[config.tokenizer.model_type],
        )
    return subwords


def _with_size(options: TokenizerConfig, num_pairs: int, languages: Sequence[str]) -> TokenizerConfig:
    """The options with the number of pieces, chosen here if it is `auto`."""
    if options.vocab_size != "auto":
        return options
    size = choose_vocab_size(num_pairs, many_characters=has_many_characters(*languages))
    return options.model_copy(update={"vocab_size": size})
