"""Text in, text out: lines are cleaned, segmented, decoded by an engine and joined again. Free of torch."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from mtkit.config.decode import DecodeConfig
from mtkit.config.schema import Config
from mtkit.engine.base import Engine, Precision
from mtkit.text.form import Masked
from mtkit.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

WINDOW = 2048
WINDOW_CHARS = 1 << 20
MAX_TOKENS = 512
UNSPACED = {"zh", "ja", "th"}


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
        for window in windows(lines):
            yield from self.translate_window(window)

    def translate_window(
        self, lines: Sequence[str], tags: Sequence[Sequence[str]] | None = None
    ) -> list[str]:
        """The translation of each of `lines`, decoded together.

        Args:
            lines: raw text.
            tags: of each line, if not those of the translator.
        """
        begins = [self.tag_ids] * len(lines) if tags is None else list(map(self.tokenizer.tag_ids, tags))
        sources = [self.tokenizer.form.source(line) for line in lines]
        encoded = self.tokenizer.src.encode([source.text for source in sources])
        parts = [self._parts(source.text, ids) for source, ids in zip(sources, encoded, strict=True)]
        flat = [begin + ids for begin, line_parts in zip(begins, parts, strict=True) for ids in line_parts]
        hyps = self.engine.decode(flat, self.options) if flat else []
        outputs = iter(self.tokenizer.tgt.decode([best[0].ids for best in hyps]))
        joined = [self.joiner.join(islice(outputs, len(line_parts))) for line_parts in parts]
        return self._restored(joined, sources)

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
    """`lines` in lists of at most `size` lines and about `WINDOW_CHARS` characters."""
    window: list[str] = []
    chars = 0
    for line in lines:
        window.append(line)
        chars += len(line)
        if len(window) == size or chars >= WINDOW_CHARS:
            yield window
            window, chars = [], 0
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


def open_translator(
    folder: Path, options: DecodeConfig | None = None, device: str = "auto", precision: Precision = "auto"
) -> Translator:
    """A translator for the model in a model folder.

    Args:
        folder: the model folder.
        options: how to search; as configured in the run if left out.
        device: auto, cpu or cuda.
        precision: fp32, bf16, fp16 or auto.

    Raises:
        InputError: there is no usable model in `folder`.
        UsageError: the device is not there.
    """
    from mtkit.checkpoint import load_model
    from mtkit.engine.native import NativeEngine, choose_device

    target = choose_device(device)
    loaded = load_model(folder)
    options = options or loaded.config.decode
    tags = start_tags(loaded.config, options.tags)
    tgt_lang = tags[0][1:] if loaded.config.data.target_tags else loaded.config.data.tgt_lang
    joiner = "" if tgt_lang[:2].lower() in UNSPACED else " "
    engine = NativeEngine(loaded.model, target, precision)
    return Translator(engine, loaded.tokenizer, options, joiner, tags)


def start_tags(config: Config, tags: Sequence[str]) -> tuple[str, ...]:
    """What sources begin with: the tag of a target language, the usual one if `tags` has none; and `tags`."""
    usual = config.data.language_tags(config.data.tgt_lang)
    wanted = [tag for tag in tags if usual and tag.startswith("2")]
    return (*(wanted or usual), *(tag for tag in tags if tag not in wanted))
