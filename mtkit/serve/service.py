"""Translates what clients send: texts, HTML and files, through the queue. Knows nothing of the web.

Its answers are those of `mtkit translate`: each call is one `Request` to one `Translator`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mtkit.documents.detect import HEAD
from mtkit.documents.formats import open_document
from mtkit.serve.models import Direction
from mtkit.serve.orders import GoneError, Order
from mtkit.serve.queue import SentenceQueue
from mtkit.serve.queued_engine import QueuedEngine
from mtkit.translate.account import Account, Note
from mtkit.translate.call import Call
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.inflection import build_stem
from mtkit.translate.input import Input
from mtkit.translate.request import Request, Source, Translation, best_answers
from mtkit.translate.translator import Translator
from mtkit.translate.windows import WINDOW, Window, windows

MOST_NOTES = 50
"""Of one answer."""


_AT_ONCE = 1 << 16
"""Characters that are encoded without a look at whether somebody still waits."""
PROBE = "Hello."
"""A text that every model should translate."""


def probe(direction: Direction) -> str:
    """The translation of `PROBE`.

    Raises:
        MtkitError: the model or its engine fails.
    """
    search = {"tags": direction.tags} if direction.tags else {}
    request = Request(search=search, guard=True)
    (text,) = direction.model.able(request).translate([PROBE], request)
    return text


class SilentAccount(Account):
    """Keeps notes for the client and logs none, because texts are nobody else's business."""

    def add(self, kind: str, number: int, text: str, *, level: int = logging.WARNING) -> None:
        """See `Account`."""
        self.counts[kind] += 1
        if len(self.notes) < MOST_NOTES:
            self.notes.append(Note(kind, number, text))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants to know of texts.

    Attributes:
        texts: of any number of lines.
        is_html: they are HTML, whole pages or parts of one.
        alternatives: how many further translations of each, at most.
        confidence: the expected quality of each line.
        glossary: targets of terms by source.
    """

    texts: Sequence[str]
    is_html: bool = False
    alternatives: int = 0
    confidence: bool = False
    glossary: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one text.

    Attributes:
        text: the translation.
        alternatives: the next best ones.
        confidence: of each line, from 0 to 1, if it was asked for; None of a blank line.
        notes: remarks about it.
    """

    text: str
    alternatives: tuple[str, ...] = ()
    confidence: tuple[float | None, ...] = ()
    notes: tuple[str, ...] = ()


class _Parts(Protocol):
    """What is translated of a text, and how the answer is made."""

    @property
    def texts(self) -> Sequence[str]:
        """Each translated by itself."""

    def reply(self, found: Sequence[list[Translation]]) -> Reply:
        """The answer without notes."""


class _PlainText:
    """A text as its lines; line feeds stay."""

    def __init__(self, text: str, asked: Asked) -> None:
        self.texts, self._asked = text.split("\n"), asked

    def reply(self, found: Sequence[list[Translation]]) -> Reply:
        most = min(self._asked.alternatives, max(map(len, found)) - 1)
        others = ["\n".join(own[min(n, len(own) - 1)].text for own in found) for n in range(1, most + 1)]
        sure = [
            round(own[0].confidence, 4) if line.strip() else None
            for line, own in zip(self.texts, found, strict=True)
        ]
        text = "\n".join(own[0].text for own in found)
        return Reply(text, tuple(others), tuple(sure) if self._asked.confidence else ())


class _Page:
    """HTML; its markup stays."""

    def __init__(self, text: str, target: str) -> None:
        self._document = open_document("html", "the text", text.encode(), target=target)
        self.texts: Sequence[str] = self._document.texts

    def reply(self, found: Sequence[list[Translation]]) -> Reply:
        return Reply(self._document.render(best_answers(list(found))).decode())


class Service:
    """Carries out orders; may be used by many threads.

    Args:
        queue: through which all sentences go.
    """

    def __init__(self, queue: SentenceQueue) -> None:
        self.queue = queue

    def texts(self, order: Order, direction: Direction, asked: Asked) -> list[Reply]:
        """The translation of each text, in order.

        Raises:
            UsageError: the model cannot do what is asked.
            InputError: a text is no HTML.
            GoneError: the order was cancelled.
        """
        request = self._request(direction, asked)
        translator = self._translator(order, direction, request)
        target = direction.pair[1]
        parts: list[_Parts] = [
            _Page(text, target) if asked.is_html else _PlainText(text, asked) for text in asked.texts
        ]
        account = SilentAccount()
        found = _translations(translator, _windows(parts, order), request, account, order.is_bulk)
        replies, place = [], 0
        for part in parts:
            end = place + len(part.texts)
            notes = tuple(_said(note, place, end) for note in account.notes if place <= note.number < end)
            reply = part.reply(found[place:end])
            replies.append(Reply(reply.text, reply.alternatives, reply.confidence, notes))
            place = end
        return replies

    def file(self, order: Order, direction: Direction, name: str, data: bytes) -> bytes:
        """The translation of a file in the format that its name says.

        Raises:
            UsageError: the format is unknown.
            InputError: the file is not of its format.
            GoneError: the order was cancelled.
        """
        request = self._request(direction, Asked(()))
        translator = self._translator(order, direction, request)
        input = Input(Path(name), "auto", encoding="auto", ignore_language=True).settled(data[:HEAD])
        lines = windows(_lines_of(data))
        return b"".join(answer for _, answer in input.answers(translator, lines, request, SilentAccount()))

    def _request(self, direction: Direction, asked: Asked) -> Request:
        options = direction.model.options
        search: dict[str, object] = {"tags": direction.tags} if direction.tags else {}
        if asked.alternatives and options.method == "beam" and options.beam_size <= asked.alternatives:
            search["beam_size"] = asked.alternatives + 1
        src = direction.pair[0]
        terms = asked.glossary and Glossary((Term(*pair) for pair in asked.glossary.items()), build_stem(src))
        return Request(
            search=search,
            n_best=asked.alternatives + 1,
            confidence=asked.confidence,
            glossary=terms or None,
            memory=direction.memory,
            guard=True,
            on_error="source",
        )

    def _translator(self, order: Order, direction: Direction, request: Request) -> Translator:
        """The translator of the model, which decodes through the queue."""
        translator = copy.copy(direction.model.able(request))
        translator.engine = QueuedEngine(translator.engine, self.queue, order)
        return translator


def _translations(
    translator: Translator,
    windows: Iterator[Window[list[list[Translation]]]],
    request: Request,
    account: Account,
    is_bulk: bool,
) -> list[list[Translation]]:
    """The translations of each text; what is short needs no further thread to read on meanwhile."""
    if is_bulk:
        return [own for window in translator.results(windows, request, account) for own in window]
    call = Call(translator, request, account)
    return [own for window in windows for own in call.translate(call.encode(window.sources))]


def _windows(parts: Sequence[_Parts], order: Order) -> Iterator[Window[list[list[Translation]]]]:
    """The texts of all parts; not so many at once that an order could not be stopped in between."""
    sources: list[Source] = []
    characters = 0
    for number, text in enumerate(text for part in parts for text in part.texts):
        sources.append(Source(text, number))
        characters += len(text)
        if characters >= _AT_ONCE or len(sources) == WINDOW:
            yield Window(sources, lambda found: found)
            sources, characters = [], 0
            if order.is_gone:
                raise GoneError("the client went away.")
    if sources:
        yield Window(sources, lambda found: found)


def _said(note: Note, begin: int, end: int) -> str:
    """A note as a sentence, with the line if there are several."""
    return f"line {note.number - begin + 1}: {note.text}" if end - begin > 1 else note.text


def _lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends; only a line feed ends one."""
    *lines, last = data.split(b"\n")
    return [*(line + b"\n" for line in lines), *([last] if last else [])]
