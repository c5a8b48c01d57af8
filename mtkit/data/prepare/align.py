"""Word alignment of token sequences: IBM Model 1 with fast_align's diagonal prior. Free of torch.

Tables of translation probabilities t(target | source) are learned by EM (Brown et al. 1993) from the token
ids in shards. Positions have the prior of Dyer et al. 2013, equation 2, with a fixed tension and a null word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtkit.disk.files import atomic_folder, new_file
from mtkit.disk.manifest import MANIFEST, read_manifest
from mtkit.disk.reading import using
from mtkit.errors import InputError

if TYPE_CHECKING:
    from mtkit.data.prepare.stages import ReportProgress

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Pairs = Sequence[tuple[Array, Array]]

FORMAT, VERSION = "mtkit-alignment", 1
PAD = 0
"""Padding; no token of a text has this id."""
RARE = 1
"""Where tokens are words, the id of all rare ones together."""
SEEN = 2
"""Pairs that must contain a word for it to have an id of its own."""

_NULL = 0.08
"""Probability of the null word, as in fast_align."""
_TENSION = 4.0
"""Preference for the diagonal, as in fast_align."""
CELLS = 1 << 21
"""Most pairs of positions that are computed at once."""
_KEPT_CELLS = 1 << 26
"""Most pairs of positions whose places in the table are kept between iterations, in 4 bytes each."""
_LEAST = 1e-7
"""Entries with a smaller probability are removed from the final table."""
_UNSEEN = 1e-9
"""Probability of pairs that the table does not contain."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Lexical translation probabilities t(target | source) of tokens that occur together.

    Attributes:
        keys: source id · `base` + target id, sorted; the source id of the null word is PAD.
        probs: the probability of each key; those of a source token sum to 1.
        base: a number greater than any target id.
    """

    keys: npt.NDArray[np.int64]
    probs: Floats
    base: int

    def lookup(self, keys: Array) -> Floats:
        """The probability of each key; a tiny one for keys that are not in the table."""
        index = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[index] == keys, self.probs[index], _UNSEEN)


# ---------------------------------------------------------------- learning


def learn_table(
    pairs: Pairs, base: int, iterations: int = 5, progress: ReportProgress | None = None
) -> Lexicon:
    """Learns a table from pairs of (source ids, target ids) by EM, starting from uniform probabilities.

    The result depends only on the arguments. Memory grows with the number of distinct token pairs that occur
    together, so a large corpus should be sampled.

    Raises:
        InputError: no pair has tokens on both sides.
    """
    # 1. Sort the pairs by length.
    order = [number for number, (src, tgt) in enumerate(pairs) if len(src) and len(tgt)]
    if not order:
        raise InputError("alignment: there is no pair with tokens on both sides.")
    order.sort(key=lambda number: (len(pairs[number][0]), len(pairs[number][1])))
    # 2. Collect the keys of all tokens that occur together, [keys].
    keys = np.zeros(0, np.int64)
    for src, tgt in _chunks(pairs, order):
        keys = _different(np.concatenate((keys, _different(_keys(src, tgt, base)[_cells(src, tgt)]))))
    table = Lexicon(keys, np.ones(len(keys)), base)
    # 3. Count expected links, and normalise the counts of each source token.
    owners = keys // base
    places: list[Array] = []  # of each chunk's cells in the table, found in the first iteration
    keeps = sum((1 + len(pairs[number][0])) * len(pairs[number][1]) for number in order) <= _KEPT_CELLS
    for number in range(iterations):
        if progress is not None:
            progress("aligning words", number, iterations)
        counts = np.zeros(len(keys))
        for chunk, (src, tgt) in enumerate(_chunks(pairs, order)):
            cells = _cells(src, tgt)  # selects real positions from [pairs, tgt_len, 1 + src_len]
            if chunk < len(places):
                index = places[chunk]
            else:
                index = np.searchsorted(keys, _keys(src, tgt, base)[cells]).astype(np.int32)
            if keeps and not number:
                places.append(index)
            joint = _prior(src, tgt)
            joint[~cells] = 0.0
            joint[cells] *= table.probs[index]
            joint /= joint.sum(-1, keepdims=True).clip(min=np.finfo(float).tiny)
            counts += np.bincount(index, joint[cells], len(keys))
        table = Lexicon(keys, counts / np.bincount(owners, counts)[owners], base)
    kept = table.probs >= _LEAST
    return Lexicon(keys[kept], table.probs[kept], base)


def _different(values: Array) -> Array:
    """The different values, sorted: for so many a tenth of the time of `np.unique`, which hashes them."""
    values = np.sort(values)
    return values[np.concatenate(([True], values[1:] != values[:-1]))]


def _chunks(pairs: Pairs, order: Sequence[int]) -> Iterator[tuple[Array, Array]]:
    """Yields pairs of similar length as two padded arrays, [pairs, src_len] and [pairs, tgt_len]."""
    begin = 0
    while begin < len(order):
        src_len = tgt_len = end = 0
        for end in range(begin, len(order)):
            src, tgt = pairs[order[end]]
            src_len, tgt_len = max(src_len, len(src)), max(tgt_len, len(tgt))
            if (end + 1 - begin) * (src_len + 1) * tgt_len > CELLS and end > begin:
                break
        else:
            end = len(order)
        chosen = [pairs[number] for number in order[begin:end]]
        yield padded([src for src, _ in chosen]), padded([tgt for _, tgt in chosen])
        begin = end


def padded(rows: Sequence[Array]) -> Array:
    """The rows as one array, filled up with PAD, [rows, longest]."""
    result = np.full((len(rows), max(map(len, rows))), PAD, np.int64)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result


# ---------------------------------------------------------------- posteriors


def _keys(src: Array, tgt: Array, base: int) -> npt.NDArray[np.int64]:
    """The keys of all pairs of positions, the null word first, [pairs, tgt_len, 1 + src_len]."""
    with_null = np.pad(src, ((0, 0), (1, 0)), constant_values=PAD)
    return with_null[:, None, :] * base + tgt[:, :, None]


def _cells(src: Array, tgt: Array) -> npt.NDArray[np.bool_]:
    """True where neither side is padding, [pairs, tgt_len, 1 + src_len]."""
    real = np.pad(src != PAD, ((0, 0), (1, 0)), constant_values=True)
    return real[:, None, :] & (tgt != PAD)[:, :, None]


def _prior(src: Array, tgt: Array) -> Floats:
    """The prior probability of each link, from positions alone, [pairs, tgt_len, 1 + src_len]."""
    src_place, tgt_place = (
        np.arange(1, ids.shape[1] + 1) / (ids != PAD).sum(1, keepdims=True).clip(min=1) for ids in (src, tgt)
    )
    near = np.exp(-_TENSION * np.abs(tgt_place[:, :, None] - src_place[:, None, :]))
    near *= (src != PAD)[:, None, :]
    near *= (1 - _NULL) / near.sum(-1, keepdims=True).clip(min=np.finfo(float).tiny)
    return np.pad(near, ((0, 0), (0, 0), (1, 0)), constant_values=_NULL)


def _with_null(table: Lexicon, src: Array, tgt: Array) -> Floats:
    """The posterior probability of each link, the null word first, [pairs, tgt_len, 1 + src_len]."""
    joint = table.lookup(_keys(src, tgt, table.base)) * _prior(src, tgt) * _cells(src, tgt)
    return joint / joint.sum(-1, keepdims=True).clip(min=np.finfo(float).tiny)


def posteriors(table: Lexicon, src: Array, tgt: Array) -> Floats:
    """The probability that each target token translates each source token, [pairs, tgt_len, src_len].

    Rows sum to less than 1; the rest belongs to the null word. Both sides [pairs, length] are padded with
    PAD.
    """
    return _with_null(table, src, tgt)[:, :, 1:]


@dataclass(frozen=True, slots=True)
class Aligner:
    """Tables of both directions."""

    forward: Lexicon
    backward: Lexicon

    def agreement(self, src: Array, tgt: Array, least: float = 0.1) -> Floats:
        """A distribution over source tokens for each target token, [pairs, tgt_len, src_len].

        It is the product of both directions' posteriors (Liang et al. 2006), a soft intersection. Products
        below `least` become 0; if all do, the row of the token is 0.
        """
        both = posteriors(self.forward, src, tgt) * posteriors(self.backward, tgt, src).transpose(0, 2, 1)
        both[both < least] = 0.0
        return both / both.sum(-1, keepdims=True).clip(min=least)

    def links(self, pairs: Pairs) -> list[npt.NDArray[np.bool_]]:
        """Which tokens of each pair `agreement` links, [tgt_len, src_len]."""
        found = [np.zeros((len(tgt), len(src)), bool) for src, tgt in pairs]
        order = [number for number, own in enumerate(found) if own.size]
        order.sort(key=lambda number: (len(pairs[number][0]), len(pairs[number][1])))
        numbers = iter(order)
        for src, tgt in _chunks(pairs, order):
            for linked in self.agreement(src, tgt) > 0:
                own = found[next(numbers)]
                own[:] = linked[: own.shape[0], : own.shape[1]]
        return found


def learn_aligner(
    pairs: Pairs, src_base: int, tgt_base: int, iterations: int = 5, progress: ReportProgress | None = None
) -> Aligner:
    """Learns both tables from the same pairs. `src_base` and `tgt_base` exceed all ids of their side."""
    turned = [(tgt, src) for src, tgt in pairs]
    return Aligner(
        learn_table(pairs, tgt_base, iterations, progress),
        learn_table(turned, src_base, iterations, progress),
    )


# ---------------------------------------------------------------- words


def count_words(rows: Iterable[Sequence[str]]) -> dict[str, int]:
    """The number of rows that contain each word, the most frequent first, without rare words."""
    counter = Counter(word for row in rows for word in set(row))
    return {
        word: count
        for word, count in sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        if count >= SEEN
    }


def word_ids(words: Iterable[str]) -> dict[str, int]:
    """An id for each word, in order, after `RARE`."""
    return {word: number for number, word in enumerate(words, start=RARE + 1)}


def number_words(words: Iterable[str], ids: Mapping[str, int]) -> Array:
    """The ids of words, [words]."""
    return np.array([ids.get(word, RARE) for word in words], np.int64)


# ---------------------------------------------------------------- files


def write_aligner(folder: Path, aligner: Aligner, data: str) -> None:
    """Writes `folder`, whole or not at all; `data` is the fingerprint of the training data."""
    bases = [aligner.forward.base, aligner.backward.base]
    with atomic_folder(folder, {"format": FORMAT, "version": VERSION, "data": data, "bases": bases}) as part:
        for name, table in (("forward", aligner.forward), ("backward", aligner.backward)):
            for kind, values in (("keys", table.keys.astype("<i8")), ("probs", table.probs.astype("<f8"))):
                with new_file(part / f"{name}.{kind}.bin") as file:
                    file.write(values.tobytes())


def read_aligner(folder: Path, data: str) -> Aligner:
    """The aligner that `write_aligner` wrote.

    Raises:
        InputError: the folder is missing or damaged, or was learned from other data.
    """
    manifest = read_manifest(folder, FORMAT, VERSION)
    if manifest.get("data") != data:
        raise InputError(f"{folder}: the alignment was learned from other data.")
    with using(folder / MANIFEST, "Delete the folder to create it again."):
        bases = [int(base) for base in manifest["bases"]]
        tables = [
            Lexicon(
                _listed(folder, manifest, f"{name}.keys"), _listed(folder, manifest, f"{name}.probs"), base
            )
            for name, base in zip(("forward", "backward"), bases, strict=True)
        ]
        if any(
            not len(table.keys) == len(table.probs) > 0 or not 1 <= table.base < 1 << 31 for table in tables
        ):
            raise ValueError("its tables are inconsistent")
    return Aligner(*tables)


def _listed(folder: Path, manifest: dict[str, Any], name: str) -> Array:
    if f"{name}.bin" not in manifest["files"]:
        raise KeyError(name)
    return np.fromfile(folder / f"{name}.bin", "<i8" if name.endswith("keys") else "<f8")
