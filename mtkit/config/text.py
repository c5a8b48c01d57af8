"""Options of `text`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mtkit.config.options import Options

UnicodeForm = Literal["nfc", "nfkc", "none"]
SpanKind = Literal["placeholders", "tags", "urls", "emails", "emoji", "numbers"]


class TextConfig(Options):
    """Normalisation of the text before filters, subword model and model see it. It is stored with the model.

    `unicode` and `whitespace` are applied before the filters, the others only to text for the model.
    """

    unicode: UnicodeForm = Field(
        "nfc",
        description="Unicode normalisation form. nfkc also replaces ligatures, full-width letters and "
        "the like.",
    )
    whitespace: Literal["single", "keep"] = Field(
        "single",
        description="Replace each run of white space with one space (single), or each white-space "
        "character (keep).",
    )
    quotes: Literal["keep", "straight"] = Field(
        "keep", description="Keep typographic quotes, or make them straight."
    )
    casing: Literal["keep", "lower", "inline"] = Field(
        "keep",
        description="Keep case, convert to lower case, or convert to lower case and mark the words that "
        "had capitals (inline).",
    )
    protect: tuple[SpanKind, ...] = Field(
        (),
        description="Kinds of spans that are replaced with placeholders, then copied from the source "
        "into the translation.",
    )
    max_spans: int = Field(
        10,
        ge=1,
        le=100,
        description="Maximum number of different protected spans in a text. Any others are treated as text.",
    )
