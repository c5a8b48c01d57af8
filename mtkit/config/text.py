"""Options of `text`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mtkit.config.options import Options

UnicodeForm = Literal["nfc", "nfkc", "none"]
SpanKind = Literal["placeholders", "tags", "urls", "emails", "numbers"]


class TextConfig(Options):
    """The form in which filters, subword model and model see text; it is stored with the model.

    `unicode` and `whitespace` act first, before the filters; the others only on what the model sees.
    """

    unicode: UnicodeForm = Field(
        "nfc", description="Unicode form; nfkc also replaces ligatures, full-width letters and the like."
    )
    whitespace: Literal["single", "keep"] = Field(
        "single", description="Make each run of white space one space, or only each character of it."
    )
    quotes: Literal["keep", "straight"] = Field(
        "keep", description="Leave typographic quotes, or make them straight."
    )
    casing: Literal["keep", "lower", "inline"] = Field(
        "keep", description="Leave case, lose it, or write it as marks after lower-cased words."
    )
    protect: tuple[SpanKind, ...] = Field(
        (), description="Spans that symbols stand for, and that come out as they are in the source."
    )
    max_spans: int = Field(
        10, ge=1, le=100, description="Different spans of a text that are protected; more stay text."
    )
