"""Options of `data` and `tokenizer`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mtkit.config.filters import DEFAULT_FILTERS, Filter
from mtkit.config.options import LanguageCode, Options, rule
from mtkit.config.sources import Corpus, CutSource, HeldOutSource, MonoSource, Source, more_refs
from mtkit.disk.files import fault_of_name


def _parse_steps(value: object) -> object:
    """The number in text such as `20000 steps`; anything else is left to the type check."""
    found = re.fullmatch(r"([0-9]{1,12}) steps?", value) if isinstance(value, str) else None
    return int(found[1]) if found else value


class MixingStage(Options):
    """The share of each corpus in one stage of training.

    The share is proportional to the weight of the corpus raised to the power 1 / temperature.
    """

    until: Annotated[int | None, BeforeValidator(_parse_steps)] = Field(
        None,
        ge=1,
        description="Step at which the next stage begins, such as 20000. Required in every stage but the "
        "last, which has none.",
    )
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="Weight of each corpus in `train`, in that order. Default: its number of pairs."
    )
    temperature: float = Field(
        1.0,
        gt=0,
        description="Sampling temperature. Above 1, small corpora are sampled more often than their "
        "weights say.",
    )


class MemoryConfig(Options):
    """Training with matches: the translations of similar sources, as a translation memory has them.

    A model learns from them that is later given the fuzzy matches of a translation memory (Bulte and Tezcan
    2019; Xu, Crego and Senellart 2020). Of the pairs with a match, one half is given it in an epoch, and the
    other half in the next, so the model translates without matches too.
    """

    threshold: float = Field(
        0.5,
        ge=0.3,
        lt=1,
        description="Least similarity of a match, by words: 1 - d / n, with the edit distance d of two texts "
        "and the number of words n of the longer one. translate --memory uses the same.",
    )


class TermsConfig(Options):
    """Terms written into training sources, from which a model learns to use those of a glossary.

    They are phrases of the pair that translate each other (Dinu et al. 2019).
    """

    share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of the training sentences that may get terms. The others teach the model to "
        "translate without.",
    )
    max_words: int = Field(
        3,
        ge=1,
        le=10,
        description="Maximum number of words of a term on either side; twice as many characters in a "
        "language without spaces.",
    )


class DataConfig(Options):
    """The parallel text: where it comes from, and which pairs are kept."""

    root: Path | None = Field(
        None,
        description="Folder in which relative paths in `data` start. Default: the folder of the config file.",
    )
    src_lang: LanguageCode = Field(description="Code of the source language, such as en.")
    tgt_lang: LanguageCode = Field(description="Code of the target language, such as fr.")
    train: tuple[Source, ...] = Field(min_length=1, description="Training corpora.")
    valid: HeldOutSource = Field(
        description="Validation corpus, used for early stopping and to choose the best checkpoints. "
        "{reader: cut, pairs: 500} cuts it from the training pairs, as `mtkit init FILE` does."
    )
    extra_valid: dict[str, Source] = Field(
        default_factory=dict,
        description="Additional validation sets by name. They are scored and recorded but do not affect "
        "training.",
    )
    test: dict[str, HeldOutSource] = Field(
        default_factory=dict, description="Test sets by name, scored by `mtkit evaluate`."
    )
    filters: tuple[Filter, ...] = Field(
        DEFAULT_FILTERS, max_length=200, description="Filters for the training pairs, applied in this order."
    )
    max_dropped: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Stop if filters drop more than this share of a training corpus, or all of it; "
        "duplicates are not counted. 1 allows any share.",
    )
    target_tags: bool = Field(
        False, description="Start each source with a tag that names the target language, such as <2fr>."
    )
    terms: TermsConfig | None = Field(
        None,
        description="Teach the model to use the terms of a glossary that are written into a source. {} sets "
        "the defaults. Default: no terms.",
    )
    mixing: tuple[MixingStage, ...] = Field(
        (),
        description="Training stages with a share for each corpus. If empty, every pair is used once per "
        "epoch.",
    )
    memory: MemoryConfig | None = Field(
        None,
        description="Train a model that is given the fuzzy matches of a translation memory: {} or "
        "{threshold: 0.5}. Requires rapidfuzz, the extra `memory`.",
    )
    num_workers: int | None = Field(
        None,
        ge=1,
        description="Number of processes that prepare the data. Default: one per core. The result does "
        "not depend on it.",
    )

    @property
    def min_match(self) -> float | None:
        """The least similarity of the matches that sources are given; None if they are given none."""
        return self.memory.threshold if self.memory else None

    @property
    def corpora(self) -> tuple[Source, ...]:
        """The training corpora of pairs."""
        return tuple(source for source in self.train if not isinstance(source, MonoSource))

    @property
    def mono(self) -> tuple[MonoSource, ...]:
        """The monolingual training corpora, on which the subword models are trained too."""
        return tuple(source for source in self.train if isinstance(source, MonoSource))

    @rule
    def _mono_makes_no_pairs(self) -> Iterator[str]:
        held_out = {"valid": self.valid} | {f"test.{name}": source for name, source in self.test.items()}
        for name, source in held_out.items():
            if isinstance(source, MonoSource):
                yield (
                    f"{name}: the reader mono reads text in one language, expected pairs. Use another reader."
                )
        if not self.corpora:
            yield "train: all corpora are monolingual (reader mono). Add a corpus of pairs."

    def languages_of(self, source: HeldOutSource) -> tuple[str, str]:
        """The source and target language of a corpus."""
        src_lang, tgt_lang = self.languages_in(source)
        return (tgt_lang, src_lang) if isinstance(source, Corpus) and source.reverse else (src_lang, tgt_lang)

    def languages_in(self, source: HeldOutSource) -> tuple[str, str]:
        """The languages of the two sides of a corpus as it is read, before it is reversed."""
        if not isinstance(source, Corpus):
            return self.src_lang, self.tgt_lang
        return source.src_lang or self.src_lang, source.tgt_lang or self.tgt_lang

    def tags_of(self, source: HeldOutSource) -> tuple[str, ...]:
        """The tags at the beginning of each source of a corpus; pairs of a cut set keep their own tags."""
        if not isinstance(source, Corpus):
            return ()
        return (*self.language_tags(self.languages_of(source)[1]), *source.tags)

    def language_tags(self, tgt_lang: str) -> tuple[str, ...]:
        """The tag that asks for a target language; none without `target_tags`."""
        return (f"2{tgt_lang}",) if self.target_tags else ()

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of the training corpora, in order."""
        return tuple(dict.fromkeys(tag for source in self.corpora for tag in self.tags_of(source)))

    @rule
    def _tags_are_learned(self) -> Iterator[str]:
        held_out = {"valid": self.valid} | {f"test.{name}": source for name, source in self.test.items()}
        for name, source in held_out.items():
            if unknown := [tag for tag in self.tags_of(source) if tag not in self.tags]:
                close = get_close_matches(unknown[0], self.tags, 1, 0.5)
                guess = f" Did you mean {close[0]}?" if close else ""
                yield f"{name}: no training corpus has the tag {unknown[0]}.{guess}"
        if any(isinstance(source, CutSource) for source in held_out.values()):
            corpora = enumerate(self.train)
            reversed_ = [n for n, source in corpora if isinstance(source, Corpus) and source.reverse]
            if reversed_:
                yield (
                    f"train.{reversed_[0]}.reverse: cannot be combined with the reader cut, because reversed "
                    "pairs could not be kept out of training. Use files for validation and test sets."
                )

    @rule
    def _references_are_for_tests(self) -> Iterator[str]:
        learned = {f"train.{number}": source for number, source in enumerate(self.train)}
        for name, source in (learned | {"valid": self.valid} | self.extra_valid).items():
            if more_refs(source):
                yield f"{name}.refs: only test sets can have several references. Leave it out."
        for name, source in self.test.items():
            if isinstance(source, Corpus) and source.reverse and more_refs(source):
                yield f"test.{name}.refs cannot be combined with reverse. Swap the sides instead."

    @rule
    def _names_fit(self) -> Iterator[str]:
        for name in self.extra_valid:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                yield f"extra_valid: the name {name!r} is invalid. Use letters, digits, - and _."
        for name in self.test:
            if fault := fault_of_name(name):
                yield f"test: the name {name[:40]!r} {fault}. Choose another name."

    @rule
    def _mixing_fits(self) -> Iterator[str]:
        steps = [stage.until for stage in self.mixing]
        if steps and (steps[-1] is not None or None in steps[:-1]):
            yield "mixing: every stage but the last must have until, and the last must not."
        bounds = [step for step in steps if step is not None]
        if bounds != sorted(set(bounds)):
            yield f"mixing: until = {bounds} must increase from stage to stage."
        for stage in self.mixing:
            if stage.weights is not None and len(stage.weights) != len(self.corpora):
                num_weights, corpora = len(stage.weights), len(self.corpora)
                yield f"mixing: {num_weights} weights for {corpora} corpora. Give one for each."
            if stage.weights is not None and not any(stage.weights):
                yield "mixing: all weights of a stage are 0. Give at least one that is positive."


ModelType = Literal["unigram", "bpe"]
_STRENGTHS: dict[ModelType, str] = {"unigram": "alpha", "bpe": "merge_dropout"}
"""The option of `SamplingConfig` that each type of subword model uses."""


class SamplingConfig(Options):
    """Subword regularisation: several segmentations of the training text, used in turn, one per epoch."""

    segmentations: int = Field(
        4,
        ge=2,
        le=100,
        description="Number of segmentations to prepare. The training data on disk grow by this factor.",
    )
    merge_dropout: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="bpe only: probability of skipping a merge (BPE-dropout, Provilkov et al. 2020). "
        "Default: 0.1.",
    )
    alpha: float | None = Field(
        None,
        gt=0,
        le=10,
        description="unigram only: exponent of the segmentation probabilities. The lower it is, the "
        "closer they are to uniform (Kudo 2018). Default: 0.1.",
    )

    @property
    def strength(self) -> float:
        """Merge dropout or alpha, whichever is set."""
        return self.merge_dropout or self.alpha or 0.1


def _parse_vocab_size(value: object) -> object:
    if value == "auto" or (type(value) is int and 16 <= value <= 1_000_000):
        return value
    raise ValueError("must be auto or a whole number from 16 to 1,000,000")


VocabSize = Annotated[
    int | Literal["auto"],
    BeforeValidator(_parse_vocab_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 16, "maximum": 1_000_000}, {"const": "auto"}]}),
]


class TokenizerConfig(Options):
    """The SentencePiece subword model: one for both languages, or one for each side."""

    path: Path | None = Field(
        None,
        description="Existing tokenizer.model to use; with `separate`, the folder of tokenizer.src.model and "
        "tokenizer.tgt.model. Options that decide how one is trained then have no effect.",
    )
    extend: bool = Field(
        False,
        description="Add to the tokenizer at `path` what it lacks: characters of the training text, up to "
        "`character_coverage`, and the tags and symbols that the options of text and data call for. Its own "
        "pieces stay as they are, so that a model with it (`train.init_from`) keeps its embeddings.",
    )
    separate: bool = Field(
        False,
        description="Use one model for the source and one for the target. Requires model.tie_embeddings: "
        "tgt or none.",
    )
    model_type: ModelType = Field("unigram", description="Segmentation algorithm.")
    vocab_size: VocabSize = Field(
        8000,
        description="Number of subword pieces; fewer if the text does not yield that many. auto chooses "
        "it from the amount of data, and is the default with `model: auto`.",
    )
    character_coverage: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the characters in the text that the vocabulary must cover. Default: 0.9995 "
        "with Chinese, Japanese or Korean, otherwise 1.",
    )
    byte_fallback: bool = Field(False, description="Encode unknown characters as bytes.")
    max_unknown: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Stop if this share of the pieces in one side of a training corpus is unknown, because "
        "the tokenizer cannot represent the text. 1 allows any share.",
    )
    sample_pairs: int = Field(
        200_000,
        ge=1,
        description="Maximum number of training pairs that the subword model is trained on. A million "
        "can take 3 GB of memory.",
    )
    num_threads: int = Field(
        4,
        ge=1,
        le=128,
        description="Threads that train the subword model. The default is fixed because unigram pieces "
        "depend on it.",
    )
    sampling: SamplingConfig | None = Field(
        None,
        description="Subword regularisation: prepare several segmentations of the training text. "
        "Default: only the most likely one.",
    )

    @classmethod
    def without_effect(cls, given: Mapping[str, Any]) -> set[str]:
        """The sampling options of other types of subword models."""
        chosen = given.get("model_type", "unigram")
        return {f"sampling.{name}" for kind, name in _STRENGTHS.items() if kind != chosen}

    @rule
    def _extends_something(self) -> Iterator[str]:
        if self.extend and self.path is None:
            yield "extend adds pieces to the tokenizer at path, which is not given."

    @rule
    def _sampling_fits(self) -> Iterator[str]:
        for model_type, name in _STRENGTHS.items():
            if model_type != self.model_type and getattr(self.sampling, name, None):
                yield (
                    f"sampling.{name} has no effect with model_type {self.model_type}. "
                    f"Use {_STRENGTHS[self.model_type]}, or set model_type to {model_type}."
                )
