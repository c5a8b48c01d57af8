"""Texts by key in YAML, as Ruby on Rails and others have them."""

from __future__ import annotations

import re

from mtkit.documents.base import check_utf8
from mtkit.documents.software.messages import ICU_TEXT, Markups, message_markup, value_slot
from mtkit.documents.spans import Slot, Spliced
from mtkit.documents.yaml_values import UNPRINTABLE, UNREADABLE, Scalar, scalars
from mtkit.errors import InputError, shortened

_TIME = r"%[-^0_#]?[A-Za-z]"
_MARKUPS: Markups = message_markup(own=rf"{_TIME}(?![A-Za-z])"), ICU_TEXT
_FORMATS: Markups = message_markup(own=_TIME), None
"""The markup of formats of dates and times in Rails."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def open_yaml(name: str, data: bytes, target: str = "") -> Spliced:
    """All strings, at any depth; keys, comments, anchors and styles stay, and what is not a string.

    If all texts are under one key that is a language code, as in Rails, that is the declared language.

    Args:
        name: of the file.
        data: its bytes.
        target: what such a key is to become; it stays if that is empty.

    Raises:
        InputError: it is not UTF-8 or not YAML, or nested deeper than any real file.
    """
    source = check_utf8(name, data)
    found = _read(name, source)
    roots = {scalar.path[0] if len(scalar.path) > 1 else "" for scalar in found}
    language = roots.pop() if len(roots) == 1 else ""
    language = language if _LANGUAGE.fullmatch(language) else ""
    key = re.compile(rf"^(['\"]?){re.escape(language)}\1(?=[ \t]*:)", re.MULTILINE).search(source)
    if language and target and key:
        source = f"{source[: key.start()]}{key[1]}{target}{key[1]}{source[key.end() :]}"
        found = _read(name, source)
    slots = [slot for scalar in found if (slot := _slot(source, scalar))]
    return Spliced(source, slots, (language, ""))


def _read(name: str, source: str) -> list[Scalar]:
    try:
        return [scalar for scalar in scalars(source, in_lists=True) if scalar.is_string]
    except UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "") or "invalid"
        raise InputError(
            f"{name}{line}: is not YAML that can be read: {shortened(problem)}.", "Repair the file."
        ) from None


def _slot(source: str, scalar: Scalar) -> Slot | None:
    value = scalar.value(source)
    if not value or scalar.path[-2:] == ("date", "order"):  # which are names of Rails
        return None
    start, end, text, spell = value
    markups = _FORMATS if "formats" in scalar.path else _MARKUPS
    return value_slot(source, start, end, text, markups, lambda found: spell(UNPRINTABLE.sub("", found)))
