"""Translations that are there already, by their sources. Free of torch."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from mtkit.documents.base import clean

Kept = TypeVar("Kept")


class TranslationMemory:
    """Finds the translation of a text that is exactly the source of an entry.

    The texts are kept as UTF-8 in one piece, with 16 bytes for each entry beside them; a dictionary takes
    about 180.

    Args:
        pairs: source and translation of each entry; of equal sources the last one counts. Entries without a
            source or a translation are left out.
        normalize: to the form in which sources are compared.

    Attributes:
        num_changed: number of entries whose source has another translation in a later entry.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], normalize: Callable[[str], str]) -> None:
        self.normalize = normalize
        self._kept: dict[Hashable, object] = {}
        self._lock = Lock()
        keys, starts, self._texts = array("q"), array("q"), bytearray()
        for src, tgt in pairs:
            src, tgt = normalize(src), clean(tgt).strip()
            if src and tgt:
                keys.append(hash(src))
                starts.append(len(self._texts))
                self._texts += f"{src}\n{tgt}\n".encode()
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        self._keys = np.array(keys, np.int64)[order]
        self._starts = np.array(starts, np.int64)[order]
        self.num_changed = self._count_changed()

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> str | None:
        """The translation of a text, after its normalisation; None if it is no source of an entry."""
        src = self.normalize(text)
        key = hash(src)
        place = int(self._keys.searchsorted(np.int64(key), "right")) - 1
        while place >= 0 and self._keys[place] == key:
            known, tgt = self._entry(place)
            if known == src:
                return tgt
            place -= 1
        return None

    def starts(self) -> npt.NDArray[np.int64]:
        """Where the entries start, in their order, for `entry`."""
        return np.sort(self._starts)

    def kept(self, key: Hashable, build: Callable[[], Kept]) -> Kept:
        """What was built with this key before, such as an index; built now if nothing was."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = build()
            return cast(Kept, self._kept[key])

    def _entry(self, place: int) -> tuple[str, str]:
        return self.entry(int(self._starts[place]))

    def entry(self, start: int) -> tuple[str, str]:
        """Source and translation of the entry that starts there."""
        middle = self._texts.index(b"\n", start)
        end = self._texts.index(b"\n", middle + 1)
        return self._texts[start:middle].decode(), self._texts[middle + 1 : end].decode()

    def _count_changed(self) -> int:
        """Compares neighbours: equal sources stand side by side, in the order of the entries."""
        doubled = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        pairs = ((self._entry(place), self._entry(place + 1)) for place in map(int, doubled))
        return sum(one[0] == other[0] and one[1] != other[1] for one, other in pairs)
