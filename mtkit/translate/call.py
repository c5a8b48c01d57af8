"""One call of a translator: lines are cut into sentences, decoded by the engine, joined. Free of torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from mtkit.config.fixed import MAX_TOKENS
from mtkit.config.stored import replaced
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.text.segment import splits
from mtkit.translate.account import (
    BANNED,
    DETACHED,
    FAILED,
    FORGOTTEN,
    INSISTED,
    MALFORMED,
    MISSED,
    SEARCHED_AGAIN,
    SPLIT,
    UNKNOWN,
    UNPLACED,
    UNSPELLED,
    UNSURE,
    WRONG,
    Account,
)
from mtkit.translate.banned import MAX_SEARCHES, Banned
from mtkit.translate.coverage import MOST_DETACHED, Coverage
from mtkit.translate.fuzzy_matches import open_matches
from mtkit.translate.glossary import Term, terms_used
from mtkit.translate.guard import Guard, guard_of, retry_options
from mtkit.translate.joining import Candidate, Joiner
from mtkit.translate.recall import Recall
from mtkit.translate.request import BLANK, Request, Source, Translation
from mtkit.translate.required_terms import RequiredTerms
from mtkit.translate.segments import Segment, Segmenter
from mtkit.translate.spelling import NO_PREFIX, Speller

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.translate.translator import Translator

logger = logging.getLogger(__name__)


class Encoded(NamedTuple):
    """Lines that are decoded together, and the segments of each."""

    lines: Sequence[Source]
    segments: list[list[Segment]]

    def halves(self) -> tuple[Encoded, Encoded]:
        """The same lines in two groups."""
        middle = len(self.lines) // 2
        return (
            Encoded(self.lines[:middle], self.segments[:middle]),
            Encoded(self.lines[middle:], self.segments[middle:]),
        )


class Unit(NamedTuple):
    """A segment that is decoded.

    Attributes:
        segment: the text.
        number: of its line in the input.
        demand: what is asked of it in ids.
    """

    segment: Segment
    number: int
    demand: Demand


class Call:
    """A request as a translator carries it out.

    Args:
        translator: runs it; nothing in it is changed.
        request: what is asked.
        account: filled meanwhile.

    Raises:
        UsageError: the model does not know a tag, a search option is invalid, or the engine lacks one.
    """

    def __init__(self, translator: Translator, request: Request, account: Account) -> None:
        self.request, self.account = request, account
        self._engine, self._tokenizer = translator.engine, translator.tokenizer
        self.options, tags = _with_target(translator, translator.search_options(request))
        if request.glossary_mode == "soft" and not translator.reads_terms:
            raise UsageError(
                "--glossary-mode soft: the model has not learned to use terms in its sources.",
                "Train a model with data.terms, or leave out --glossary-mode.",
            )
        if refusals := self._engine.refusals(self.options, request.features):
            hint = "Use --engine native, or --glossary-mode soft."
            is_soft = translator.reads_terms and refusals == ["terms"]
            raise UsageError(
                f"{self._engine.name}: cannot do this: {', '.join(refusals)}.",
                hint if is_soft else "Use --engine native.",
            )
        tags = start_tags(translator.usual_tags, tags)
        self.tag_ids = self._tokenizer.tag_ids(tags)
        src_lang, tgt_lang = translator.languages
        tgt_lang = tags[0][1:] if translator.usual_tags else tgt_lang
        if self.options.target_tag != translator.options.target_tag:
            tgt_lang = self.options.target_tag or tgt_lang
        by_sentence = splits(self.options.split, translator.sentences_per_pair)
        self._segmenter = Segmenter(self._tokenizer, src_lang, by_sentence)
        self.joiner = Joiner(translator, request, self.options, (src_lang, tgt_lang))
        self._guard = guard_of(src_lang, tgt_lang) if request.guard else None
        self._coverage = translator.coverage if request.guard else None
        self._banned = Banned(self.options.banned, self._tokenizer)
        self._recall = Recall(request.memory, self._banned.is_in) if request.memory is not None else None
        self._matches = open_matches(translator, request, self._segmenter)
        speller = Speller(self._tokenizer, self.joiner.spaced[1])
        self._terms = RequiredTerms(translator, request, self._segmenter, speller, self.joiner.spaced[0])
        self._prefix = speller.prefix(request.prefix) if request.prefix else NO_PREFIX
        if self._prefix.unknown:
            logger.warning(
                "prefix %s: the model has no pieces for %s, and goes on as if they were not there.",
                request.prefix,
                self._prefix.unknown,
            )
        self._draws = self.options.method in ("sample", "mbr")
        self._lock = Lock()

    def encode(self, lines: Sequence[Source]) -> Encoded:
        """Lines as the model reads them.

        Raises:
            InputError: a sentence is too long to be translated in one part, and the request is strict.
        """
        found = self._segments(lines)
        for line, own in zip(lines, found, strict=True):
            if len(own) > 1 or (own and (own[0].unknown or own[0].is_malformed)):
                self._note(line, own)
            if line.terms or self.request.glossary:
                self._note_unspelled(line, self._terms.require(line.terms, own))
            tags = self.tag_ids if line.tags is None else self._tokenizer.tag_ids(line.tags)
            for segment in own:
                segment.ids = [*tags, *segment.ids] if tags and segment.ids else segment.ids
                segment.annotated = [*tags, *segment.annotated] if segment.annotated else []
                if self._matches and segment.ids and not segment.is_in_message:
                    room = MAX_TOKENS - len(segment.annotated or segment.ids)
                    segment.match = self._matches.find(segment.source.text, room)
        return Encoded(lines, found)

    def _segments(self, lines: Sequence[Source]) -> list[list[Segment]]:
        """The segments of each line; those that the memory has come with their translations."""
        if self._recall is None:
            return self._segmenter.segments([line.text for line in lines])
        known = [self._recall.line(line) for line in lines]
        rest = [line for line, own in zip(lines, known, strict=True) if own is None]
        cut = self._segmenter.segments([line.text for line in rest])
        for line, segments in zip(rest, cut, strict=True):
            self._recall.sentences(line, segments)
        remaining = iter(cut)
        return [next(remaining) if own is None else [own] for own in known]

    def _note_unspelled(self, line: Source, terms: Mapping[Term, bool]) -> None:
        """Notes terms for which the model lacks pieces, and whether they stand in place of their sources."""
        for term, is_there in terms.items():
            done = "it stands in place of its source" if is_there else "its source is not in the text"
            said = f"the model has no pieces for the term {term.tgt}: {done}."
            with self._lock:
                self.account.add(UNSPELLED, line.number, said)

    def _note(self, line: Source, segments: Sequence[Segment]) -> None:
        """Notes what the segments of a line say of it.

        Raises:
            InputError: a sentence had to be cut, and the request is strict.
        """
        if segments[0].is_malformed:
            said = "is not well-formed ICU MessageFormat (mind its braces), and stays as it is."
            self.account.add(MALFORMED, line.number, said)
        cut = next((segment for segment in segments if segment.tokens), None)
        if cut and self.request.strict:
            raise InputError(
                f"{self.account.place(line.number)}: has a sentence of {cut.tokens:,} tokens, and at most "
                f"{MAX_TOKENS} are allowed.",
                "Divide the line, or leave out --strict.",
            )
        if cut:
            said = f"has a sentence of {cut.tokens:,} tokens, and is translated in {len(segments):,} parts."
            self.account.add(SPLIT, line.number, said)
        if len(segments) > 1:
            self.account.parts += len(segments)
        unknown = "".join(dict.fromkeys("".join(segment.unknown for segment in segments)))
        if unknown:
            said = f"has characters that the model does not know, which are kept as they are: {unknown[:20]}"
            self.account.add(UNKNOWN, line.number, said, level=logging.INFO)

    def translate(self, window: Encoded) -> list[list[Translation]]:
        """The translations of each line, at least one, the best first; of one that fails as was asked."""
        try:
            found = self._searched(window)
        except (RuntimeError, ValueError, MemoryError) as error:  # what engines raise
            if len(window.lines) > 1:
                first, second = window.halves()
                return self.translate(first) + self.translate(second)
            found = [[self._failed(window.lines[0], error)]]
        return found

    def _failed(self, line: Source, error: Exception) -> Translation:
        """The replacement for a line that the engine cannot translate."""
        said = f"the engine failed at it ({' '.join(str(error).split()) or type(error).__name__})"
        if self.request.on_error == "fail":
            raise MtkitError(
                f"{self.account.place(line.number)}: {said}.", "Look at the line, or set --on-error."
            ) from error
        with self._lock:
            self.account.add(FAILED, line.number, f"{said}.")
        if self.request.on_error == "blank":
            return BLANK._replace(confidence=0.0)
        return Translation(self._tokenizer.form.normalize(line.text), confidence=0.0)

    def _searched(self, window: Encoded) -> list[list[Translation]]:
        units = self._units(window)
        hyps = self._decode(units, self.options) if units else []
        with self._lock:  # one window at a time writes into the account
            return self._found(window, units, hyps)

    def _units(self, window: Encoded) -> list[Unit]:
        """The segments that are decoded, with what is asked of each."""
        units = []
        for line, segments in zip(*window, strict=True):
            for number, segment in enumerate(segment for segment in segments if segment.ids):
                segment.prefix = NO_PREFIX if number else self._prefix
                seed = segment.seed if self._draws else 0
                terms = None if segment.hinted else segment.spelled
                demand = Demand(segment.prefix.ids, terms, self._banned.runs, seed)
                units.append(Unit(segment, line.number, demand))
        return units

    def _decode(self, units: Sequence[Unit], options: DecodeConfig) -> list[list[Hypothesis]]:
        asked = options.method in ("sample", "mbr") or any(
            unit.demand.prefix or unit.demand.terms or unit.demand.banned for unit in units
        )
        demands = [unit.demand for unit in units] if asked else None
        srcs = [unit.segment.input for unit in units]
        found = self._engine.decode(srcs, options, demands, self.request.needs_scores)
        return self._with_token_scores(srcs, found) if self.request.needs_token_scores else found

    def _with_token_scores(
        self, srcs: Sequence[Sequence[int]], found: list[list[Hypothesis]]
    ) -> list[list[Hypothesis]]:
        """`found` in its order, scored again with token scores if the engine did not give them by itself."""
        if all(hyp.token_scores for own in found for hyp in own):
            return found
        repeated = [src for src, own in zip(srcs, found, strict=True) for _ in own]
        scored = iter(self._engine.score(repeated, [hyp.ids for own in found for hyp in own], self.options))
        return [[next(scored) for _ in own] for own in found]

    def _found(
        self, window: Encoded, units: Sequence[Unit], hyps: Sequence[list[Hypothesis]]
    ) -> list[list[Translation]]:
        found = [self.joiner.candidates(unit.segment, own) for unit, own in zip(units, hyps, strict=True)]
        units = list(units)
        self._insist_on_terms(units, found)
        if self._banned:
            for place, unit in enumerate(units):
                units[place], found[place] = self._without_banned(unit, found[place])
        if self._guard:
            self._search_again(self._guard, units, found)
        if self._coverage:
            self._note_detached(self._coverage, units, found)
        for unit, (best, *_) in zip(units, found, strict=True):
            if best.forgotten:
                lost = f"the translation lacked protected text such as {best.forgotten[0]}"
                self.account.add(FORGOTTEN, unit.number, f"{lost}, which now stands at its end.")
        remaining = iter(found)
        answered = [
            [(segment, next(remaining) if segment.ids else []) for segment in segments]
            for segments in window.segments
        ]
        anchors = self.joiner.anchors(window.lines, answered)
        translations = [
            self.joiner.line(line, each, anchors) for line, each in zip(window.lines, answered, strict=True)
        ]
        for line, segments, (shown, *_) in zip(*window, translations, strict=True):
            if terms := [term for segment in segments for term in segment.terms]:
                self.account.terms_requested += len(terms)
                self.account.terms_used += terms_used(terms, shown.text, self.joiner.spaced[1])
            if self._recall:
                self.account.recalled += shown.origin == "memory"
                origins = {segment.origin for segment in segments}
                self.account.partly_recalled += shown.origin != "memory" and "memory" in origins
                self.account.matched += "fuzzy" in origins
            if not shown.is_placed:
                said = "placeholders, tags or terms could not be placed, and the text stays as it is."
                self.account.add(UNPLACED, line.number, said)
        least = self.request.min_confidence
        if least is None:
            return translations
        pairs = zip(window.lines, translations, strict=True)
        return [self._unsure(line, own, least) if own[0].confidence < least else own for line, own in pairs]

    def _unsure(self, line: Source, found: list[Translation], least: float) -> list[Translation]:
        """Notes a line whose best translation is not certain enough; its replacement if one was asked for."""
        best = found[0]
        said = f"the translation has a confidence of {best.confidence:.4f}, below {least:g}."
        self.account.add(UNSURE, line.number, said)
        match self.request.on_unsure:
            case "report":
                return found
            case "blank":
                return [BLANK._replace(confidence=best.confidence)]
            case "source":
                text = self._tokenizer.form.normalize(line.text)
                return [Translation(text, confidence=best.confidence)]

    def _insist_on_terms(self, units: list[Unit], found: list[list[Candidate]]) -> None:
        """Asks the search for terms that are in sources where a translation lacks one; changes both lists.

        From then on the search is asked for them in all that is searched again. In soft mode it is not.
        """
        spaced, lacking = self.joiner.spaced[1], []
        for place, unit in enumerate(units):
            terms = unit.segment.hinted
            if terms and unit.segment.spelled:
                units[place] = unit._replace(demand=replace(unit.demand, terms=unit.segment.spelled))
            if all(terms_used(terms, one.text, spaced) == len(terms) for one in found[place]):
                continue
            if unit.segment.spelled:
                lacking.append(place)
            else:
                best = found[place][0].text
                missed = [term.tgt for term in dict.fromkeys(terms) if not terms_used([term], best, spaced)]
                said = (
                    f"the translation lacks a term: {', '.join(missed or [term.tgt for term in terms]):.80}."
                )
                self.account.add(MISSED, unit.number, said)
        if lacking:
            hyps = self._decode([units[place] for place in lacking], self.options)
            for place, own in zip(lacking, hyps, strict=True):
                found[place] = self.joiner.candidates(units[place].segment, own)
                said = "was searched again for a term."
                self.account.add(INSISTED, units[place].number, said, level=logging.INFO)

    def _without_banned(self, unit: Unit, found: list[Candidate]) -> tuple[Unit, list[Candidate]]:
        """`found`, searched again as long as its best says a banned phrase in yet other pieces."""
        for _ in range(MAX_SEARCHES):
            runs = self._banned.spelled_in(found[0].hyp.ids)
            if not runs:
                return unit, found
            demand = replace(unit.demand, banned=(*unit.demand.banned, *runs))
            unit = unit._replace(demand=demand)
            found = self.joiner.candidates(unit.segment, self._decode([unit], self.options)[0])
        self.account.add(BANNED, unit.number, f"says a banned phrase after {MAX_SEARCHES} searches.")
        return unit, found

    def _note_detached(
        self, coverage: Coverage, units: Sequence[Unit], found: Sequence[Sequence[Candidate]]
    ) -> None:
        """Notes translations that have little to do with their sources, unless the guard said more."""
        form = self._tokenizer.form
        for unit, (best, *_) in zip(units, found, strict=True):
            src = form.without_marks(unit.segment.source.text)
            if best.fault or coverage.detachment(src, best.text) <= MOST_DETACHED:
                continue
            if spans := coverage.of(src, best.text).missing:
                words = ", ".join(src[slice(*span)] for span in spans[:5])
                said = f"words of the source have no counterpart in the translation: {words:.80}."
                self.account.add(DETACHED, unit.number, said)

    def _search_again(self, guard: Guard, units: Sequence[Unit], found: list[list[Candidate]]) -> None:
        """Puts results of a second search into `found` where the guard objects to the first alone."""
        faults = {
            place: fault
            for place, (unit, (best, *_)) in enumerate(zip(units, found, strict=True))
            if (fault := guard.fault(unit.segment.source.text, best.text)) is not None
        }
        if not faults:
            return
        hyps = self._decode([units[place] for place in faults], retry_options(self.options))
        for (place, fault), own in zip(faults.items(), hyps, strict=True):
            unit = units[place]
            second = self.joiner.candidates(unit.segment, own)
            if guard.fault(unit.segment.source.text, second[0].text) is None:
                said = f"was searched again, since {fault}."
                self.account.add(SEARCHED_AGAIN, unit.number, said, level=logging.INFO)
                found[place] = second
            else:
                self.account.add(WRONG, unit.number, f"the translation looks wrong: {fault}.")
                best, *others = found[place]
                found[place] = [best._replace(fault=fault), *others]


def _with_target(translator: Translator, options: DecodeConfig) -> tuple[DecodeConfig, tuple[str, ...]]:
    """The options with the target language that a tag such as 2fr asks for, and the tags of sources.

    Raises:
        UsageError: the model does not know the target language.
    """
    if options.target_tag is None:
        return options, options.tags
    wanted = [tag for tag in options.tags if tag.startswith("2")]
    target_tag = wanted[-1][1:] if wanted else options.target_tag
    translator.tokenizer.target_tag_ids([target_tag])
    if wanted:
        options = replaced(options, {"target_tag": target_tag})
    return options, tuple(tag for tag in options.tags if tag not in wanted)


def start_tags(usual: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """The tags before each source: a target language, by default the usual one, then the rest of `tags`."""
    wanted = [tag for tag in tags if usual and tag.startswith("2")]
    return (*(wanted or usual), *(tag for tag in tags if tag not in wanted))
