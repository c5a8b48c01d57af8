"""What callers give to the functions of `mtkit.api`, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mtkit.errors import UsageError

_SURROGATE = re.compile("[\ud800-\udfff]")


def checked_texts(text: Any, details: bool) -> list[str]:
    """One text or several as a list.

    Raises:
        UsageError: one of them is no text.
    """
    texts = [text] if isinstance(text, str) else list(text) if isinstance(text, Sequence) else [text]
    if isinstance(text, bytes | bytearray):
        texts = [text]
    for number, one in enumerate(texts, start=1):
        if not isinstance(one, str):
            raise UsageError(f"text {number}: is {type(one).__name__}, expected str.")
        if found := _SURROGATE.search(one):
            raise UsageError(
                f"text {number}: character {found.start() + 1}, {found[0]!a}, is half of a surrogate pair.",
                "Decode the text with errors='replace'.",
            )
        if details and "\n" in one:
            raise UsageError(
                f"text {number}: has several lines, and details are of one line.",
                "Pass its lines as a list.",
            )
    return texts


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Checks the value of an argument that takes one of a few words.

    Raises:
        UsageError: it is another.
    """
    if value not in choices:
        raise UsageError(f"{name} = {value!r}: expected {', '.join(choices[:-1])} or {choices[-1]}.")


def checked_search(search: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options of search, which must be those of the `decode` section.

    Raises:
        UsageError: one is unknown.
    """
    if not search:
        return search
    from difflib import get_close_matches

    from mtkit.config.decode import DecodeConfig

    known = list(DecodeConfig.model_fields)
    for name in search:
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise UsageError(
                f"{name}: unknown option.",
                f"Did you mean {close[0]}?" if close else f"Options of search: {', '.join(known)}.",
            )
    return search
