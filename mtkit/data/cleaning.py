"""What a worker does to a chunk of raw pairs: normalise, judge by the filters, write a part.

A part has every pair that was read, dropped or not, so that each can be accounted for later.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.config.filters import DuplicateFilter, Filter, NearDuplicateFilter, OverlapFilter
from mtkit.config.text import TextConfig
from mtkit.data.filters import build_keys, build_overlap, build_verdict
from mtkit.data.near import fold, hash64
from mtkit.data.pair import Pair
from mtkit.data.parts import Array, array_text, digest_of, text_array, write_part
from mtkit.data.screen import Doubts, Screen, build_screen
from mtkit.text.form import TextForm

KEPT = 255
"""The fate of a pair that nothing dropped; any other is the index of the filter that did."""


@dataclass(frozen=True, slots=True)
class CleanSpec:
    """What decides the verdicts; hashable, so that a worker builds its filters once.

    Attributes:
        held_out: a file of validation and test pairs for the overlap filter; None if there is none.
        fold: give the keys by which `splits` groups pairs.
        text: of which the parts that act before the filters matter.
    """

    filters: tuple[Filter, ...]
    src_lang: str
    tgt_lang: str
    held_out: Path | None
    fold: bool
    text: TextConfig


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw pairs and the part that they become.

    Attributes:
        rows: the fields of each pair; a tuple travels faster between processes than a `Pair`.
        stored: the summary of the part if an earlier run made it; there are no rows then.
    """

    path: Path
    rows: Sequence[tuple[Any, ...]] = ()
    stored: dict[str, Any] | None = None


row_of = operator.attrgetter(*(field.name for field in fields(Pair)))
"""The fields of a pair, as `Pair` takes them."""


def clean_chunk(task: tuple[CleanSpec, Chunk]) -> dict[str, Any]:
    """Writes the part of a chunk: normalised pairs, and notes of where each came from and what was found.

    Its summary has the number of `pairs`, of `keys` by the filter's index, and digests of `text` and `notes`.
    """
    spec, chunk = task
    if chunk.stored is not None:
        return chunk.stored
    normalize = TextForm(spec.text).normalize
    srcs = [normalize(row[0]) for row in chunk.rows]
    tgts = [normalize(row[1]) for row in chunk.rows]
    pairs = [Pair(src, tgt, *row[2:]) for src, tgt, row in zip(srcs, tgts, chunk.rows, strict=True)]
    arrays, details = _judge(spec, pairs, _screen(spec)(srcs, tgts))
    if spec.fold:
        folds = [fold_key(text) for pair in pairs for text in (pair.src, pair.tgt)]
        arrays["folds"] = np.array(folds, np.uint64).reshape(-1, 2)
    noted = (f"{_plain(pair.origin)}\t{_plain(details.get(n, ''))}\n" for n, pair in enumerate(pairs))
    text = text_array("".join(f"{src}\t{tgt}\n" for src, tgt in zip(srcs, tgts, strict=True)))
    notes = text_array("".join(noted))
    summary = {
        "pairs": len(pairs),
        "text": digest_of(text.tobytes()),
        "notes": digest_of(notes.tobytes()),
        "keys": {name.removeprefix("keys"): len(arrays[name]) for name in arrays if name.startswith("keys")},
    }
    return write_part(chunk.path, summary, text=text, notes=notes, **arrays)


def _judge(
    spec: CleanSpec, pairs: Sequence[Pair], doubts: Sequence[Doubts | None]
) -> tuple[dict[str, Array], dict[int, str]]:
    """The fates, with the keys of pairs that reach a filter of repetitions; and what was found, by number."""
    fates = np.full(len(pairs), KEPT, np.uint8)
    arrays: dict[str, Array] = {"fates": fates}
    details: dict[int, str] = {}
    for step in _steps(spec):
        doubted = doubts[step.index]
        left = fates == KEPT if doubted is None else (fates == KEPT) & doubted
        numbers = np.flatnonzero(left).tolist()
        if step.verdict:
            for number in numbers:
                found = step.verdict(pairs[number])
                if found is not None:
                    fates[number], details[number] = step.index, found
        elif step.keys:
            keys = [step.keys(pairs[number]) for number in numbers]
            arrays[f"keys{step.index}"] = np.fromiter(chain.from_iterable(keys), np.uint64)
            arrays[f"owners{step.index}"] = np.repeat(np.array(numbers, np.int64), list(map(len, keys)))
    return arrays, details


def _plain(note: str) -> str:
    """The note without tabs and line feeds, which file names may have."""
    return " ".join(note.split()) if "\t" in note or "\n" in note else note


@dataclass(frozen=True, slots=True)
class Step:
    """What one filter does: it judges a pair by itself, or gives keys that no earlier pair may have.

    Attributes:
        index: of the filter among all.
        verdict: None to keep, else why the pair is dropped.
    """

    index: int
    verdict: Callable[[Pair], str | None] | None = None
    keys: Callable[[Pair], Sequence[int]] | None = None


@functools.lru_cache(maxsize=1)
def _steps(spec: CleanSpec) -> tuple[Step, ...]:
    return tuple(_build_steps(spec))


@functools.lru_cache(maxsize=1)
def _screen(spec: CleanSpec) -> Screen:
    return build_screen(spec.filters, spec.src_lang, spec.tgt_lang)


def _build_steps(spec: CleanSpec) -> Iterator[Step]:
    for index, options in enumerate(spec.filters):
        match options:
            case DuplicateFilter() | NearDuplicateFilter():
                yield Step(index, keys=build_keys(options))
            case OverlapFilter():
                yield Step(index, build_overlap(options, _read_held_out(spec.held_out)))
            case _:
                if verdict := build_verdict(options, spec.src_lang, spec.tgt_lang):
                    yield Step(index, verdict)


def _read_held_out(path: Path | None) -> Iterator[Pair]:
    if path:
        for line in array_text(np.fromfile(path, np.uint8)).split("\n")[:-1]:
            src, tgt = line.split("\t")
            yield Pair(src, tgt)


def fold_key(text: str) -> int:
    """Equal for texts that differ in case, punctuation and spacing alone."""
    return hash64(fold(text) or text.encode())
