"""Looks up lines and their sentences in a translation memory. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mtkit.documents.base import Text
from mtkit.text.form import Masked
from mtkit.translate.request import Source
from mtkit.translate.segments import Segment

if TYPE_CHECKING:
    from mtkit.translate.translation_memory import TranslationMemory


class Recall:
    """What a memory has of some lines.

    Args:
        memory: that is asked.
        is_refused: whether a translation may not be used.
    """

    def __init__(self, memory: TranslationMemory, is_refused: Callable[[str], bool]) -> None:
        self._memory, self._is_refused = memory, is_refused

    def line(self, line: Source) -> Segment | None:
        """The whole line as one segment with its translation; None if the memory does not have it.

        A text of a document between whose words markup stands must be in the memory with this markup.
        """
        marked = line.text.marked if isinstance(line.text, Text) else None
        for src in marked.spellings if marked else ():
            found = self._find(src)
            spelled = None if found is None or marked is None else marked.spelled(found)
            if spelled is not None:
                return self._segment(line.text, spelled, is_marked=True)
        found = None if line.has_spans else self._find(line.text)
        return None if found is None else self._segment(line.text, found)

    def sentences(self, line: Source, segments: Sequence[Segment]) -> None:
        """Puts translations into the sentences of a line that the memory has.

        Not into parts of a sentence that was too long, and not where a translation has to heed what stands
        around it.
        """
        if len(segments) < 2 or line.has_spans:
            return
        for segment in segments:
            if segment.ids and not segment.is_in_message and not segment.tokens:
                segment.recalled = self._find(segment.raw)
                if segment.recalled is not None:
                    segment.ids, segment.unknown = [], ""

    def _find(self, src: str) -> str | None:
        found = self._memory.find(src)
        return None if found is None or self._is_refused(found) else found

    def _segment(self, text: str, translation: str, *, is_marked: bool = False) -> Segment:
        raw = self._memory.normalize(text)
        return Segment(raw, 0, "", None, Masked(raw), recalled=translation, is_marked=is_marked)
