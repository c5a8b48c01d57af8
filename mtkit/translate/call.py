"""One call of a translator: lines are cleaned, segmented, decoded by the engine, joined. Free of torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.errors import InputError, MtkitError
from mtkit.text.form import Masked
from mtkit.text.languages import language_of
from mtkit.text.segment import segments
from mtkit.translate.account import BANNED, FAILED, FORGOTTEN, SEARCHED_AGAIN, SPLIT, WRONG, Account
from mtkit.translate.banned import MAX_SEARCHES, Banned
from mtkit.translate.glossary import Term, terms_used
from mtkit.translate.guard import Guard, retry_options
from mtkit.translate.request import BLANK, Links, Request, Source, Translation, word_links

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.translate.translator import Translator

MAX_TOKENS = 512


class Encoded(NamedTuple):
    """Lines decoded together: raw, as the model reads them, and the ids of the parts of each."""

    lines: Sequence[Source]
    sources: list[Masked]
    parts: list[list[list[int]]]

    def halves(self) -> tuple[Encoded, Encoded]:
        """The same lines in two groups."""
        middle = len(self.lines) // 2
        begin, end = zip(*((own[:middle], own[middle:]) for own in self), strict=True)
        return Encoded(*begin), Encoded(*end)


class Call:
    """What a request means for a translator, until it is answered.

    Args:
        translator: runs it; nothing in it is changed.
        request: what is asked.
        account: filled meanwhile.

    Raises:
        UsageError: the model does not know a tag, or a search option is invalid.
    """

    def __init__(self, translator: Translator, request: Request, account: Account) -> None:
        self.request, self.account = request, account
        self._engine, self._tokenizer = translator.engine, translator.tokenizer
        self.options = translator.search_options(request)
        tags = start_tags(translator.usual_tags, self.options.tags)
        self.tag_ids = self._tokenizer.tag_ids(tags)
        src_lang, tgt_lang = translator.languages
        tgt_lang = tags[0][1:] if translator.usual_tags else tgt_lang
        tgt = language_of(tgt_lang)
        self.joiner, self.spaced = tgt.joiner, (language_of(src_lang).spaced, tgt.spaced)
        self._guard = Guard(src_lang, tgt_lang) if request.guard else None
        self._banned = Banned(self.options.banned, self._tokenizer)
        self._lock = Lock()

    def encode(self, lines: Sequence[Source]) -> Encoded:
        """Lines as the model reads them.

        Raises:
            InputError: one is too long to be translated in one part, and the request is strict.
        """
        sources = [self._tokenizer.form.source(line.text) for line in lines]
        encoded = self._tokenizer.src.encode([source.text for source in sources])
        parts = []
        for line, source, ids in zip(lines, sources, encoded, strict=True):
            tags = self.tag_ids if line.tags is None else self._tokenizer.tag_ids(line.tags)
            own = self._parts(source.text, ids, line.number)
            parts.append([tags + part for part in own] if tags else own)
        return Encoded(lines, sources, parts)

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
        """What stands for a line that the engine cannot translate."""
        said = f"the engine failed at it ({' '.join(str(error).split()) or type(error).__name__})"
        if self.request.on_error == "fail":
            raise MtkitError(
                f"{self.account.place(line.number)}: {said}.", "Look at the line, or go on by --on-error."
            ) from error
        with self._lock:
            self.account.add(FAILED, line.number, f"{said}.")
        if self.request.on_error == "blank":
            return BLANK
        return Translation(self._tokenizer.form.normalize(line.text))

    def _searched(self, window: Encoded) -> list[list[Translation]]:
        glossary = self.request.glossary
        terms = [
            [*(glossary.find(source.text, self.spaced[0]) if glossary else ()), *line.terms]
            for line, source in zip(window.lines, window.sources, strict=True)
        ]
        demands = self._demands(window, terms)
        flat = [part for parts in window.parts for part in parts]
        hyps = iter(self._decode(flat, self.options, demands) if flat else ())
        with self._lock:  # one window at a time writes into the account
            return self._found(window, terms, demands, hyps)

    def _decode(
        self, parts: Sequence[Sequence[int]], options: DecodeConfig, demands: Sequence[Demand] | None
    ) -> list[list[Hypothesis]]:
        return self._engine.decode(parts, options, demands, self.request.needs_scores)

    def _found(
        self,
        window: Encoded,
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
        if self._guard:
            self._search_again(self._guard, window, found, demanded)
        for wanted, (best, *_) in zip(terms, found, strict=True):
            self.account.terms_requested += len(wanted)
            self.account.terms_used += terms_used(wanted, best.text)
        return found

    def _demands(self, window: Encoded, terms: Sequence[Sequence[Term]]) -> list[Demand] | None:
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
        return tuple(self._tokenizer.tgt.encode([self._tokenizer.form.source(text).text])[0])

    def _joined(
        self, line: Source, source: Masked, parts: Sequence[Sequence[int]], hyps: Sequence[list[Hypothesis]]
    ) -> list[Translation]:
        """The translations of a line whose parts have these hypotheses."""
        if not hyps:
            return [BLANK]
        if len(hyps) > 1:
            best = [ranked[0] for ranked in hyps]
            texts = self._tokenizer.tgt.decode([hyp.ids for hyp in best])
            tokens = tuple(score for hyp in best for score in hyp.token_scores)
            lengths = [len(hyp.ids) + 1 for hyp in best]
            mean = sum(hyp.score * n for hyp, n in zip(best, lengths, strict=True)) / sum(lengths)
            ids = tuple(token for hyp in best for token in hyp.ids)
            text = self._restored(self.joiner.join(filter(None, texts)), line, source)
            return [Translation(text, mean, tokens, ids=ids)]
        texts = self._tokenizer.tgt.decode([hyp.ids for hyp in hyps[0]])
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
                self._links(parts[0], hyps[0][place]) if self.request.alignment else (),
                hyps[0][place].ids,
            )
            for place in order[: self.request.n_best]
        ]

    def _links(self, src_ids: Sequence[int], hyp: Hypothesis) -> Links:
        [links] = self._engine.align([src_ids], [hyp.ids], self.options)
        known_tags = self._tokenizer.tag_ids(self._tokenizer.src.tags)
        tags = len(list(takewhile(known_tags.__contains__, src_ids)))
        src_pieces = self._tokenizer.src.pieces(src_ids[tags:])
        tgt_pieces = self._tokenizer.tgt.pieces(hyp.ids)
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
            found = self._joined(line, source, parts, self._decode(parts, self.options, demands))
        self.account.add(BANNED, line.number, f"says a banned phrase after {MAX_SEARCHES} searches.")
        return found, demands

    def _search_again(
        self, guard: Guard, window: Encoded, found: list[list[Translation]], demanded: Sequence[list[Demand]]
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
        hyps = iter(self._decode(flat, retry_options(self.options), demands or None))
        for place, fault in faults.items():
            line, source, parts = window.lines[place], window.sources[place], window.parts[place]
            second = self._joined(line, source, parts, list(islice(hyps, len(parts))))
            if guard.fault(source.text, second[0].text) is None:
                said = f"was searched again, since {fault}."
                self.account.add(SEARCHED_AGAIN, line.number, said, level=logging.INFO)
                found[place] = second
            else:
                self.account.add(WRONG, line.number, f"the translation looks wrong: {fault}.")
                best, *others = found[place]
                found[place] = [best._replace(fault=fault), *others]

    def _restored(self, text: str, line: Source, source: Masked) -> str:
        """Text for people, one clean line; spans that the model forgot are told of."""
        restored, forgotten = self._tokenizer.form.restore(text, source.spans)
        if forgotten:
            said = (
                f"the translation lacked protected text such as {forgotten[0]}, which now stands at its end."
            )
            self.account.add(FORGOTTEN, line.number, said)
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
        if self.request.strict:
            raise InputError(
                f"{self.account.place(number)}: has {len(ids):,} tokens, and at most {MAX_TOKENS} are "
                "allowed.",
                "Divide the line, or leave out --strict.",
            )
        pieces = [piece.strip() for piece in segments(text, self._sizes, MAX_TOKENS)]
        parts = self._tokenizer.src.encode([piece for piece in pieces if piece])
        self.account.parts += len(parts)
        self.account.add(
            SPLIT, number, f"has {len(ids):,} tokens, and is translated in {len(parts):,} parts."
        )
        return parts

    def _sizes(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, self._tokenizer.src.encode(texts)))


def start_tags(usual: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """What sources begin with: the tag of a target language, the usual one if `tags` has none; and `tags`."""
    wanted = [tag for tag in tags if usual and tag.startswith("2")]
    return (*(wanted or usual), *(tag for tag in tags if tag not in wanted))
