"""Similar sources in a translation memory, whose translations a model is given. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtkit.errors import UsageError
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.segments import Segmenter

if TYPE_CHECKING:
    from mtkit.translate.request import Request
    from mtkit.translate.translation_memory import TranslationMemory
    from mtkit.translate.translator import Translator


@dataclass(frozen=True, slots=True)
class FuzzyMatch:
    """An entry whose source is similar to a text.

    Attributes:
        src: its source.
        tgt: its translation.
        score: the similarity of the sources, from 0 to 1.
        ids: what follows the source in the model's input: the separator, and the translation.
    """

    src: str
    tgt: str
    score: float
    ids: tuple[int, ...] = field(repr=False)


class FuzzyMatches:
    """Finds the entry that is most similar to a text, of equally similar ones the last.

    Texts are compared in the form in which the model reads them, and without what the segmenter takes out of
    them, such as addresses: that is taken out of the translation, too, for it is put back from the text.

    Args:
        memory: has the entries.
        least: the least similarity.
        segmenter: of the texts.
        tokenizer: of the model.
    """

    def __init__(
        self, memory: TranslationMemory, least: float, segmenter: Segmenter, tokenizer: Tokenizer
    ) -> None:
        from mtkit.text.fuzzy import FuzzyIndex  # needs numpy, which most translations do without

        self._memory, self._segmenter, self._tokenizer = memory, segmenter, tokenizer
        self._starts = memory.starts()
        key = least, tokenizer.fingerprint
        self._index = memory.kept(key, lambda: FuzzyIndex(map(self._source, self._starts.tolist()), least))

    def find(self, text: str, room: int) -> FuzzyMatch | None:
        """The match of a text as the model reads it; None if there is none of at most `room` ids."""
        found = self._index.best(text)
        if found is None:
            return None
        src, tgt = self._memory.entry(int(self._starts[found.number]))
        normalize = self._tokenizer.form.normalize
        bare = [normalize(self._segmenter.bare(text)) for text in (src, tgt)]
        [(_, ids)] = self._tokenizer.encode_pairs([(bare[0], bare[1])])
        own = tuple(self._tokenizer.match(ids))
        return FuzzyMatch(src, tgt, found.score, own) if len(own) <= room else None

    def _source(self, start: int) -> str:
        src, _ = self._memory.entry(start)
        return self._tokenizer.form.source(self._segmenter.bare(src)).text


def open_matches(translator: Translator, request: Request, segmenter: Segmenter) -> FuzzyMatches | None:
    """The matches that a request gives to a model; None if it gives it no similar ones.

    Raises:
        UsageError: similar ones are asked for, and the model was not trained with them, or only with more
            similar ones; or rapidfuzz is missing.
    """
    memory, asked, least = request.memory, request.min_match, translator.min_match
    if asked == 1 or (asked is None and (least is None or memory is None)):
        return None
    if least is None:
        raise UsageError(
            f"--min-match {asked:g}: the model was not trained to use similar translations.",
            "Leave it out for exact matches, or train a model with data.memory.",
        )
    if asked is not None and asked < least:
        raise UsageError(
            f"--min-match {asked:g}: the model was trained with matches from {least:g} on.",
            f"Choose a number from {least:g} to 1.",
        )
    from mtkit.text.fuzzy import check_rapidfuzz

    check_rapidfuzz("--memory", "--min-match 1 asks for exact matches only.")
    return None if memory is None else FuzzyMatches(memory, asked or least, segmenter, translator.tokenizer)
