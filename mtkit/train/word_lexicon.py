"""Learns the bilingual lexicon of a model from its training data, in bounded time. Free of torch.

The word aligner of guided alignment does it, on words instead of subword pieces.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from mtkit.config.schema import Config
from mtkit.data.prepare.align import (
    RARE,
    Array,
    Lexicon,
    count_words,
    learn_table,
    number_words,
    word_ids,
)
from mtkit.data.prepare.prepared import Prepared
from mtkit.data.prepare.shards import batches
from mtkit.errors import InputError
from mtkit.runs.word_table import MAX_BYTES, STEPS, Links, WordTable, table_bytes
from mtkit.text.word_spans import words_of

logger = logging.getLogger(__name__)

CELLS = 24_000_000
"""Pairs of a source and a target word, in all sentences together, from which a lexicon is learned at most."""
MOST = 50
"""Translations of a word that are kept."""
LEAST = 0.04
"""Translations that are less probable are not kept."""
MAX_WORDS = 200
"""Longer sentences are skipped: they would cost most and teach least."""

TextPairs = Iterable[tuple[str, str]]


def lexicon_of(config: Config, prepared: Prepared) -> bytes | None:
    """The lexicon file for a model of these data; None if none can be learned.

    The words of a model with several target languages belong to no one language, and it gets none.
    """
    if config.data.target_tags:
        return None
    try:
        table = learn_words(_texts(prepared), (config.data.src_lang, config.data.tgt_lang))
    except InputError as error:
        logger.info("no lexicon is written: %s", error)
        return None
    return bounded_bytes(table)


def _texts(prepared: Prepared) -> Iterator[tuple[str, str]]:
    """Training pairs as text, at equal distances in the data and not many more than `CELLS` allows."""
    lengths = np.concatenate([shard.lengths for shard in prepared.train]).astype(np.int64)
    every = max(1, int(lengths.prod(axis=1).sum()) // (4 * CELLS))  # words are fewer than pieces
    form = prepared.tokenizer.form
    for shard in prepared.train:
        for numbers in batches(range(0, len(shard), every), 4096):
            srcs = prepared.tokenizer.src.decode([shard.src(number).tolist() for number in numbers])
            tgts = prepared.tokenizer.tgt.decode([shard.tgt(number).tolist() for number in numbers])
            for pair in zip(srcs, tgts, strict=True):
                src, tgt = (form.restore(text)[0] for text in pair)
                yield src, tgt


def learn_words(texts: TextPairs, langs: tuple[str, str]) -> WordTable:
    """The words of both languages and their translations, learned from pairs of texts.

    Raises:
        InputError: no pair has words on both sides.
    """
    # 1. Words, thinned out to the limit.
    found = [(words_of(src, langs[0]), words_of(tgt, langs[1])) for src, tgt in texts]
    found = [(src, tgt) for src, tgt in found if src and tgt and max(len(src), len(tgt)) <= MAX_WORDS]
    size = sum(len(src) * len(tgt) for src, tgt in found)
    if size > CELLS:
        kept = np.linspace(0, len(found) - 1, max(1, len(found) * CELLS // size)).astype(np.int64)
        found = [found[number] for number in kept.tolist()]
    # 2. Ids, the most frequent words first. Null is 0.
    sides = [[pair[side] for pair in found] for side in (0, 1)]
    counts = [count_words(rows) for rows in sides]
    ids = [word_ids(own) for own in counts]
    srcs, tgts = ([number_words(row, own) for row in rows] for rows, own in zip(sides, ids, strict=True))
    bases = [len(own) + RARE + 1 for own in ids]
    # 3. Both tables.
    forward = learn_table(list(zip(srcs, tgts, strict=True)), bases[1])
    backward = learn_table(list(zip(tgts, srcs, strict=True)), bases[0])
    keys, probs = _joined(forward, backward)
    words, others = keys // bases[1] - RARE - 1, keys % bases[1] - RARE - 1
    return WordTable(
        langs,
        len(found),
        (list(counts[0]), list(counts[1])),
        (list(counts[0].values()), list(counts[1].values())),
        (_best(words, others, probs, len(counts[0])), _best(others, words, probs, len(counts[1]))),
    )


def _joined(forward: Lexicon, backward: Lexicon) -> tuple[Array, Array]:
    """The keys of the forward table that are kept, and the larger probability of both directions."""
    turned = backward.keys % backward.base * forward.base + backward.keys // backward.base
    keys, probs = np.concatenate((forward.keys, turned)), np.concatenate((forward.probs, backward.probs))
    src, tgt = keys // forward.base, keys % forward.base
    kept = (probs >= LEAST) & (src > RARE) & (tgt > RARE)
    keys, places = np.unique(keys[kept], return_inverse=True)
    largest = np.zeros(len(keys))
    np.maximum.at(largest, places, probs[kept])
    return keys, largest


def _best(owners: Array, others: Array, probs: Array, num_words: int) -> Links:
    """The most probable translations of each word, given as three arrays [links]."""
    order = np.lexsort((others, -probs, owners))
    owners, others, probs = owners[order], others[order], probs[order]
    begins = np.searchsorted(owners, np.arange(num_words))
    kept = np.arange(len(owners)) - begins[owners] < MOST
    offsets = np.concatenate(([0], np.cumsum(np.bincount(owners[kept], minlength=num_words))))
    roots = np.rint(np.sqrt(probs[kept]) * STEPS).clip(1, STEPS).astype(np.uint8)
    return Links(offsets.tolist(), others[kept].tolist(), roots.tobytes())


def bounded_bytes(table: WordTable) -> bytes:
    """The file of a table, whose rarest words are left out until it is small enough."""
    while len(content := table_bytes(table)) > MAX_BYTES:
        share = 0.9 * MAX_BYTES / len(content)
        table = _most_frequent(table, [int(share * len(words)) for words in table.words])
    return content


def _most_frequent(table: WordTable, sizes: Sequence[int]) -> WordTable:
    """The table of the first words of both languages."""
    links = []
    for own, size, others in zip(table.links, sizes, reversed(sizes), strict=True):
        end = own.offsets[size]
        kept = [place for place in range(end) if own.ids[place] < others]
        ends = np.searchsorted(kept, own.offsets[: size + 1])
        ids, probs = [own.ids[place] for place in kept], bytes(own.probs[place] for place in kept)
        links.append(Links(ends.tolist(), ids, probs))
    words = [each[:size] for each, size in zip(table.words, sizes, strict=True)]
    counts = [each[:size] for each, size in zip(table.counts, sizes, strict=True)]
    return replace(
        table, words=(words[0], words[1]), counts=(counts[0], counts[1]), links=(links[0], links[1])
    )
