"""Text in, text out: lines are cleaned, segmented, decoded by an engine and joined again. Free of torch."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, takewhile
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.base import Engine
from mtkit.errors import InputError, MtkitError
from mtkit.text.form import Masked
from mtkit.text.segment import segments
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.banned import MAX_SEARCHES, Banned
from mtkit.translate.glossary import Term, count_terms
from mtkit.translate.guard import Guard, retry_options
from mtkit.translate.notes import BANNED, CUT, FAILED, FORGOTTEN, SEARCHED_AGAIN, WRONG
from mtkit.translate.request import BLANK, Links, Request, Source, Translation, word_links

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

FIRST_WINDOW = 256
WINDOW = 2048
WINDOW_CHARS = 1 << 20
MAX_TOKENS = 512

Line = TypeVar("Line", str, bytes)


class Window(NamedTuple):
    """Lines decoded together: raw, as the model reads them, and the ids of the parts of each."""

    lines: Sequence[Source]
    sources: list[Masked]
    parts: list[list[list[int]]]

    def halves(self) -> tuple[Window, Window]:
        """The same lines in two windows."""
        middle = len(self.lines) // 2
        begin, end = zip(*((own[:middle], own[middle:]) for own in self), strict=True)
        return Window(*begin), Window(*end)


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
        for found in self.results(map(self._numbered, windows)):
            yield [best.text for best, *_ in found]

    def results(self, windows: Iterable[Sequence[Source]]) -> Iterator[list[list[Translation]]]:
        """The translations of each line of each window; while one is decoded the next is read and encoded.

        An empty window says that nothing more is there for now: it gives nothing, and what is still under
        way is waited for first.

        Raises:
            InputError: a line is too long for one part, and the request is strict.
            MtkitError: the engine fails at a line, and the request does not say to go on.
        """
        under_way: deque[Future[list[list[Translation]]]] = deque()
        decoding = ThreadPoolExecutor(self.engine.at_once)
        refusal: list[MtkitError] = []
        try:
            for window in self._encoded(windows, refusal):
                if window:
                    under_way.append(decoding.submit(self._translate, window))
                while len(under_way) > (self.engine.at_once if window else 0):
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
            if refusal:
                raise refusal[0]
        finally:
            decoding.shutdown(wait=False, cancel_futures=True)

    def _encoded(
        self, windows: Iterable[Sequence[Source]], refusal: list[MtkitError]
    ) -> Iterator[Window | None]:
        """Each window encoded, None for a pause, up to one that is refused; `refusal` then holds the reason.

        So that what came before it is answered first.
        """
        try:
            for window in windows:
                yield self._encode(window) if window else None
        except MtkitError as error:
            refusal.append(error)

    def translate_window(
        self, lines: Sequence[str], tags: Sequence[Sequence[str]] | None = None
    ) -> list[str]:
        """The translation of each of `lines`, decoded together.

        Args:
            lines: raw text.
            tags: of each line, if not those of the translator.
        """
        sources = self._numbered(lines)
        if tags is not None:
            sources = [source._replace(tags=own) for source, own in zip(sources, tags, strict=True)]
        return [best.text for best, *_ in self._translate(self._encode(sources))]

    def _numbered(self, lines: Sequence[str]) -> list[Source]:
        first = self._number
        self._number += len(lines)
        return [Source(line, number) for number, line in enumerate(lines, first)]

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

    def _encode(self, lines: Sequence[Source]) -> Window:
        sources = [self.tokenizer.form.source(line.text) for line in lines]
        encoded = self.tokenizer.src.encode([source.text for source in sources])
        parts = []
        for line, source, ids in zip(lines, sources, encoded, strict=True):
            tags = self.tag_ids if line.tags is None else self.tokenizer.tag_ids(line.tags)
            own = self._parts(source.text, ids, line.number)
            parts.append([tags + part for part in own] if tags else own)
        return Window(lines, sources, parts)

    # ------------------------------------------------------------ decoding

    def _translate(self, window: Window) -> list[list[Translation]]:
        """The translations of each line, at least one, the best first; of one that fails as was asked."""
        try:
            found = self._searched(window)
        except (RuntimeError, ValueError, MemoryError) as error:  # what engines raise
            if len(window.lines) > 1:
                first, second = window.halves()
                return self._translate(first) + self._translate(second)
            found = [[self._failed(window.lines[0], error)]]
        return found

    def _failed(self, line: Source, error: Exception) -> Translation:
        """What stands for a line that the engine cannot translate."""
        notes = self.request.notes
        said = f"the engine failed at it ({' '.join(str(error).split()) or type(error).__name__})"
        if self.request.on_error == "fail":
            raise MtkitError(
                f"{notes.place(line.number)}: {said}.", "Look at the line, or go on by --on-error."
            ) from error
        notes.add(FAILED, line.number, f"{said}.")
        return (
            Translation(self.tokenizer.form.normalize(line.text))
            if self.request.on_error == "source"
            else BLANK
        )

    def _searched(self, window: Window) -> list[list[Translation]]:
        terms = [
            [*self.request.terms_in(source.text), *line.terms]
            for line, source in zip(window.lines, window.sources, strict=True)
        ]
        demands = self._demands(window, terms)
        flat = [part for parts in window.parts for part in parts]
        hyps = iter(self.engine.decode(flat, self.options, demands) if flat else ())
        with self._after_search:  # one window at a time, so that whatever is counted and told is so as well
            return self._found(window, terms, demands, hyps)

    def _found(
        self,
        window: Window,
        terms: Sequence[Sequence[Term]],
        demands: list[Demand] | None,
        hyps: Iterator[list[Hypothesis]],
    ) -> list[list[Translation]]:
        asked = iter(demands or ())
        found, demanded = [], []
        for line, source, parts in zip(*window, strict=True):
            translations = self._joined(line, source, parts, list(islice(hyps, len(parts))))
            own = list(islice(asked, len(parts)))
            if self._banned and own:
                translations, own = self._without_banned(translations, line, source, parts, own)
            found.append(translations)
            demanded.append(own)
        if self.guard:
            self._search_again(self.guard, window, found, demanded)
        for wanted, (best, *_) in zip(terms, found, strict=True):
            count_terms(wanted, best.text, self.request.terms)
        return found

    def _demands(self, window: Window, terms: Sequence[Sequence[Term]]) -> list[Demand] | None:
        """What is asked of each part; None if it is nothing."""
        drawing = self.options.method in ("sample", "mbr")
        if not (drawing or self.request.prefix or self._banned or any(terms)):
            return None
        prefix = self._encode_target(self.request.prefix) if self.request.prefix else ()
        demands = []
        for line, parts, wanted in zip(window.lines, window.parts, terms, strict=True):
            targets = tuple(self._encode_target(term.tgt) for term in wanted)
            for number in range(len(parts)):
                # Where a long line was cut it is not known which part a term is in.
                own = targets if len(parts) == 1 else ()
                seed = line.number * 1000 + number
                demands.append(Demand(prefix if number == 0 else (), own, self._banned.runs, seed))
        return demands

    def _encode_target(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.tgt.encode([self.tokenizer.form.source(text).text])[0])

    def _joined(
        self, line: Source, source: Masked, parts: Sequence[Sequence[int]], hyps: Sequence[list[Hypothesis]]
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
            text = self._restored(self.joiner.join(filter(None, texts)), line, source)
            return [Translation(text, mean, tokens, ids=ids)]
        texts = self.tokenizer.tgt.decode([hyp.ids for hyp in hyps[0]])
        order = list(range(len(texts)))
        if self.options.method == "mbr":
            from mtkit.metrics.consensus import consensus

            expected = consensus(texts)
            order.sort(key=lambda place: -expected[place])
        return [
            Translation(
                self._restored(texts[place], line, source),
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
        self,
        found: list[Translation],
        line: Source,
        source: Masked,
        parts: Sequence[Sequence[int]],
        demands: list[Demand],
    ) -> tuple[list[Translation], list[Demand]]:
        """`found`, searched again as long as its best says a banned phrase in yet other pieces."""
        for _ in range(MAX_SEARCHES):
            runs = self._banned.spelled_in(found[0].ids)
            if not runs:
                return found, demands
            demands = [replace(demand, banned=(*demand.banned, *runs)) for demand in demands]
            found = self._joined(line, source, parts, self.engine.decode(parts, self.options, demands))
        self.request.notes.add(BANNED, line.number, f"says a banned phrase after {MAX_SEARCHES} searches.")
        return found, demands

    def _search_again(
        self, guard: Guard, window: Window, found: list[list[Translation]], demanded: Sequence[list[Demand]]
    ) -> None:
        """Puts results of a second search into `found` where the guard blames the first alone."""
        faults = {
            place: fault
            for place, (source, (best, *_)) in enumerate(zip(window.sources, found, strict=True))
            if (fault := guard.fault(source.text, best.text)) is not None
        }
        if not faults:
            return
        flat = [part for place in faults for part in window.parts[place]]
        demands = [demand for place in faults for demand in demanded[place]]
        hyps = iter(self.engine.decode(flat, retry_options(self.options), demands or None))
        for place, fault in faults.items():
            line, source, parts = window.lines[place], window.sources[place], window.parts[place]
            second = self._joined(line, source, parts, list(islice(hyps, len(parts))))
            if guard.fault(source.text, second[0].text) is None:
                said = f"was searched again, since {fault}."
                self.request.notes.add(SEARCHED_AGAIN, line.number, said, level=logging.INFO)
                found[place] = second
            else:
                self.request.notes.add(WRONG, line.number, f"the translation looks wrong: {fault}.")
                best, *others = found[place]
                found[place] = [best._replace(fault=fault), *others]

    def _restored(self, text: str, line: Source, source: Masked) -> str:
        """Text for people, one clean line; spans that the model forgot are told of."""
        restored, forgotten = self.tokenizer.form.restore(text, source.spans)
        if forgotten:
            said = (
                f"the translation lacked protected text such as {forgotten[0]}, which now stands at its end."
            )
            self.request.notes.add(FORGOTTEN, line.number, said)
        return restored

    def _parts(self, text: str, ids: list[int], number: int) -> list[list[int]]:
        """The ids of a line in parts of at most `MAX_TOKENS`; none for a blank line.

        Raises:
            InputError: there would be several, and the request is strict.
        """
        if not text:
            return []
        if len(ids) <= MAX_TOKENS:
            return [ids]
        notes = self.request.notes
        if self.request.strict:
            raise InputError(
                f"{notes.place(number)}: has {len(ids):,} tokens, and at most {MAX_TOKENS} are allowed.",
                "Divide the line, or leave out --strict.",
            )
        pieces = [piece.strip() for piece in segments(text, self._sizes, MAX_TOKENS)]
        parts = self.tokenizer.src.encode([piece for piece in pieces if piece])
        notes.add(CUT, number, f"has {len(ids):,} tokens, and is translated in {len(parts):,} parts.")
        return parts

    def _sizes(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, self.tokenizer.src.encode(texts)))


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
