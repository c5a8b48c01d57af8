"""The most similar of many texts, by an index of their words and an edit distance.

The similarity of two texts is 1 - d / max(n, m), with their numbers of words n and m and the Levenshtein
distance d of their words, as in Bulte and Tezcan (2019) and in Xu, Crego and Senellart (2020).
"""

from __future__ import annotations

import importlib.util
import math
import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from mtkit.errors import UsageError
from mtkit.text.languages import UNSPACED_CHARACTERS

Numbers = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.int32]
Bounds = npt.NDArray[np.float64]
Accepts = Callable[[Numbers], npt.NDArray[np.bool_]]
"""Takes numbers of texts; whether each of them may be found."""

_WORD = re.compile(rf"[{UNSPACED_CHARACTERS}]|[^\W{UNSPACED_CHARACTERS}]+|[^\w\s]")
_LEVELS = (0.6, 0.3, 0)
"""Shares of the way from the threshold to 1; from there on, similar texts are looked for."""
_MOST_SHARED = 8
"""Most rare words that similar texts must have in common to be compared."""
_FEW = 20
"""A sort is faster than counting in an array that is so many times as long."""
_AT_ONCE = 64
"""Candidates whose distances are computed together."""
_TINY = 1e-9
"""Against rounding: 0.7 * 10 is above 7."""


class Similar(NamedTuple):
    """A text of the index.

    Attributes:
        number: of the text.
        score: its similarity, from 0 to 1.
    """

    number: int
    score: float


def check_rapidfuzz(what: str, hint: str = "") -> None:
    """Checks that rapidfuzz is there, before any work.

    Args:
        what: needs it, for the message.
        hint: what can be done instead of installing it.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("rapidfuzz") is None:
        advice = f"Install it: pip install rapidfuzz.{f' {hint}' if hint else ''}"
        raise UsageError(f"{what}: rapidfuzz is not installed.", advice)


def fuzzy_words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, and every other character that is no white space.

    Text without spaces between words is divided into characters.
    """
    return _WORD.findall(text)


class FuzzyIndex:
    """Finds the most similar of some texts, with a similarity of at least `threshold`.

    It finds what a comparison with every text would find. With c words in common, the similarity is at most
    c / max(n, m); so among the rarest words of two similar texts some are common (the prefix filter of
    Chaudhuri, Ganti and Kaushik 2006, with several words as in Wang, Li and Feng 2012), and what follows them
    bounds c (the positional filter of Xiao et al. 2008). Only texts that pass are compared. A second *the* in
    a text counts as a word of its own.

    Args:
        texts: numbered from 0.
        threshold: the least similarity, above 0, at most 1.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = (
        *("threshold", "lengths", "starts", "vocabulary", "words", "keys", "ranks", "sorted"),
        *("by_length", "sizes", "postings", "places"),
    )
    """Names of the `arrays`."""

    def __init__(self, texts: Iterable[str], threshold: float) -> None:
        # 1. All words by their hashes, then by their places in the vocabulary.
        self._threshold = threshold
        hashes, lengths = array("Q"), array("i")
        for text in texts:
            own = _hashes(text)
            hashes.extend(own)
            lengths.append(len(own))
        self._lengths = np.array(lengths, np.int32)  # [texts]
        self._starts = np.concatenate([[0], self._lengths.cumsum(dtype=np.int64)])  # [texts + 1]
        self._vocabulary, words = np.unique(np.array(hashes, np.uint64), return_inverse=True)
        self._words = words.astype(np.int32)  # [words], text after text
        # 2. Repeated words of a text are told apart, and ordered by how many texts have them.
        owners = np.repeat(np.arange(len(lengths), dtype=np.int64), self._lengths)
        self._keys, tokens, counts = np.unique(
            _repeats(owners, words, len(self._vocabulary)), return_inverse=True, return_counts=True
        )
        self._ranks = np.empty(len(counts), np.int32)  # rank 0 is the rarest
        self._ranks[np.argsort(counts, kind="stable")] = np.arange(len(counts))
        ranks = self._ranks[tokens]
        self._sorted = ranks[np.lexsort((ranks, owners))]  # [words], the ranks of each text in order
        # 3. The first ranks of each text, with the texts that have them, by number of words.
        self._by_length = np.argsort(self._lengths, kind="stable")  # [texts]
        self._sizes = self._lengths[self._by_length]
        order = np.empty(len(lengths), np.int32)
        order[self._by_length] = np.arange(len(lengths), dtype=np.int32)
        places = np.arange(len(owners)) - self._starts[owners]
        needed = np.ceil(threshold * self._lengths - _TINY).astype(np.int64)
        first = np.flatnonzero(places < (self._lengths - needed + _shared(needed))[owners])
        first = first[np.lexsort((order[owners[first]], self._sorted[first]))]
        # Ordered by rank and then by number of words: one search finds those of a rank and of some lengths.
        self._postings = self._sorted[first].astype(np.int64) * len(lengths) + order[owners[first]]
        self._places = places[first].astype(np.int32)

    def __len__(self) -> int:
        return len(self._lengths)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it, for `from_arrays`."""
        return {name: np.asarray(getattr(self, f"_{name}")) for name in self.ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> FuzzyIndex:
        """The index whose `arrays` these are."""
        index = cls.__new__(cls)
        for name in cls.ARRAYS:
            setattr(index, f"_{name}", arrays[name])
        index._threshold = float(arrays["threshold"])
        return index

    def best(self, text: str, accepts: Accepts | None = None) -> Similar | None:
        """The most similar text, and of equally similar ones the last; None if there is none."""
        return self._best(self._known(text), accepts)

    def neighbour(self, number: int, accepts: Accepts | None = None) -> Similar | None:
        """The text of the index that is most similar to one of its texts, whose words are not the same."""
        words = self._words[self._starts[number] : self._starts[number + 1]].astype(np.int64)
        return self._best(words, accepts, with_equal=False)

    def differing(self, text: str, accepts: Accepts | None = None) -> Similar | None:
        """Like `best`, but not a text with the same words."""
        return self._best(self._known(text), accepts, with_equal=False)

    def _known(self, text: str) -> Numbers:
        """The words of a text; -1 for those that no text of the index has."""
        return _found_in(self._vocabulary, np.array(_hashes(text), np.uint64))

    def _best(self, words: Numbers, accepts: Accepts | None, *, with_equal: bool = True) -> Similar | None:
        """The best for a text of these words, -1 for those that no text of the index has.

        A very similar text is looked for first, because the filters then leave few.
        """
        ranks = np.sort(self._ranks_of(words))
        for share in _LEVELS:
            least = self._threshold + (1 - self._threshold) * share
            numbers = self._candidates(ranks, least)
            if accepts is not None and len(numbers):
                numbers = numbers[accepts(numbers)]
            found = self._nearest(words, *self._by_bound(ranks, numbers, least), least, with_equal)
            if found is not None:
                return found
        return None

    def _nearest(
        self, words: Numbers, numbers: Numbers, bounds: Bounds, least: float, with_equal: bool
    ) -> Similar | None:
        """The most similar of some texts, ordered by how similar they can be at most."""
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        best: Similar | None = None
        for begin in range(0, len(numbers), _AT_ONCE):
            if best and bounds[begin] < best.score:
                break
            some = numbers[begin : begin + _AT_ONCE]
            own, *others = self._spelled(words, some)
            distances = cdist([own], others, scorer=Levenshtein.distance, dtype=np.int32)[0]
            scores = 1 - distances / np.maximum(len(words), self._lengths[some])
            wanted = scores >= least - _TINY
            if not with_equal:
                wanted &= distances > 0
            for number, score in zip(some[wanted].tolist(), scores[wanted].tolist(), strict=True):
                if best is None or (score, number) > (best.score, best.number):
                    best = Similar(number, score)
        return best

    def _candidates(self, ranks: Ranks, least: float) -> Numbers:
        """The numbers of the texts that pass both filters of a similarity, each once.

        Args:
            ranks: of the words, rarest first; those that no text has come before all others.
            least: the similarity.
        """
        # 1. Texts that are not too short or too long have places from `first` to `last`, by number of words.
        n, size = len(ranks), len(self)
        bounds = math.ceil(least * n - _TINY), math.floor(n / least + _TINY) + 1
        first, last = np.searchsorted(self._sizes, bounds).tolist()
        # 2. The postings of the rare words, each with the place of its word in both texts.
        needed = math.ceil(least * n - _TINY)
        shared = int(_shared(np.int64(needed)))
        prefix = ranks[: n - needed + shared].astype(np.int64)
        owns = np.flatnonzero(prefix >= 0)
        edges = prefix[owns, None] * size + [first, last]  # [rare words, 2]
        begins, ends = np.searchsorted(self._postings, edges).T
        flat, owners = _ranges(begins, ends - begins)
        own_places, places = owns[owners], self._places[flat]
        texts = self._postings[flat] - prefix[own_places] * size
        # 3. Texts with enough of them, each of which can be followed by enough others.
        lengths = self._sizes[texts]
        common = shared - 1 + np.minimum(n - own_places, lengths - places)
        texts = texts[common >= least * np.maximum(n, lengths) - _TINY]
        return self._by_length[_frequent(texts, shared, first, last)]

    def _by_bound(self, ranks: Ranks, numbers: Numbers, least: float) -> tuple[Numbers, Bounds]:
        """Those that have enough words in common, the most similar at best first, and these bounds."""
        lengths = self._lengths[numbers]
        flat, owners = self._flat(self._sorted, numbers)
        common = np.bincount(owners[_found_in(ranks, flat) >= 0], minlength=len(numbers))
        bounds = common / np.maximum(len(ranks), lengths)
        order = np.argsort(-bounds, kind="stable")
        order = order[: np.count_nonzero(bounds >= least - _TINY)]
        return numbers[order], bounds[order]

    def _spelled(self, words: Numbers, numbers: Numbers) -> list[str]:
        """The words of the query and of texts as characters, one for each word of the query."""
        known = np.unique(words)
        flat, owners = self._flat(self._words, numbers)
        text = _as_characters(_found_in(known, flat) + 2)
        ends = np.searchsorted(owners, np.arange(len(numbers)), side="right").tolist()
        own = np.where(words < 0, 0, np.searchsorted(known, words) + 2)  # 0 is in no other text
        return [
            _as_characters(own),
            *(text[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)),
        ]

    def _flat(self, values: npt.NDArray[np.int32], numbers: Numbers) -> tuple[npt.NDArray[np.int32], Numbers]:
        """The values of the words of some texts, text after text, and the place of the text of each."""
        flat, owners = _ranges(self._starts[numbers], self._lengths[numbers].astype(np.int64))
        return values[flat], owners

    def _ranks_of(self, words: Numbers) -> Ranks:
        """The rank of each word, the repeated ones told apart; -1 for those that no text has."""
        keys = _repeats(np.zeros(len(words), np.int64), words, len(self._vocabulary))
        places = _found_in(self._keys, np.where(words < 0, -1, keys))
        return np.where(places < 0, -1, self._ranks[places] if len(self._ranks) else -1).astype(np.int32)


def _hashes(text: str) -> list[int]:
    """A number for each word of a text, the same in every process."""
    return [xxhash.xxh3_64_intdigest(word.encode(errors="surrogatepass")) for word in fuzzy_words(text)]


def _repeats(owners: Numbers, words: Numbers, size: int) -> Numbers:
    """A number for each word that tells the first, second … time apart that its text has it."""
    order = np.lexsort((words, owners))
    new = np.ones(len(words), bool)
    new[1:] = (words[order][1:] != words[order][:-1]) | (owners[order][1:] != owners[order][:-1])
    begins = np.flatnonzero(new)
    times = np.empty(len(words), np.int64)
    times[order] = np.arange(len(words)) - np.repeat(begins, np.diff(begins, append=len(words)))
    return times * size + words


def _found_in(known: npt.NDArray[Any], values: npt.NDArray[Any]) -> Numbers:
    """The place of each value in `known`, which is sorted; -1 for others."""
    if not len(known):
        return np.full(len(values), -1, np.int64)
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[places] == values, places, -1).astype(np.int64)


def _shared(needed: Numbers | np.int64) -> Numbers:
    """How many rare words must be in common where `needed` words must: more would be frequent ones.

    For a longer text it grows no faster than `needed`, so the first words of a shorter one suffice.
    """
    return np.clip(needed // 2, 1, _MOST_SHARED)


def _frequent(numbers: Numbers, least: int, begin: int, end: int) -> Numbers:
    """The numbers that occur at least so often; all are from `begin` to `end`."""
    if len(numbers) * _FEW < end - begin:
        found, counts = np.unique(numbers, return_counts=True)
        return found[counts >= least]
    return begin + np.flatnonzero(np.bincount(numbers - begin) >= least)


def _ranges(begins: Numbers, lengths: Numbers) -> tuple[Numbers, Numbers]:
    """The numbers of some ranges, one range after the other, and the place of the range of each."""
    owners = np.repeat(np.arange(len(begins), dtype=np.int64), lengths).astype(np.int64, copy=False)
    shifts = begins - (lengths.cumsum() - lengths)
    return (np.arange(len(owners)) + shifts[owners]).astype(np.int64, copy=False), owners


def _as_characters(codes: Numbers) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le")
