"""What all processes of a server share: rates, usage, files to fetch, glossaries and figures.

A server of one process has it itself; with several it is in their parent, see `supervisor`.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from mtkit.serve.limits import Buckets

Figures = Mapping[str, str]
"""What one process has counted: rows for Prometheus by their head."""
MOST_GLOSSARIES = 200
_FILE_SECONDS, _FILE_BYTES = 1800.0, 256 << 20
"""How long translated files are kept for their download, and how many bytes of them."""


@dataclass(frozen=True, slots=True)
class StoredGlossary:
    """A glossary that a client left here; it is gone when the server ends.

    Attributes:
        id: by which it is asked for.
        owner: whose key it was made with.
        name: for people.
        pair: its languages.
        terms: targets by source.
        made: when.
    """

    id: str
    owner: str
    name: str
    pair: tuple[str, str]
    terms: Mapping[str, str]
    made: datetime

    def shown(self) -> dict[str, Any]:
        """What DeepL says about one."""
        return {
            "glossary_id": self.id,
            "ready": True,
            "name": self.name,
            "source_lang": self.pair[0].lower(),
            "target_lang": self.pair[1].lower(),
            "creation_time": self.made.isoformat(),
            "entry_count": len(self.terms),
        }


class Shared:
    """What does not depend on the process that answers a request.

    Args:
        per_minute: requests of one client; 0 for any number.
    """

    def __init__(self, per_minute: float = 0.0) -> None:
        self._buckets = Buckets(per_minute)
        self._used: Counter[str] = Counter()
        self._files: OrderedDict[str, tuple[float, str, bytes]] = OrderedDict()
        self._glossaries: dict[str, StoredGlossary] = {}
        self._figures: dict[str, Figures] = {}

    def take(self, client: str) -> float:
        """Counts a request against the rate of a client; 0, or the seconds until one is allowed."""
        return self._buckets.take(client)

    def count(self, owner: str, characters: int) -> None:
        """Counts characters that the owner of a key has sent."""
        self._used[owner] += characters

    def used(self, owner: str) -> int:
        """The characters of an owner since the server started."""
        return self._used[owner]

    # ------------------------------------------------------------ files

    def keep_file(self, name: str, data: bytes) -> str:
        """Keeps a translated file for a while; gives the name to fetch it by."""
        key = secrets.token_urlsafe(16) + PurePath(name).suffix
        self._files[key] = (time.monotonic(), name, data)
        while len(self._files) > 1 and sum(len(one) for *_, one in self._files.values()) > _FILE_BYTES:
            self._files.popitem(last=False)
        return key

    def file(self, key: str) -> tuple[str, bytes] | None:
        """The name and the content of a file; None if it is not there any more."""
        while self._files and next(iter(self._files.values()))[0] < time.monotonic() - _FILE_SECONDS:
            self._files.popitem(last=False)
        found = self._files.get(key)
        return found and found[1:]

    # ------------------------------------------------------------ glossaries

    def add_glossary(self, glossary: StoredGlossary) -> bool:
        """Keeps a glossary; tells whether there was room for it."""
        if len(self._glossaries) >= MOST_GLOSSARIES:
            return False
        self._glossaries[glossary.id] = glossary
        return True

    def glossary(self, id: str) -> StoredGlossary | None:
        """A glossary, if there is such a one."""
        return self._glossaries.get(id)

    def glossaries(self, owner: str) -> list[StoredGlossary]:
        """All of an owner."""
        return [one for one in self._glossaries.values() if one.owner == owner]

    def remove_glossary(self, id: str) -> None:
        """Forgets a glossary."""
        self._glossaries.pop(id, None)

    # ------------------------------------------------------------ figures

    def report(self, worker: str, figures: Figures) -> None:
        """Takes what a process has counted until now."""
        self._figures[worker] = figures

    def forget(self, worker: str) -> None:
        """Forgets the figures of a process that has ended."""
        self._figures.pop(worker, None)

    def figures(self) -> list[Figures]:
        """What each process has counted, as it said last."""
        return [self._figures[worker] for worker in sorted(self._figures)]
