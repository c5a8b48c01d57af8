"""Applies the options of `text`: from raw text to the input of a subword model, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtkit.text.casing import MARKS, mark_case, restore_case
from mtkit.text.normalize import in_form, normalize, normalize_lines
from mtkit.text.protect import build_finder, distinct_spans, drop_unknown, mask, symbol, unmask

if TYPE_CHECKING:
    from mtkit.config.text import TextConfig

_STRAIGHT = str.maketrans(dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‘’‚‛‹›", "'"))


@dataclass(frozen=True, slots=True)
class Masked:
    """A source as a subword model reads it; `spans[n - 1]` is what its symbol `n` stands for."""

    text: str
    spans: tuple[str, ...] = ()


class TextForm:
    """The form of text that a model was trained with.

    Attributes:
        options: that decide it.
        symbols: pieces that the subword models must never take apart.
        is_plain: whether `source` and `pair` change nothing of normalised text.
    """

    def __init__(self, options: TextConfig | None = None) -> None:
        if options is None:
            from mtkit.config.text import TextConfig

            options = TextConfig()
        self.options = options
        spans = [symbol(number + 1) for number in range(options.max_spans)] if options.protect else []
        self.symbols = (*spans, *(MARKS if options.casing == "inline" else ()))
        self.is_plain = not self.symbols and options.quotes == "keep" and options.casing == "keep"
        self._finder = build_finder(options.protect)

    def normalize(self, text: str) -> str:
        """The clean form in which filters see `text`, one line; the same for all that is read and written."""
        options = self.options
        return normalize(text, options.unicode, keep_spaces=options.whitespace == "keep")

    def normalize_lines(self, text: str) -> str:
        """The clean form of every line of `text`, each of which ends with a line feed."""
        if (self.options.unicode, self.options.whitespace) == ("nfc", "single"):
            return normalize_lines(text)
        return "".join(f"{self.normalize(line)}\n" for line in text.split("\n")[:-1])

    def source(self, text: str) -> Masked:
        """Raw text as a source whose translation is not known: all its spans become symbols."""
        clean = self._safe(self.normalize(text))
        if not self.options.protect:
            return Masked(self._shaped(clean))
        spans = distinct_spans(self._finder, clean)[: self.options.max_spans]
        return Masked(self._shaped(mask(self._finder, clean, spans)), tuple(spans))

    def pair(self, src: str, tgt: str) -> tuple[str, str]:
        """A normalised pair to learn from: spans that both sides have become the same symbols."""
        if self.is_plain:
            return src, tgt
        src, tgt = self._safe(src), self._safe(tgt)
        if self.options.protect:
            there = set(distinct_spans(self._finder, tgt))
            common = [span for span in distinct_spans(self._finder, src) if span in there]
            common = common[: self.options.max_spans]
            src, tgt = (mask(self._finder, text, common) for text in (src, tgt))
        return self._shaped(src), self._shaped(tgt)

    def restore(self, text: str, spans: Sequence[str] = ()) -> tuple[str, list[str]]:
        """Text for people from what the model wrote, and the spans that it forgot.

        Those stand at the end, in order, so that nothing is lost. Symbols without a span are dropped.
        """
        if self.options.protect:
            text = drop_unknown(text, len(spans))
        text, forgotten = unmask(self.without_marks(text), spans)
        return " ".join([text, *forgotten]).lstrip() if forgotten else text, forgotten

    def without_marks(self, text: str) -> str:
        """The clean text for people of what the model wrote, with symbols of spans as they are."""
        text = self.normalize(text)
        return self.normalize(restore_case(text)) if self.options.casing == "inline" else text

    def _safe(self, text: str) -> str:
        """Text that holds no symbol of ours: the rare brackets that make them become ordinary ones."""
        return text.replace("⟦", "[[").replace("⟧", "]]") if self.symbols else text

    def _shaped(self, text: str) -> str:
        """Quotes and case, once spans are out of the way."""
        options = self.options
        if options.quotes == "straight":
            text = text.translate(_STRAIGHT)
        if options.casing == "inline":
            return mark_case(text)
        if options.casing == "lower":
            return in_form(text.lower(), options.unicode)
        return text
