"""Counts over cleaned parts: pairs that filters dropped, where they lie, and sentences."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

import numpy as np

from mtkit.config.filters import DuplicateFilter, Filter, NearDuplicateFilter, OverlapFilter
from mtkit.data.prepare.clean_parts import CleanPart, Fates, SentenceCount, num_kept, sampled
from mtkit.data.prepare.cleaning import KEPT
from mtkit.data.prepare.ledger import LedgerRow
from mtkit.data.prepare.parts import array_text, read_part
from mtkit.data.prepare.stretches import LossyStretch, find_stretches
from mtkit.data.read.blocks import Origins
from mtkit.text.segment import sentences

_PAIRS_COUNTED, _PARTS_COUNTED = 20_000, 64
"""Pairs whose sentences are counted, and about how many parts they come from."""


def count_dropped(
    names: Sequence[str],
    reasons: Sequence[str],
    repairs: Sequence[Mapping[str, int]],
    parts: Sequence[CleanPart],
    fates: Fates,
) -> list[LedgerRow]:
    """A row for each corpus, before the filters that count tokens; without examples."""
    counts = np.zeros((len(names), KEPT + 1), np.int64)
    for part in parts:
        counts[part.source] += np.bincount(fates[part.begin : part.end], minlength=KEPT + 1)
    return [
        LedgerRow(
            name,
            read=sum(own),
            kept=own[KEPT],
            dropped=dict(zip(reasons, own, strict=False)),
            repairs=dict(repaired),
        )
        for name, own, repaired in zip(names, counts.tolist(), repairs, strict=True)
    ]


def stretches_of(
    parts: Sequence[CleanPart], fates: Fates, filters: Mapping[str, Filter], number: int
) -> list[LossyStretch]:
    """Where far more pairs of corpus `number` were dropped than elsewhere; repetitions are not counted."""
    # 1. The pairs of the corpus are consecutive.
    own = [part for part in parts if part.source == number]
    fates = fates[own[0].begin : own[-1].end] if own else fates[:0]
    about_pair = {
        index: name
        for index, (name, options) in enumerate(filters.items())
        if not isinstance(options, DuplicateFilter | NearDuplicateFilter | OverlapFilter)
    }
    # 2. Stretches, with the counts of each filter.
    found = []
    for begin, end in find_stretches(np.isin(fates, list(about_pair))):
        counts = np.bincount(fates[begin:end], minlength=KEPT + 1).tolist()
        dropped = {name: counts[index] for index, name in about_pair.items() if counts[index]}
        first, last = (_origin(own, own[0].begin + position) for position in (begin, end - 1))
        found.append(LossyStretch(first, last, end - begin, dropped))
    return found


def _origin(parts: Sequence[CleanPart], position: int) -> str:
    """Where the pair at a position among all pairs was read."""
    part = next(part for part in parts if part.begin <= position < part.end)
    notes = json.loads(array_text(read_part(part.path, "notes")[0]))
    return Origins(notes["origins"])[position - part.begin]


def count_sentences(
    parts: Sequence[CleanPart], fates: Fates, src_langs: Sequence[str], seed: int
) -> SentenceCount:
    """The sentences per source, from a sample of what is kept; there must be some."""
    some = parts[:: max(1, len(parts) // _PARTS_COUNTED)]
    if (kept := num_kept(some, fates)) == 0:
        some, kept = parts, num_kept(parts, fates)
    pairs = sampled(some, fates, min(kept, _PAIRS_COUNTED), random.Random(f"{seed} sentences"))
    counts = [len(sentences(src, src_langs[source])) or 1 for source, (src, _) in pairs]
    several = sum(count > 1 for count in counts)
    return SentenceCount(len(counts), sum(counts) / len(counts), several / len(counts))
