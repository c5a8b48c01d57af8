"""Text in, text out: lines are cleaned, segmented, decoded by an engine and joined again. Free of torch."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from mtkit.decode.hypothesis import Hypothesis
from mtkit.engine.base import Engine
from mtkit.text.form import Masked
from mtkit.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

logger = logging.getLogger(__name__)

FIRST_WINDOW = 256
WINDOW = 2048
WINDOW_CHARS = 1 << 20
MAX_TOKENS = 512


class Window(NamedTuple):
    """Lines decoded together: as the model reads them, how many parts each has, and the ids of the parts."""

    sources: list[Masked]
    counts: list[int]
    ids: list[list[int]]


class Translator:
    """Translates lines with an engine and the tokenizer of its model.

    Args:
        engine: runs the model.
        tokenizer: the one that the model was trained with.
        options: how to search.
        joiner: stands between the translated parts of a line that was too long for one.
        tags: that each source begins with.

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
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.options = options
        self.joiner = joiner
        self.tag_ids = tokenizer.tag_ids(tags)

    def translate(self, lines: Iterable[str]) -> Iterator[str]:
        """Exactly one line for each of `lines`, in order; empty for a blank one. Memory stays constant."""
        for translated in self.translate_windows(windows(lines)):
            yield from translated

    def translate_windows(self, windows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """The translations of each window, in order; while one is decoded the next is read and encoded.

        An empty window says that nothing more is there for now: it gives nothing, and what is still under
        way is waited for first.
        """
        under_way: deque[tuple[Window, Future[list[list[Hypothesis]]]]] = deque()
        decoding = ThreadPoolExecutor(1)
        try:
            for window in windows:
                if window:
                    encoded = self._encode(window)
                    under_way.append((encoded, decoding.submit(self._search, encoded)))
                while len(under_way) > (1 if window else 0):
                    first, search = under_way.popleft()
                    yield self._decode(first, search.result())
            while under_way:
                first, search = under_way.popleft()
                yield self._decode(first, search.result())
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
        window = self._encode(lines, tags)
        return self._decode(window, self._search(window))

    def _encode(self, lines: Sequence[str], tags: Sequence[Sequence[str]] | None = None) -> Window:
        begins = [self.tag_ids] * len(lines) if tags is None else list(map(self.tokenizer.tag_ids, tags))
        sources = [self.tokenizer.form.source(line) for line in lines]
        encoded = self.tokenizer.src.encode([source.text for source in sources])
        parts = [self._parts(source.text, ids) for source, ids in zip(sources, encoded, strict=True)]
        flat = [begin + ids for begin, own in zip(begins, parts, strict=True) for ids in own]
        return Window(sources, [len(own) for own in parts], flat)

    def _search(self, window: Window) -> list[list[Hypothesis]]:
        return self.engine.decode(window.ids, self.options) if window.ids else []

    def _decode(self, window: Window, hyps: list[list[Hypothesis]]) -> list[str]:
        outputs = iter(self.tokenizer.tgt.decode([best[0].ids for best in hyps]))
        joined = [self.joiner.join(islice(outputs, count)) for count in window.counts]
        return self._restored(joined, window.sources)

    def _restored(self, texts: Sequence[str], sources: Sequence[Masked]) -> list[str]:
        """Text for people, one clean line each; spans that the model forgot are told of."""
        lines = []
        short: list[list[str]] = []
        for text, source in zip(texts, sources, strict=True):
            line, forgotten = self.tokenizer.form.restore(text, source.spans)
            lines.append(line)
            if forgotten:
                short.append(forgotten)
        if short:
            logger.warning(
                "%d of %d translations lacked protected text such as %s, which now stands at their end.",
                len(short),
                len(texts),
                short[0][0],
            )
        return lines

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


def windows(lines: Iterable[str], size: int = WINDOW) -> Iterator[list[str]]:
    """`lines` in lists of at most `size` lines and about `WINDOW_CHARS` characters.

    The first ones are smaller, so that who wants only the beginning soon has it.
    """
    window: list[str] = []
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
