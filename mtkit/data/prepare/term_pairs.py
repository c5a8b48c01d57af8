"""Pairs of phrases that translate each other, found in training pairs, and those written into their sources.

A model learns from them to use given terms (Dinu et al. 2019). Words are aligned in both directions; phrases
are consistent with the alignment (Och and Ney 2004). Which of them are written is drawn anew for each version
of the training data, from a seed and the pair.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from mtkit.config.data import TermsConfig
from mtkit.data.prepare.align import (
    RARE,
    Aligner,
    Array,
    Lexicon,
    count_words,
    learn_aligner,
    number_words,
    word_ids,
)
from mtkit.data.prepare.parts import array_text, read_part, text_array, write_part
from mtkit.text.casing import CAPITAL, MARKS
from mtkit.text.languages import language_of
from mtkit.text.term_marks import InlineTerm, write_terms
from mtkit.text.tokenizer import Tokenizer
from mtkit.text.word_spans import word_pattern

SAMPLE = 100_000
"""Most training pairs that the word alignment is learned from."""
VERSIONS = 4
"""Versions of the training data with terms, unless `tokenizer.sampling` says how many."""
_MAX_WORDS = 200
"""Longer sentences get no terms."""
_FREQUENT = 1e-4
"""Words with a greater share of the text are taken less often (Mikolov et al. 2013, equation 5)."""
_CHARACTERS = 2
"""Characters that count as a word in a language without spaces."""
_WORDS_PER_TERM = 4
"""A sentence gets at most one term for so many words."""

_SYMBOL = re.compile("⟦[^⟧]*⟧")
Texts = tuple[str, str]
Languages = tuple[str, str]


class Phrase(NamedTuple):
    """Where a phrase and its translation are, in characters, and how readily it is taken, up to 1."""

    src_start: int
    src_end: int
    tgt_start: int
    tgt_end: int
    weight: float


def consistent_phrases(
    links: npt.NDArray[np.bool_], most_src: int, most_tgt: int
) -> Iterator[tuple[int, int, int, int]]:
    """The phrase pairs that are consistent with an alignment, as (src begin, end, tgt begin, end).

    Words of one side are linked to no words outside the other, and the first and last words of both sides are
    linked (Och and Ney 2004, section 3, without unaligned words at the edges).

    Args:
        links: between words, [tgt_len, src_len].
        most_src: words of a source phrase.
        most_tgt: words of its translation.
    """
    rows = [np.flatnonzero(row).tolist() for row in links]
    columns = [np.flatnonzero(column).tolist() for column in links.T]
    for src_begin, first in enumerate(columns):
        tgt_begin, tgt_end = len(rows), 0
        for src_end in range(src_begin + 1, min(src_begin + most_src, len(columns)) + 1 if first else 0):
            last = columns[src_end - 1]
            if not last:
                continue
            tgt_begin, tgt_end = min(tgt_begin, last[0]), max(tgt_end, last[-1] + 1)
            if tgt_end - tgt_begin > most_tgt:
                break
            if all(src_begin <= src < src_end for row in rows[tgt_begin:tgt_end] for src in row):
                yield src_begin, src_end, tgt_begin, tgt_end


class Span(NamedTuple):
    """A word in lower case, and where it is; a mark of its case belongs to it."""

    word: str
    start: int
    end: int


def spans_of(text: str, lang: str) -> list[Span]:
    """The words of a text in the form in which the subword model reads it."""
    plain = _SYMBOL.sub(lambda found: "\0" * len(found[0]), text)
    found = []
    for word in word_pattern(lang).finditer(plain):
        mark = next((mark for mark in MARKS if text.startswith(mark, word.end())), "")
        found.append(Span(word[0].lower(), word.start(), word.end() + len(mark)))
    return found


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """A word alignment, and the words it knows.

    Attributes:
        aligner: of ids of words.
        words: the ids of source and target words.
        shares: share of the text that each source word has.
    """

    aligner: Aligner
    words: tuple[Mapping[str, int], Mapping[str, int]]
    shares: Mapping[str, float]

    def phrases(self, pairs: Sequence[Texts], langs: Languages, max_words: int) -> list[list[Phrase]]:
        """The phrase pairs of each pair of texts, which are in the form that the subword model reads."""
        spans = [(spans_of(src, langs[0]), spans_of(tgt, langs[1])) for src, tgt in pairs]
        spans = [own if max(map(len, own)) <= _MAX_WORDS else ([], []) for own in spans]
        numbered = [
            tuple(
                number_words((span.word for span in side), ids)
                for side, ids in zip(own, self.words, strict=True)
            )
            for own in spans
        ]
        links = self.aligner.links([(src, tgt) for src, tgt in numbered])
        most = [max_words if language_of(lang).spaced else max_words * _CHARACTERS for lang in langs]
        return [
            [
                Phrase(
                    src[s].start,
                    src[s_end - 1].end,
                    tgt[t].start,
                    tgt[t_end - 1].end,
                    min(self._weight(src[s].word), self._weight(src[s_end - 1].word)),
                )
                for s, s_end, t, t_end in consistent_phrases(own, *most)
            ]
            for (src, tgt), own in zip(spans, links, strict=True)
        ]

    def _weight(self, word: str) -> float:
        return math.sqrt(_FREQUENT / max(self.shares.get(word, 0.0), _FREQUENT))


def learn_phrases(pairs: Iterable[tuple[Texts, Languages]]) -> PhraseTable:
    """Aligns the words of some pairs of texts, each with its languages.

    Raises:
        InputError: no pair has words on both sides.
    """
    rows = [
        tuple([span.word for span in spans_of(text, lang)] for text, lang in zip(texts, langs, strict=True))
        for texts, langs in pairs
    ]
    rows = [own for own in rows if all(own) and max(map(len, own)) <= _MAX_WORDS]
    sides = [[own[side] for own in rows] for side in (0, 1)]
    words = [word_ids(count_words(side)) for side in sides]
    srcs, tgts = ([number_words(row, ids) for row in side] for side, ids in zip(sides, words, strict=True))
    src_base, tgt_base = (len(ids) + RARE + 1 for ids in words)
    aligner = learn_aligner(list(zip(srcs, tgts, strict=True)), src_base, tgt_base)
    counts = np.bincount(np.concatenate(srcs), minlength=src_base)
    shares = (counts / max(1, counts.sum())).tolist()
    return PhraseTable(
        aligner, (words[0], words[1]), {word: shares[number] for word, number in words[0].items()}
    )


def write_phrase_table(path: Path, table: PhraseTable) -> None:
    """Writes a part that `read_phrase_table` reads."""
    arrays: dict[str, Array] = {}
    for name, lexicon, words in zip(
        ("src", "tgt"), (table.aligner.forward, table.aligner.backward), table.words, strict=True
    ):
        arrays |= {f"{name}_keys": lexicon.keys, f"{name}_probs": lexicon.probs}
        arrays[f"{name}_words"] = text_array("\n".join(words))
    write_part(path, {}, shares=np.array([*table.shares.values()]), **arrays)


def read_phrase_table(path: Path) -> PhraseTable:
    """The table that `write_phrase_table` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    names = [f"{side}_{kind}" for side in ("src", "tgt") for kind in ("keys", "probs", "words")]
    shares, *found = read_part(path, "shares", *names)
    src_keys, src_probs, src_words, tgt_keys, tgt_probs, tgt_words = found
    src, tgt = (word_ids(array_text(words).split("\n")) for words in (src_words, tgt_words))
    return PhraseTable(
        Aligner(
            Lexicon(src_keys, src_probs, len(tgt) + RARE + 1),
            Lexicon(tgt_keys, tgt_probs, len(src) + RARE + 1),
        ),
        (src, tgt),
        dict(zip(src, shares.tolist(), strict=True)),
    )


def drawn(phrases: Sequence[Phrase], options: TermsConfig, num_words: int, seed: str) -> list[Phrase]:
    """The phrases that are written into a source, in order; none into a share of the sources."""
    rng = random.Random(xxhash.xxh3_64_intdigest(seed.encode()))
    if rng.random() >= options.share:
        return []
    most = rng.randint(1, max(1, num_words // _WORDS_PER_TERM))
    candidates = [phrase for phrase in phrases if rng.random() < phrase.weight]
    rng.shuffle(candidates)
    chosen: list[Phrase] = []
    for phrase in candidates:
        if len(chosen) == most:
            break
        if all(phrase.src_end <= own.src_start or own.src_end <= phrase.src_start for own in chosen):
            chosen.append(phrase)
    return sorted(chosen)


class TermPairs:
    """Writes terms into the sources of training pairs.

    Args:
        tokenizer: of the model.
        table: the phrases.
        options: of `data.terms`.
        seed: of the run.
    """

    def __init__(self, tokenizer: Tokenizer, table: PhraseTable, options: TermsConfig, seed: int) -> None:
        self._tokenizer, self._table, self._options, self._seed = tokenizer, table, options, seed

    def find(self, texts: Sequence[Texts], langs: Languages) -> list[tuple[Texts, list[Phrase]]]:
        """The pairs in the form that the subword model reads, with their phrases."""
        formed = [self._tokenizer.form.pair(*pair) for pair in texts]
        return list(zip(formed, self._table.phrases(formed, langs, self._options.max_words), strict=True))

    def write(
        self, found: Sequence[tuple[Texts, list[Phrase]]], srcs: Sequence[list[int]], tags: int, version: int
    ) -> list[list[int]]:
        """The ids of sources with terms.

        Args:
            found: by `find`.
            srcs: the ids of each source, its tags first.
            tags: how many these are.
            version: of the training data.
        """
        return [
            [*ids[:tags], *self._written(texts, phrases, ids[tags:], version)]
            for (texts, phrases), ids in zip(found, srcs, strict=True)
        ]

    def _written(self, texts: Texts, phrases: Sequence[Phrase], ids: list[int], version: int) -> list[int]:
        src, tgt = texts
        seed = f"{self._seed} terms {version}\t{src}\t{tgt}"
        chosen = drawn(phrases, self._options, src.count(" ") + 1, seed)
        if not chosen:
            return ids
        terms = [self._term(tgt[phrase.tgt_start : phrase.tgt_end], phrase, seed) for phrase in chosen]
        encoded = self._tokenizer.src.encode(terms)
        inline = [
            InlineTerm(phrase.src_start, phrase.src_end, own)
            for phrase, own in zip(chosen, encoded, strict=True)
            if Tokenizer.UNK not in own
        ]
        return write_terms(self._tokenizer.src, src, ids, inline)[0]

    def _term(self, text: str, phrase: Phrase, seed: str) -> str:
        """The phrase as a glossary would have it: half of those that begin a sentence lose their capital."""
        if (
            phrase.tgt_start
            or random.Random(xxhash.xxh3_64_intdigest(f"{seed}\tcase".encode())).random() < 0.5
        ):
            return text
        if self._tokenizer.form.options.casing == "inline":
            return text.replace(CAPITAL, "", 1)
        return text[:1].lower() + text[1:]
