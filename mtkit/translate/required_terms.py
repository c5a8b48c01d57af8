"""The terms that the translation of each segment has to contain: asked of the search, written, or inserted.

Free of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtkit.config.fixed import MAX_TOKENS
from mtkit.translate.glossary import Glossary, Term, deal
from mtkit.translate.request import Request
from mtkit.translate.segments import Segment, Segmenter
from mtkit.translate.source_terms import SourceTerms
from mtkit.translate.spelling import Speller

if TYPE_CHECKING:
    from mtkit.translate.translator import Translator


class RequiredTerms:
    """Finds the terms of a glossary and of lines in segments.

    Args:
        translator: whose model reads the sources.
        request: has the glossary, and says whether terms are written into sources.
        segmenter: of the texts.
        speller: spells terms in pieces of the model.
        is_spaced: words of the source are separated by spaces.
    """

    def __init__(
        self,
        translator: Translator,
        request: Request,
        segmenter: Segmenter,
        speller: Speller,
        is_spaced: bool,
    ) -> None:
        self._tokenizer, self._request = translator.tokenizer, request
        self._segmenter, self._speller, self._is_spaced = segmenter, speller, is_spaced
        writes = translator.reads_terms and request.glossary_mode != "hard"
        self._source_terms = SourceTerms(self._tokenizer) if writes else None

    def require(self, own_terms: Sequence[Term], segments: Sequence[Segment]) -> dict[Term, bool]:
        """Gives each segment its terms; one for which the model lacks pieces is inserted at its source.

        Args:
            own_terms: of the line.
            segments: of the line, without tags.

        Returns:
            The terms for which it lacks pieces, and whether they were inserted.
        """
        found: dict[Term, bool] = {}
        form = self._tokenizer.form
        segments = [segment for segment in segments if segment.ids or segment.recalled is not None]
        raws = [form.normalize(segment.raw) for segment in segments]
        for segment, raw, own in zip(segments, raws, deal(own_terms, raws), strict=True):
            text = form.without_marks(segment.source.text)
            places = self._terms_in(text, self._request.glossary)
            unknown = self._unknown_terms_in(raw, text, self._request.glossary)
            segment.terms = [*(term for _, term in places), *unknown.values(), *own]
            if segment.recalled is not None:
                continue
            inserted = unknown | self._unknown_terms_in(raw, text, Glossary(own))
            searched = [term for term in segment.terms if term not in inserted.values()]
            segment.spelled, unspelled = self._speller.terms(searched)
            places += self._terms_in(text, Glossary(own)) if unspelled else []
            inserted |= {source: term for source, term in places if term in unspelled}
            if inserted:
                self._segmenter.insert(segment, {source: term.tgt for source, term in inserted.items()})
            if self._source_terms and segment.spelled:
                known = [term for term in searched if term not in unspelled]
                self._write_terms(self._source_terms, segment, known, Glossary(own))
            for term in unspelled:
                found[term] = found.get(term, True) and term in inserted.values()
        return found

    def _write_terms(
        self, source_terms: SourceTerms, segment: Segment, terms: Sequence[Term], own: Glossary
    ) -> None:
        """Writes terms into the ids of a segment; the search is asked for them if not all can be written."""
        text = self._tokenizer.form.without_marks(segment.source.text)
        places = [
            place
            for glossary in (self._request.glossary, own)
            if glossary
            for place in glossary.places(text, self._is_spaced)
        ]
        annotated, is_complete = source_terms.write(segment.source.text, segment.ids, places, terms)
        if len(annotated) <= MAX_TOKENS:
            segment.annotated = annotated
            segment.hinted = terms if is_complete else ()
        if self._request.glossary_mode == "soft":
            segment.hinted, segment.spelled = terms, None

    def _terms_in(self, text: str, glossary: Glossary | None) -> list[tuple[str, Term]]:
        """The terms in a text, each with its source as it stands there."""
        places = glossary.places(text, self._is_spaced) if glossary else []
        return [(text[start:end], term) for start, end, term in places]

    def _unknown_terms_in(self, raw: str, text: str, glossary: Glossary | None) -> dict[str, Term]:
        """Terms by their sources in `raw` that are not in `text`, since the model lacks their characters."""
        if raw == text:
            return {}
        found = {term for _, term in self._terms_in(text, glossary)}
        return {
            source: term
            for source, term in self._terms_in(raw, glossary)
            if term not in found and not self._segmenter.knows(source)
        }
