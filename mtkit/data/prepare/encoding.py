"""A worker's task: segment the kept pairs of a cleaned part, and list the dropped ones."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.config.data import ModelType, SamplingConfig, TermsConfig
from mtkit.config.text import TextConfig
from mtkit.data.prepare.cleaning import KEPT
from mtkit.data.prepare.ledger import Example, LedgerRow
from mtkit.data.prepare.parts import Array, array_text, read_part, write_part
from mtkit.data.prepare.shards import count_tokens, flat_ids
from mtkit.data.prepare.term_pairs import VERSIONS, TermPairs, read_phrase_table
from mtkit.data.read.blocks import Origins, lines_of
from mtkit.data.read.pair import Pair
from mtkit.text.sampling import Sampler
from mtkit.text.tokenizer import Pairs, Tags, Tokenizer, read_tokenizer

REJECTED_HEAD = ("filter", "origin", "detail", "src", "tgt")
"""Columns of `rejected.tsv.gz`."""

_PAIRS_AT_ONCE = 2048

Texts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class EncodeSpec:
    """Everything that decides how text is segmented.

    Attributes:
        models: the joint subword model, or those of source and target.
        text: options of the form of text.
        reasons: names of the filters and splits, indexed by fate.
        max_tokens: fate and bound of each filter that counts tokens.
        model_type: of the subword models.
        sampling: how to sample several segmentations; None for the best segmentation only.
        seed: for sampling and terms.
        terms: options of `data.terms`, if terms are written into sources.
        phrases: file of the phrases that they are.
        target_tag: of all targets.
    """

    models: tuple[Path, ...]
    text: TextConfig
    reasons: tuple[str, ...]
    max_tokens: tuple[tuple[int, int], ...]
    model_type: ModelType = "unigram"
    sampling: SamplingConfig | None = None
    seed: int = 0
    terms: TermsConfig | None = None
    phrases: Path = Path()
    target_tag: str | None = None


def count_segmentations(sampling: SamplingConfig | None, terms: TermsConfig | None) -> int:
    """The number of segmentations of each pair; with terms, one more, the best, has none in its source."""
    return (sampling.segmentations if sampling else VERSIONS if terms else 1) + bool(terms)


@dataclass(frozen=True, slots=True)
class EncodeTask:
    """A cleaned part, the fates of its pairs after deduplication, and the part to write.

    Attributes:
        tags: of the pairs.
        sides: names of source and target for the ledger.
        languages: of source and target.
    """

    clean: Path
    fates: bytes
    path: Path
    tags: tuple[str, ...] = ()
    sides: tuple[str, str] = ("source", "target")
    languages: tuple[str, str] = ("", "")


def encode_part(task: tuple[EncodeSpec, EncodeTask]) -> dict[str, Any]:
    """Writes an encoded part; returns its summary, a ledger row without a name.

    For each segmentation `n` the part holds `idsn`, in the form of a shard, and `lengthsn` [kept, 2]; and
    `rejected`, the dropped pairs as lines in a gzip member.
    """
    # 1. The pairs, and their fates [pairs].
    spec, this = task
    tokenizer = _tokenizer(spec.models, spec.text)
    srcs, tgts = (lines_of(array_text(side)) for side in read_part(this.clean, "src", "tgt"))
    fates = np.frombuffer(this.fates, np.uint8).copy()
    segmentations = [
        _Encoded(tokenizer.max_size) for _ in range(count_segmentations(spec.sampling, spec.terms))
    ]
    rejected, row = [], LedgerRow("")
    for name in this.sides:
        row.pieces[name] = row.unknown[name] = 0
    # 2. Segment the kept pairs; drop those with too many tokens.
    kept = np.flatnonzero(fates == KEPT)
    for begin in range(0, len(kept), _PAIRS_AT_ONCE):
        some = kept[begin : begin + _PAIRS_AT_ONCE]
        texts = [(srcs[number], tgts[number]) for number in some.tolist()]
        pairs = tokenizer.encode_pairs(texts, _tags(this), spec.target_tag)
        num_tokens = count_tokens(pairs)  # [some, 2]
        fits = np.ones(len(pairs), bool)
        for fate, bound in spec.max_tokens:
            too_long = fits & (num_tokens > bound).any(axis=1)
            fates[some[too_long]] = fate
            fits &= ~too_long
        if not fits.all():
            pairs = [pair for pair, fit in zip(pairs, fits.tolist(), strict=True) if fit]
            texts = [pair for pair, fit in zip(texts, fits.tolist(), strict=True) if fit]
        for side, name in enumerate(this.sides):
            row.pieces[name] += sum(len(pair[side]) for pair in pairs)
            row.unknown[name] += sum(pair[side].count(tokenizer.UNK) for pair in pairs)
        versions = (
            _with_terms(spec, this, texts, pairs) if spec.terms else _versions(spec, this, texts, pairs)
        )
        for segmentation, version in zip(segmentations, versions, strict=True):
            segmentation.add(version)
    # 3. Account for the dropped pairs.
    dropped = np.flatnonzero(fates != KEPT).tolist()
    notes: dict[str, Any] = (
        json.loads(array_text(read_part(this.clean, "notes")[0]))
        if dropped
        else {"origins": [], "details": {}}
    )
    origins = Origins(notes["origins"])
    for number in dropped:
        src, tgt = srcs[number], tgts[number]
        origin, detail = _plain(origins[number]), _plain(notes["details"].get(str(number), ""))
        reason = spec.reasons[fates[number]]
        rejected.append(f"{reason}\t{origin}\t{detail}\t{src}\t{tgt}\n")
        row.drop(reason, Pair(src, tgt, origin), detail)
    row.keep(len(fates) - row.read)
    # 4. Write all of it.
    packed = gzip.compress("".join(rejected).encode(), 6, mtime=0) if rejected else b""
    arrays = {"rejected": np.frombuffer(packed, np.uint8)}
    for number, segmentation in enumerate(segmentations):
        arrays |= {f"ids{number}": segmentation.ids(), f"lengths{number}": segmentation.lengths()}
    return write_part(this.path, asdict(row), **arrays)


class _Encoded:
    """Segmented pairs as arrays, added batch by batch."""

    def __init__(self, vocab_size: int) -> None:
        self._dtype = np.dtype(np.uint16 if vocab_size <= 1 << 16 else np.uint32)
        self._ids, self._lengths = [np.zeros(0, self._dtype)], [np.zeros((0, 2), np.int32)]

    def add(self, pairs: Pairs) -> None:
        """Adds pairs."""
        self._ids.append(flat_ids(pairs, self._dtype))
        self._lengths.append(count_tokens(pairs))

    def ids(self) -> Array:
        """[tokens], the ids of all pairs."""
        return np.concatenate(self._ids)

    def lengths(self) -> Array:
        """[pairs, 2], source and target tokens."""
        return np.concatenate(self._lengths)


def _versions(spec: EncodeSpec, task: EncodeTask, texts: Texts, best: Pairs) -> Iterator[Pairs]:
    """The segmentations of these pairs: sampled ones, or only the best."""
    for number in range(count_segmentations(spec.sampling, None)):
        yield _sampled(spec, task, texts, best, number)


def _with_terms(spec: EncodeSpec, task: EncodeTask, texts: Texts, best: Pairs) -> Iterator[Pairs]:
    """The best segmentation of these pairs, then versions with terms in their sources."""
    terms = _term_pairs(spec)
    found = terms.find(texts, task.languages)
    yield best
    for number in range(count_segmentations(spec.sampling, spec.terms) - 1):
        srcs, tgts = zip(*_sampled(spec, task, texts, best, number), strict=True) if best else ((), ())
        written = terms.write(found, srcs, len(task.tags), number)
        yield _within(spec, list(zip(written, tgts, strict=True)), best)


def _sampled(spec: EncodeSpec, task: EncodeTask, texts: Texts, best: Pairs, number: int) -> Pairs:
    """Sampled segmentation `number` of these pairs, a function of the seed and the pairs.

    Where it exceeds a bound of tokens, the best segmentation, which does not, is used instead.
    """
    if spec.sampling is None:
        return best
    tokenizer = _tokenizer(spec.models, spec.text)
    seed = f"{spec.seed} {number}"
    sampled = tokenizer.sample_pairs(texts, _tags(task), spec.target_tag, _samplers(spec), seed)
    return _within(spec, sampled, best)


def _within(spec: EncodeSpec, pairs: Pairs, best: Pairs) -> Pairs:
    """`pairs`, with the best segmentation of those that exceed a bound of tokens."""
    longest = min((bound for _, bound in spec.max_tokens), default=None)
    if longest is None:
        return pairs
    return [
        pair if max(map(len, pair)) <= longest else usual for pair, usual in zip(pairs, best, strict=True)
    ]


@functools.lru_cache(maxsize=1)
def _term_pairs(spec: EncodeSpec) -> TermPairs:
    assert spec.terms
    tokenizer = _tokenizer(spec.models, spec.text)
    return TermPairs(tokenizer, read_phrase_table(spec.phrases), spec.terms, spec.seed)


@functools.lru_cache(maxsize=1)
def _samplers(spec: EncodeSpec) -> tuple[Sampler, Sampler]:
    if spec.sampling is None:
        raise ValueError("there is nothing to sample")
    tokenizer, kind, strength = _tokenizer(spec.models, spec.text), spec.model_type, spec.sampling.strength
    src = Sampler(tokenizer.src, kind, strength)
    return src, src if tokenizer.is_joint else Sampler(tokenizer.tgt, kind, strength)


def _tags(task: EncodeTask) -> Tags:
    return repeat(task.tags) if task.tags else None


def _plain(note: str) -> str:
    """The note without tabs and line feeds, which file names may contain."""
    return " ".join(note.split()) if "\t" in note or "\n" in note else note


def read_row(summary: dict[str, Any]) -> LedgerRow:
    """The row in the summary of an encoded part."""
    examples = {
        name: [Example(**example) for example in found] for name, found in summary["examples"].items()
    }
    return LedgerRow(**{**summary, "examples": examples})


@functools.lru_cache(maxsize=1)
def _tokenizer(models: tuple[Path, ...], text: TextConfig) -> Tokenizer:
    return read_tokenizer(models, text)
