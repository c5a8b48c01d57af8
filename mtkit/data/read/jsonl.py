"""JSON objects, one per line, or all of them in one array."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn

from mtkit.config.sources import JsonlSource
from mtkit.data.read.fields import Fields, RecordError
from mtkit.data.read.lines import MAX_LINE, expand, read_lines
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import BLANK, Repairs
from mtkit.errors import InputError

_DECODER = json.JSONDecoder()
_SPACES = re.compile(r"\s*")


def read_jsonl(source: JsonlSource, src_lang: str, tgt_lang: str, repairs: Repairs) -> Iterator[Pair]:
    """The two fields of each object; blank lines are skipped and counted.

    Raises:
        InputError: a line is not JSON or lacks a field, and bad lines are not skipped; or an array is broken.
    """
    fields = Fields(
        source.src_field or f"translation.{src_lang}",
        source.tgt_field or f"translation.{tgt_lang}",
        source.score_field,
        source.on_error,
        repairs,
        source.refs,
        source.domain_field,
        source.document_field,
    )
    for path in expand(source.path):
        for place, record in json_records(path, read_lines(path, repairs, source.encoding), repairs):
            if pair := fields.pair(record, place):
                yield pair


def json_records(path: Path, lines: Iterator[str], repairs: Repairs) -> Iterator[tuple[str, Any]]:
    """The objects of a file with their places: one per line, in one array, or in the array of one object.

    A RecordError takes the place of a line that is not JSON.

    Raises:
        InputError: an array is broken.
    """
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        if _is_blank(line):
            repairs.skip(BLANK, f"{path}:{number}")
        elif _is_document(line):
            rest = chain([line], (line for _, line in numbered))
            yield from _Document(path, rest, number).records()
            return
        else:
            yield f"{path}:{number}", parse_json(line)
            break
    for number, line in numbered:
        if _is_blank(line):
            repairs.skip(BLANK, f"{path}:{number}")
        else:
            yield f"{path}:{number}", parse_json(line)


def _is_blank(line: str) -> bool:
    return not line or line.isspace()


def _is_document(line: str) -> bool:
    """Whether the first line begins an array, or an object that goes on or contains an array of objects."""
    if line.lstrip().startswith("["):
        return True
    if not line.lstrip().startswith("{"):
        return False
    try:
        value, end = _DECODER.raw_decode(line.lstrip())
    except json.JSONDecodeError as error:
        return error.pos >= len(error.doc.rstrip())  # the line is complete, but not the object
    except (ValueError, RecursionError):
        return False
    lists = [member for member in value.values() if isinstance(member, list)]
    return end == len(line.strip()) and len(lists) == 1 == len(value) and _has_objects(lists[0])


def _has_objects(members: list[Any]) -> bool:
    return bool(members) and all(isinstance(member, dict) for member in members)


class _Document:
    """The objects in one array, read one by one; only a few are in memory at a time.

    Args:
        path: of the file, for messages.
        lines: of the document.
        line: number of the first of them.
    """

    def __init__(self, path: Path, lines: Iterator[str], line: int) -> None:
        self._path, self._lines, self._line = path, lines, line
        self._text, self._at = "", 0

    def records(self) -> Iterator[tuple[str, Any]]:
        """Each object with its place."""
        # 1. An object around the array; its members before the array are skipped.
        is_inside = self._skip("{")
        if is_inside:
            while self._next() == '"':
                self._value()
                self._expect(":")
                if self._next() == "[":
                    break
                self._value()
                self._skip(",")
        # 2. The array.
        self._expect("[")
        line, count = 0, 0
        while self._next() not in ("]", ""):
            line, count = self._line, count + 1 if line == self._line else 1
            yield f"{self._path}:{line}" + (f" item {count}" if count > 1 else ""), self._value()
            if not self._skip(",") and self._next() != "]":
                self._fail("expected , or ] after an object")
        self._expect("]")
        if not is_inside and self._next():
            self._fail("there is text after the array")

    def _next(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            found = _SPACES.match(self._text, self._at)
            self._move(found.end() if found else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read(1):
                return ""

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _read(self, count: int) -> bool:
        """Adds lines to the text that is left; false at the end of the file."""
        more = "".join(f"{line}\n" for line in islice(self._lines, count))
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def _skip(self, character: str) -> bool:
        found = self._next() == character
        self._at += found
        return found

    def _expect(self, character: str) -> None:
        if not self._skip(character):
            self._fail(f"expected {character}")

    def _value(self) -> Any:
        """The value that begins at the next character, which may continue on further lines."""
        self._next()
        count = 1
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                is_complete = error.pos < len(self._text.rstrip())
                if is_complete or len(self._text) - self._at > MAX_LINE or not self._read(count):
                    self._fail(error.msg)
                count *= 2  # or parsing again would take quadratic time
            except (ValueError, RecursionError) as error:
                self._fail(str(error))
            else:
                self._move(end)
                return value

    def _fail(self, what: str) -> NoReturn:
        raise InputError(
            f"{self._path}:{self._line}: is not a JSON array of objects: {what}.",
            "Repair it, or write one object per line.",
        )


def parse_json(text: str) -> Any:
    """The value of a JSON text; a RecordError if it is not valid JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return RecordError(f"is not JSON: {error.msg} at column {error.colno}.")
    except (ValueError, RecursionError) as error:  # too many digits, or nested too deeply
        return RecordError(f"is not valid JSON: {error}.")
