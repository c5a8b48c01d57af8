"""Gets texts and scores from nested values, as in JSON and data sets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Literal

from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import SURROGATE, Repairs
from mtkit.errors import listed

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_score(value: Any) -> float | None:
    """`value` as a number, even if it is a string; None if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def field_at(value: Any, path: str) -> Any:
    """The value at a dotted path such as `translation.en` or `sentences.0.text`.

    Keys may contain dots themselves.

    Raises:
        LookupError: there is no value at the path.
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    step, dot, rest = path.partition(".")
    if isinstance(value, dict):
        inner = value[step]
    elif isinstance(value, list) and step.isdecimal():
        inner = value[int(step)]
    else:
        raise LookupError(step)
    return field_at(inner, rest) if dot else inner


class Fields:
    """Makes a pair of a record by the dotted paths of its texts.

    Args:
        src: path of the source text.
        tgt: path of the target text.
        score: path of the score, if there is one.
        refs: paths of further references.
        domain: path of the domain, if there is one.
        document: path of the document, if there is one.
    """

    def __init__(
        self,
        src: str,
        tgt: str,
        score: str | None,
        on_error: Literal["stop", "skip"],
        repairs: Repairs,
        refs: Sequence[str] = (),
        domain: str | None = None,
        document: str | None = None,
    ) -> None:
        self._texts, self._score = (src, tgt, *refs), score
        self._labels = domain, document
        self._on_error = on_error
        self._repairs = repairs

    def pair(self, record: Any, place: str) -> Pair | None:
        """The pair of a record; None if it is skipped. A RecordError in its place is reported or skipped.

        Raises:
            InputError: a field is missing or has the wrong type, and bad records are not skipped.
        """
        try:
            if isinstance(record, RecordError):
                raise record
            src, tgt, *refs = (self._text(record, path, place) for path in self._texts)
            score = None if self._score is None else self._number(record, self._score)
            domain, document = (self._label(record, path, place) if path else "" for path in self._labels)
        except RecordError as error:
            hint = "Name the fields of the texts, or repair it."
            self._repairs.bad(place, str(error), hint, self._on_error)
            return None
        return Pair(src, tgt, place, (), score, tuple(refs), domain, document)

    def _text(self, record: Any, path: str, place: str) -> str:
        return self._well_formed(_found(record, path), path, place)

    def _label(self, record: Any, path: str, place: str) -> str:
        """A name or a number as one line of text; empty for null."""
        found = _found(record, path)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return "" if found is None else " ".join(self._well_formed(found, path, place).split())

    def _well_formed(self, found: Any, path: str, place: str) -> str:
        """The text without lone surrogates."""
        if not isinstance(found, str):
            raise RecordError(f"the field {path} is {_kind(found)}, expected text.")
        if not found.isascii() and _SURROGATE.search(found):
            self._repairs.repair(SURROGATE, place)
            return _SURROGATE.sub("\ufffd", found)
        return found

    @staticmethod
    def _number(record: Any, path: str) -> float:
        found = _found(record, path)
        score = as_score(found)
        if score is None:
            raise RecordError(f"the field {path} is {_kind(found)}, expected a number.")
        return score


class RecordError(Exception):
    """A record that cannot be read or lacks a required field."""


def _found(record: Any, path: str) -> Any:
    try:
        return field_at(record, path)
    except LookupError:
        has = f"it has {listed(record)}" if isinstance(record, dict) else "it has no fields"
        raise RecordError(f"there is no field {path}; {has}.") from None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "infinite"
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")
