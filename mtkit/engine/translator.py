"""Text in, text out: lines are cleaned, segmented, decoded by an engine and joined again. Free of torch."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import accumulate, islice, takewhile
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.banned import MAX_SEARCHES, Banned
from mtkit.engine.base import Engine
from mtkit.engine.glossary import Term, count_terms
from mtkit.engine.guard import Guard, retry_options
from mtkit.engine.request import BLANK, Links, Request, Translation, word_links
from mtkit.text.form import Masked
from mtkit.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

logger = logging.getLogger(__name__)

FIRST_WINDOW = 256
WINDOW = 2048
WINDOW_CHARS = 1 << 20
MAX_TOKENS = 512

Line = TypeVar("Line", str, bytes)


class Window(NamedTuple):
    """Lines decoded together: as the model reads them, how many parts each has, and the ids of the parts.

    `number` is that of the first line; it decides what is drawn for each.
    """

    sources: list[Masked]
    counts: list[int]
    ids: list[list[int]]
    number: int


class Translator:
    """Translates lines with an engine and the tokenizer of its model.

    Args:
        engine: runs the model.
        tokenizer: the one that the model was trained with.
        options: how to search.
        joiner: stands between the translated parts of a line that was too long for one.
        tags: that each source begins with.
        request: what is asked beside the text.
        guard: judges each translation; what it blames is searched again, and told of.
        spaced: whether the source and the target language put spaces between words.

    Raises:
        UsageError: the model does not know a tag.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        options: DecodeConfig,
        joiner: str = " ",
        tags: Sequence[str] = (),
        request: Request | None = None,
        guard: Guard | None = None,
        spaced: tuple[bool, bool] = (True, True),
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.options = options
        self.joiner = joiner
        self.tag_ids = tokenizer.tag_ids(tags)
        self.request = request or Request()
        self.guard = guard
        self.spaced = spaced
        self._banned = Banned(options.banned, tokenizer)
        self._number = 0
        self._after_search = Lock()

    def translate(self, lines: Iterable[str]) -> Iterator[str]:
        """Exactly one line for each of `lines`, in order; empty for a blank one. Memory stays constant."""
        for translated in self.translate_windows(windows(lines)):
            yield from translated

    def translate_windows(self, windows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """The best translation of each line of each window; see `results`."""
        for found in self.results(windows):
            yield [best.text for best, *_ in found]

    def results(self, windows: Iterable[Sequence[str]]) -> Iterator[list[list[Translation]]]:
        """The translations of each line of each window; while one is decoded the next is read and encoded.

        An empty window says that nothing more is there for now: it gives nothing, and what is still under
        way is waited for first.
        """
        under_way: deque[Future[list[list[Translation]]]] = deque()
        decoding = ThreadPoolExecutor(self.engine.at_once)
        try:
            for window in windows:
                if window:
                    under_way.append(decoding.submit(self._translate, self._encode(window)))
                while len(under_way) > (self.engine.at_once if window else 0):
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            decoding.shutdown(wait=False, cancel_futures=True)

    def translate_window(
        self, lines: Sequence[str], tags: Sequence[Sequence[str]] | None = None
    ) -> list[str]:
        """The translation of each of `lines`, decoded together.

        Args:
            lines: raw text.
            tags: of each line, if not those of the translator.
        """
        return [best.text for best, *_ in self._translate(self._encode(lines, tags))]

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[Hypothesis]:
        """Each given translation as a hypothesis of its source, in the tokenizer's own pieces.

        Args:
            pairs: raw source and translation.
        """
        normalize = self.tokenizer.form.normalize
        clean = [(normalize(src), normalize(tgt)) for src, tgt in pairs]
        encoded = self.tokenizer.encode_pairs(clean)
        srcs = [[*self.tag_ids, *src] for src, _ in encoded]
        return self.engine.score(srcs, [tgt for _, tgt in encoded], self.options)

    def _encode(self, lines: Sequence[str], tags: Sequence[Sequence[str]] | None = None) -> Window:
        begins = [self.tag_ids] * len(lines) if tags is None else list(map(self.tokenizer.tag_ids, tags))
        sources = [self.tokenizer.form.source(line) for line in lines]
        encoded = self.tokenizer.src.encode([source.text for source in sources])
        parts = [self._parts(source.text, ids) for source, ids in zip(sources, encoded, strict=True)]
        flat = [begin + ids for begin, own in zip(begins, parts, strict=True) for ids in own]
        number = self._number
        self._number += len(lines)
        return Window(sources, [len(own) for own in parts], flat, number)

    # ------------------------------------------------------------ decoding

    def _translate(self, window: Window) -> list[list[Translation]]:
        """The translations of each line, at least one, the best first."""
        terms = [self.request.terms_in(source.text) for source in window.sources]
        demands = self._demands(window, terms)
        hyps = iter(self.engine.decode(window.ids, self.options, demands) if window.ids else ())
        with self._after_search:  # one window at a time, so that whatever is counted and told is so as well
            return self._found(window, terms, demands, hyps)

    def _found(
        self,
        window: Window,
        terms: Sequence[Sequence[Term]],
        demands: list[Demand] | None,
        hyps: Iterator[list[Hypothesis]],
    ) -> list[list[Translation]]:
        begins = accumulate(window.counts, initial=0)
        found = []
        for line, (source, count, begin) in enumerate(
            zip(window.sources, window.counts, begins, strict=False)
        ):
            parts = window.ids[begin : begin + count]
            translations = self._joined(source, parts, list(islice(hyps, count)))
            again = demands[begin : begin + count] if demands else None
            if self._banned and again:
                translations, again = self._without_banned(translations, source, parts, again)
            if self.guard:
                translations = self._guarded(translations, source, parts, again, window.number + line)
            count_terms(terms[line], translations[0].text, self.request.terms)
            found.append(translations)
        return found

    def _demands(self, window: Window, terms: Sequence[Sequence[Term]]) -> list[Demand] | None:
        """What is asked of each part; None if it is nothing."""
        drawing = self.options.method in ("sample", "mbr")
        if not (drawing or self.request.prefix or self._banned or any(terms)):
            return None
        prefix = self._encode_target(self.request.prefix) if self.request.prefix else ()
        demands = []
        for line, count in enumerate(window.counts):
            targets = tuple(self._encode_target(term.tgt) for term in terms[line])
            for part in range(count):
                seed = (window.number + line) * 1000 + part
                # Where a long line was cut it is not known which part a term is in.
                own = targets if count == 1 else ()
                demands.append(Demand(prefix if part == 0 else (), own, self._banned.runs, seed))
        return demands

    def _encode_target(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.tgt.encode([self.tokenizer.form.source(text).text])[0])

    def _joined(
        self, source: Masked, parts: Sequence[Sequence[int]], hyps: Sequence[list[Hypothesis]]
    ) -> list[Translation]:
        """The translations of a line whose parts have these hypotheses."""
        if not hyps:
            return [BLANK]
        if len(hyps) > 1:
            best = [ranked[0] for ranked in hyps]
            texts = self.tokenizer.tgt.decode([hyp.ids for hyp in best])
            tokens = tuple(score for hyp in best for score in hyp.token_scores)
            lengths = [len(hyp.ids) + 1 for hyp in best]
            mean = sum(hyp.score * n for hyp, n in zip(best, lengths, strict=True)) / sum(lengths)
            ids = tuple(token for hyp in best for token in hyp.ids)
            return [Translation(self._restored(self.joiner.join(texts), source), mean, tokens, ids=ids)]
        texts = self.tokenizer.tgt.decode([hyp.ids for hyp in hyps[0]])
        order = list(range(len(texts)))
        if self.options.method == "mbr":
            from mtkit.metrics.consensus import consensus

            expected = consensus(texts)
            order.sort(key=lambda place: -expected[place])
        return [
            Translation(
                self._restored(texts[place], source),
                hyps[0][place].score,
                hyps[0][place].token_scores,
                self._links(parts[0], hyps[0][place]) if self.request.align else (),
                hyps[0][place].ids,
            )
            for place in order[: self.request.n_best]
        ]

    def _links(self, src_ids: Sequence[int], hyp: Hypothesis) -> Links:
        [links] = self.engine.align([src_ids], [hyp.ids], self.options)
        known_tags = self.tokenizer.tag_ids(self.tokenizer.src.tags)
        tags = len(list(takewhile(known_tags.__contains__, src_ids)))
        src_pieces = self.tokenizer.src.pieces(src_ids[tags:])
        tgt_pieces = self.tokenizer.tgt.pieces(hyp.ids)
        between = [(src - tags, tgt) for src, tgt in links if src >= tags]
        return word_links(src_pieces, tgt_pieces, between, self.spaced)

    def _without_banned(
        self, found: list[Translation], source: Masked, parts: Sequence[Sequence[int]], demands: list[Demand]
    ) -> tuple[list[Translation], list[Demand]]:
        """`found`, searched again as long as its best says a banned phrase in yet other pieces."""
        for _ in range(MAX_SEARCHES):
            runs = self._banned.spelled_in(found[0].ids)
            if not runs:
                return found, demands
            demands = [replace(demand, banned=(*demand.banned, *runs)) for demand in demands]
            found = self._joined(source, parts, self.engine.decode(parts, self.options, demands))
        logger.warning("A banned phrase is still in a translation after %d searches.", MAX_SEARCHES)
        return found, demands

    def _guarded(
        self,
        found: list[Translation],
        source: Masked,
        parts: Sequence[Sequence[int]],
        demands: list[Demand] | None,
        line: int,
    ) -> list[Translation]:
        """`found`, or the result of a second search if the guard blames it and not that."""
        assert self.guard is not None
        fault = self.guard.fault(source.text, found[0].text)
        if fault is None:
            return found
        options = retry_options(self.options)
        second = self._joined(source, parts, self.engine.decode(parts, options, demands))
        if self.guard.fault(source.text, second[0].text) is None:
            logger.info("line %d: was searched again, since %s.", line + 1, fault)
            return second
        logger.warning("line %d: the translation looks wrong: %s.", line + 1, fault)
        return found

    def _restored(self, text: str, source: Masked) -> str:
        """Text for people, one clean line; spans that the model forgot are told of."""
        line, forgotten = self.tokenizer.form.restore(text, source.spans)
        if forgotten:
            logger.warning(
                "A translation lacked protected text such as %s, which now stands at its end.", forgotten[0]
            )
        return line

    def _parts(self, text: str, ids: list[int]) -> list[list[int]]:
        """The ids of a line in parts of at most `MAX_TOKENS`; none for a blank line."""
        if not text:
            return []
        if len(ids) <= MAX_TOKENS:
            return [ids]
        parts = self._split(text, ids)
        logger.warning("A line of %d tokens is translated in %d parts.", len(ids), len(parts))
        return parts

    def _split(self, text: str, ids: list[int]) -> list[list[int]]:
        if len(ids) <= MAX_TOKENS:
            return [ids]
        pieces = _cut(text, len(ids) // MAX_TOKENS + 1)
        encoded = self.tokenizer.src.encode(pieces)
        return [part for piece, ids in zip(pieces, encoded, strict=True) for part in self._split(piece, ids)]


def windows(lines: Iterable[Line], size: int = WINDOW) -> Iterator[list[Line]]:
    """`lines` in lists of at most `size` lines and about `WINDOW_CHARS` characters or bytes.

    The first ones are smaller, so that who wants only the beginning soon has it.
    """
    window: list[Line] = []
    chars, limit = 0, min(size, FIRST_WINDOW)
    for line in lines:
        window.append(line)
        chars += len(line)
        if len(window) == limit or chars >= WINDOW_CHARS:
            yield window
            window, chars, limit = [], 0, min(size, 2 * limit)
    if window:
        yield window


def _cut(text: str, count: int) -> list[str]:
    """`text` in about `count` parts of like length, cut at spaces where there are any."""
    size = -(-len(text) // count)
    parts = []
    while len(text) > size:
        space = text.rfind(" ", 1, size + 1)
        end = space if space > 0 else _before_symbol(text, size)
        parts.append(text[:end])
        text = text[end:].lstrip()
    return [*parts, text]


def _before_symbol(text: str, end: int) -> int:
    """`end`, or the beginning of the symbol such as ⟦1⟧ that it would part."""
    begin = text.rfind("⟦", 0, end)
    return begin if begin > 0 and end <= text.find("⟧", begin) else end
