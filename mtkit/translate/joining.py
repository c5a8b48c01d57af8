"""From the hypotheses of segments to the translations of lines. Free of torch."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from mtkit.decode.hypothesis import Hypothesis
from mtkit.documents.base import Answer
from mtkit.documents.weave import words_of
from mtkit.text.languages import language_of
from mtkit.translate.request import Anchors, Part, Request, Source, Translation, word_numbers
from mtkit.translate.segments import Segment

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.translate.translator import Translator

_ODD_SPACE = re.compile(r"[^ \u00a0\u3000]")


class Candidate(NamedTuple):
    """A translation of a segment, yet without its spans.

    Attributes:
        text: for people.
        forgotten: protected text that the model omitted, now at the end.
        hyp: what the engine gave.
        rating: by which translations of one segment are compared; higher is better.
        fault: what is wrong with it in the guard's view; else empty.
    """

    text: str
    forgotten: Sequence[str]
    hyp: Hypothesis
    rating: float
    fault: str = ""


class Joiner:
    """Joins what is found.

    Args:
        translator: whose tokenizer and engine are used.
        request: what is asked.
        options: of the search.
        languages: source and target.

    Attributes:
        spaced: whether source and target put spaces between words.
        joiner: what stands between sentences of the target.
    """

    def __init__(
        self, translator: Translator, request: Request, options: DecodeConfig, languages: tuple[str, str]
    ) -> None:
        self._tokenizer, self._engine = translator.tokenizer, translator.engine
        self._request, self._options = request, options
        self._estimate = translator.confidence if request.needs_confidence else None
        self._coverage = translator.coverage if request.needs_confidence else None
        src, tgt = (language_of(code) for code in languages)
        self.spaced, self.joiner = (src.spaced, tgt.spaced), tgt.joiner

    def candidates(self, segment: Segment, hyps: Sequence[Hypothesis]) -> list[Candidate]:
        """The translations of a segment, the best first and each once, as many as are asked for."""
        decoded = self._tokenizer.tgt.decode([hyp.ids for hyp in hyps])
        texts = [segment.prefix.restored(text, self.spaced[1]) for text in decoded]
        order, ratings = list(range(len(texts))), [hyp.score for hyp in hyps]
        if self._options.method == "mbr":
            from mtkit.metrics.consensus import consensus

            ratings = consensus(texts)
            order.sort(key=lambda place: -ratings[place])
        restore, spans = self._tokenizer.form.restore, segment.source.spans
        first: dict[str, int] = {}
        for place in order:
            first.setdefault(texts[place], place)
        chosen = [*first.values()][: self._request.n_best]
        return [Candidate(*restore(texts[n], spans), hyps[n], ratings[n]) for n in chosen]

    def anchors(
        self, lines: Sequence[Source], found: Sequence[Sequence[tuple[Segment, Sequence[Candidate]]]]
    ) -> dict[int, Anchors]:
        """Links between each segment and its candidates where they are needed, by `id` of the candidate."""
        needed = [
            (segment, candidate)
            for line, own in zip(lines, found, strict=True)
            for segment, candidates in own
            if segment.ids and (self._request.alignment or segment.has_spans or line.has_spans)
            for candidate in candidates
        ]
        if not needed or not self._engine.aligns:
            return {}
        links = self._engine.align(
            [segment.ids for segment, _ in needed],
            [candidate.hyp.ids for _, candidate in needed],
            self._options,
        )
        return {
            id(candidate): self._anchors(segment, candidate, own)
            for (segment, candidate), own in zip(needed, links, strict=True)
        }

    def _anchors(self, segment: Segment, candidate: Candidate, links: Sequence[tuple[int, int]]) -> Anchors:
        known_tags = self._tokenizer.tag_ids(self._tokenizer.src.tags)
        tags = len(list(takewhile(known_tags.__contains__, segment.ids)))
        src_words = word_numbers(self._tokenizer.src.pieces(segment.ids[tags:]), self.spaced[0])
        tgt_words = word_numbers(self._tokenizer.tgt.pieces(candidate.hyp.ids), self.spaced[1])
        src_starts = word_starts(segment.source.text, self.spaced[0])
        # Words of a prefix that the model did not see have no pieces.
        seen, given = (
            len(word_starts(text, self.spaced[1])) for text in (segment.prefix.known, segment.prefix.text)
        )
        tgt_starts = word_starts(candidate.text, self.spaced[1])[max(0, given - seen) :]
        found = {
            (src_starts[s], tgt_starts[t])
            for src, tgt in links
            if src >= tags
            for s in src_words[src - tags]
            for t in tgt_words[tgt]
            if s < len(src_starts) and t < len(tgt_starts)
        }
        return tuple(sorted(found))

    def line(
        self,
        line: Source,
        found: Sequence[tuple[Segment, Sequence[Candidate]]],
        anchors: Mapping[int, Anchors],
    ) -> list[Translation]:
        """The translations of a line, the best first: combinations of those of its segments."""
        if len(found) == 1 and found[0][0].ids and found[0][0].cut is None:  # as most lines
            return [self._whole(line, found[0][0], one, anchors.get(id(one), ())) for one in found[0][1]]
        ranked = [candidates for segment, candidates in found if segment.ids]
        if not ranked:
            return [self._unsearched([segment for segment, _ in found])]
        return [
            self._translation(line, [segment for segment, _ in found], chosen, anchors)
            for chosen in _combinations(ranked, self._request.n_best)
        ]

    def _unsearched(self, segments: Sequence[Segment]) -> Translation:
        """The translation of a line in which nothing had to be searched for."""
        placed: list[tuple[Segment, str, Anchors]] = [
            (segment, segment.untranslated, ()) for segment in segments
        ]
        found = Translation(self._joined(placed)[0])
        if all(segment.recalled is None for segment in segments):
            return found
        is_marked = any(segment.is_marked for segment in segments)
        return found._replace(parts=_parts(placed), origin="memory", is_marked=is_marked)

    def _whole(self, line: Source, segment: Segment, one: Candidate, anchors: Anchors) -> Translation:
        """The translation of a line in one piece."""
        links = self._links(line.text, one.text, anchors) if self._request.alignment else ()
        found = Translation(one.text, one.hyp.score, one.hyp.token_scores, links, anchors, one.fault)
        found = _matched(found, segment)
        return found._replace(confidence=self._confidence([(segment, one)])) if self._estimate else found

    def _confidence(self, chosen: Iterable[tuple[Segment, Candidate]]) -> float:
        """The estimated quality of a line: the mean of its segments by their tokens."""
        assert self._estimate
        total, tokens = 0.0, 0
        for segment, one in chosen:
            scores = one.hyp.token_scores
            estimate = self._estimate.of(segment.raw, one.text, scores, self._coverage)
            total, tokens = total + estimate * len(scores), tokens + len(scores)
        return total / tokens

    def _translation(
        self,
        line: Source,
        segments: Sequence[Segment],
        chosen: Sequence[Candidate],
        anchors: Mapping[int, Anchors],
    ) -> Translation:
        remaining = iter(chosen)
        placed: list[tuple[Segment, str, Anchors]] = []
        is_placed = True
        for segment in segments:
            if not segment.ids:
                placed.append((segment, segment.untranslated, ()))
                continue
            candidate = next(remaining)
            own = anchors.get(id(candidate), ())
            if segment.cut is None:
                placed.append((segment, candidate.text, own))
                continue
            answer = Answer(candidate.text, own)
            raw, blank = segment.cut.woven([answer])
            is_placed &= answer.is_placed
            spans: Anchors = ()
            if answer.is_placed:
                spans = segment.span_links(raw) if self._request.alignment else ()
                raw, blank = segment.written(raw, blank)
            src_at = _places(segment.source.text, segment.cut.blank)
            tgt_at = _places(candidate.text, blank)
            moved = tuple((src_at[src], tgt_at[tgt]) for src, tgt in own if src in src_at and tgt in tgt_at)
            placed.append((segment, raw, (*moved, *spans)))
        text, moved = self._joined(placed)
        decoded = [segment for segment in segments if segment.ids]
        lengths = [len(one.hyp.ids) + 1 for one in chosen]
        mean = sum(one.hyp.score * n for one, n in zip(chosen, lengths, strict=True)) / sum(lengths)
        found = Translation(
            text,
            chosen[0].hyp.score if len(chosen) == 1 else mean,
            tuple(score for one in chosen for score in one.hyp.token_scores),
            self._links(line.text, text, moved) if self._request.alignment else (),
            moved,
            "; ".join(dict.fromkeys(one.fault for one in chosen if one.fault)),
            _parts(placed),
            is_placed,
            self._confidence(zip(decoded, chosen, strict=True)) if self._estimate else 1.0,
        )
        return _matched(found, segments[0]) if len(segments) == 1 else found

    def _joined(self, placed: Sequence[tuple[Segment, str, Anchors]]) -> tuple[str, Anchors]:
        """The line of some texts, and the links between it and the source line."""
        text, anchors = "", []
        for number, (segment, own, links) in enumerate(placed):
            anchors += [(segment.start + src, len(text) + tgt) for src, tgt in links]
            text += own
            if segment.is_exact:
                text += segment.gap
            elif number + 1 < len(placed) and own:
                kept = segment.gap and self.joiner and self.spaced[0]
                text += _ODD_SPACE.sub(" ", segment.gap) if kept else self.joiner
        return text, tuple(anchors)

    def _links(self, src: str, tgt: str, anchors: Anchors) -> Anchors:
        """Links as numbers of the words that stand there, for links as offsets."""
        src_starts, tgt_starts = map(word_starts, (src, tgt), self.spaced)
        words = {(bisect_right(src_starts, s) - 1, bisect_right(tgt_starts, t) - 1) for s, t in anchors}
        return tuple(sorted(words))


def _matched(found: Translation, segment: Segment) -> Translation:
    """The translation of a line in one piece, with the match that the model was given."""
    return found if segment.match is None else found._replace(origin="fuzzy", match=segment.match)


def _parts(placed: Sequence[tuple[Segment, str, Anchors]]) -> tuple[Part, ...]:
    """The sentences of a line with their translations; none if it is just one."""
    if len(placed) == 1:
        return ()
    return tuple(Part(segment.raw, own, segment.origin, segment.match) for segment, own, _ in placed)


def word_starts(text: str, spaced: bool) -> list[int]:
    """The starts of the words of a text, or of its characters in a language without spaces."""
    return [found.start() for found in re.finditer(r"\S+" if spaced else r"\S", text)]


def _places(text: str, blank: str) -> dict[int, int]:
    """Maps the start of each word in `text` to its start in `blank`, which has other text in between."""
    places, place = {}, 0
    for start, end in words_of(text):
        found = blank.find(text[start:end], place)
        if found >= 0:
            places[start], place = found, found + end - start
    return places


def _combinations(ranked: Sequence[Sequence[Candidate]], count: int) -> Iterator[list[Candidate]]:
    """The `count` combinations of one candidate from each list that lose least against the best of all."""
    if count == 1:
        yield [own[0] for own in ranked]
        return
    losses = [[own[0].rating - one.rating for one in own] for own in ranked]
    heap, seen = [(0.0, (0,) * len(ranked))], {(0,) * len(ranked)}
    while heap and count:
        _, choice = heapq.heappop(heap)
        yield [own[n] for own, n in zip(ranked, choice, strict=True)]
        count -= 1
        for place, number in enumerate(choice):
            following = (*choice[:place], number + 1, *choice[place + 1 :])
            if number + 1 < len(ranked[place]) and following not in seen:
                seen.add(following)
                loss = sum(own[n] for own, n in zip(losses, following, strict=True))
                heapq.heappush(heap, (loss, following))
