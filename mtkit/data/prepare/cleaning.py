"""A worker's task: normalise a chunk of raw pairs, apply the filters and write a part.

A part contains every pair that was read, even if it was dropped, because all are accounted for later.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from mtkit.config.filters import Filter
from mtkit.config.text import TextConfig
from mtkit.data.clean.column import Column
from mtkit.data.clean.folding import hash64
from mtkit.data.clean.judging import Built, Judge, Repeats, build_filter
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.prepare.parts import Array, array_text, digest_of, text_array, write_part
from mtkit.data.read.blocks import Block, lines_of
from mtkit.data.read.pair import Pair
from mtkit.text.form import TextForm

KEPT = 255
"""The fate of a pair that is kept; any other fate is the index of the filter that dropped the pair."""


@dataclass(frozen=True, slots=True)
class CleanSpec:
    """Everything that decides the verdicts; hashable, and a worker builds the filters once for each.

    Attributes:
        held_out: a file of validation and test pairs, with the name of their set.
        fold: whether to write the keys by which `splits` groups pairs.
        text: options of the form of text; only those that apply before the filters matter.
    """

    filters: tuple[Filter, ...]
    src_lang: str
    tgt_lang: str
    held_out: Path
    fold: bool
    text: TextConfig


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw pairs and the part to write.

    Attributes:
        block: the pairs; None if an earlier run wrote the part.
        stored: the summary of the part, if an earlier run wrote it.
    """

    path: Path
    block: Block | None
    stored: dict[str, Any] | None = None


def clean_chunk(task: tuple[CleanSpec, Chunk]) -> dict[str, Any]:
    """Writes the part of a chunk: normalised sides, fates, and notes of origins and of reasons to drop.

    Returns its summary: the number of `pairs`, of `keys` by the filter's index, and digests of `text` and
    `notes`.
    """
    spec, chunk = task
    if chunk.block is None:
        return chunk.stored or {}
    block = chunk.block
    form = TextForm(spec.text)
    src, tgt = (Column(form.normalize_lines(text)) for text in (block.src, block.tgt))
    arrays, details = _judge(spec, block, src, tgt)
    if spec.fold:
        arrays["folds"] = np.stack([fold_keys(src), fold_keys(tgt)], axis=1)
    notes = text_array(json.dumps({"origins": block.origins, "details": details}))
    summary = {
        "pairs": len(src),
        "text": digest_of(src.data, tgt.data),
        "notes": digest_of(notes.tobytes()),
        "keys": {name.removeprefix("keys"): len(arrays[name]) for name in arrays if name.startswith("keys")},
    }
    return write_part(chunk.path, summary, src=src.array, tgt=tgt.array, notes=notes, **arrays)


def _judge(
    spec: CleanSpec, block: Block, src: Column, tgt: Column
) -> tuple[dict[str, Array], dict[int, str]]:
    """Applies all filters.

    Returns:
        `fates` [pairs]; `leaks` [hits, 4], number of the pair and fields of the hit; and for each filter `n`
        that finds duplicates, `keysn` [keys] and `ownersn` [keys], the number of the pair of each.
        The reasons for dropping pairs, by number.
    """
    fates = np.full(len(src), KEPT, np.uint8)
    arrays: dict[str, Array] = {"fates": fates}
    details: dict[int, str] = {}
    filters, guard = _build(spec)
    scores = block.scores or [None] * len(src)
    # 1. Leaks are counted in all pairs, whatever the filters drop.
    leaks = guard.find_all(src, tgt)
    rows = [(number, *hit) for number, hits in leaks.items() for hit in hits]
    arrays["leaks"] = np.array(rows, np.int64).reshape(-1, 4)
    # 2. Each filter gets the pairs that the filters before it left.
    for index, built in enumerate(filters):
        left = fates == KEPT
        match built:
            case Judge():
                if built.screen is not None:
                    left &= built.screen(src, tgt)
                for number in np.flatnonzero(left).tolist():
                    found = built.verdict(Pair(src.lines[number], tgt.lines[number], score=scores[number]))
                    if found is not None:
                        fates[number], details[number] = index, found
            case Repeats():
                numbers = np.flatnonzero(left).tolist()
                keys = built.keys(src, tgt, numbers)
                arrays[f"keys{index}"] = keys.ravel()
                arrays[f"owners{index}"] = np.repeat(np.array(numbers, np.int64), keys.shape[1])
            case LeakGuard():
                hits = leaks if built is guard else built.find_all(src, tgt)
                for number in [number for number in hits if left[number]]:
                    fates[number], details[number] = index, built.describe(hits[number][0])
            case None:
                pass
            case _:
                assert_never(built)
    return arrays, details


@functools.lru_cache(maxsize=1)
def _build(spec: CleanSpec) -> tuple[tuple[Built | None, ...], LeakGuard]:
    """The filters, and the guard that counts leaks; if no filter is a guard, only equal texts are counted."""
    filters = tuple(
        build_filter(options, spec.src_lang, spec.tgt_lang, read_held_out(spec.held_out))
        for options in spec.filters
    )
    guards = [built for built in filters if isinstance(built, LeakGuard)]
    return filters, guards[0] if guards else LeakGuard(read_held_out(spec.held_out), None)


def held_out_line(pair: Pair) -> str:
    """A line of the file that `read_held_out` reads."""
    return "\t".join((pair.origin, pair.src, pair.tgt, *pair.refs)) + "\n"


def read_held_out(path: Path) -> Iterator[Pair]:
    """The validation and test pairs; the origin of each is the name of its set."""
    for line in lines_of(array_text(np.fromfile(path, np.uint8))):
        name, src, tgt, *refs = line.split("\t")
        yield Pair(src, tgt, name, refs=tuple(refs))


def fold_keys(side: Column) -> npt.NDArray[np.uint64]:
    """[lines], keys that are equal for texts that differ only in case, punctuation and spacing."""
    found = side.hashes(fold=True)
    empty = [number for number, data in enumerate(side.folds) if not data]
    found[empty] = [hash64(side.lines[number].encode()) for number in empty]
    return found
